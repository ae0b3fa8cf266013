"""Split insertion, with Caffe's names (NET: insert_splits)."""

from __future__ import annotations

import pytest

from minicaffe.errors import NetError
from minicaffe.graph import filter_net, insert_splits
from minicaffe.proto import prototxt, schema


def split(text: str) -> list[tuple[str, str, list[str], list[str]]]:
    net = insert_splits(prototxt.parse(text, schema.NetParameter, file="n.prototxt"))
    return [(layer.name, layer.type, list(layer.bottom), list(layer.top)) for layer in net.layer]


def test_single_consumers_need_no_split() -> None:
    text = "layer { name: 'd' type: 'Input' top: 'x' } layer { name: 'r' type: 'ReLU' bottom: 'x' top: 'x' }"
    assert [row[0] for row in split(text)] == ["d", "r"]


def test_two_consumers() -> None:
    rows = split(
        "layer { name: 'd' type: 'Input' top: 'x' top: 'y' }"
        "layer { name: 'a' type: 'ReLU' bottom: 'y' top: 'a' }"
        "layer { name: 'b' type: 'Eltwise' bottom: 'y' bottom: 'x' top: 'b' }"
    )
    assert rows[1] == ("y_d_1_split", "Split", ["y"], ["y_d_1_split_0", "y_d_1_split_1"])
    assert rows[2][2] == ["y_d_1_split_0"]
    assert rows[3][2] == ["y_d_1_split_1", "x"]


def test_one_layer_may_consume_a_blob_twice() -> None:
    rows = split(
        "layer { name: 'd' type: 'Input' top: 'x' } layer { name: 's' type: 'Eltwise' bottom: 'x' bottom: 'x' "
        "top: 's' }"
    )
    assert rows[2][2] == ["x_d_0_split_0", "x_d_0_split_1"]


def test_the_last_in_place_producer_gives_the_name() -> None:
    rows = split(
        "layer { name: 'd' type: 'Input' top: 'data' }"
        "layer { name: 'conv1' type: 'Convolution' bottom: 'data' top: 'conv1' }"
        "layer { name: 'relu1' type: 'ReLU' bottom: 'conv1' top: 'conv1' }"
        "layer { name: 'a' type: 'ReLU' bottom: 'conv1' top: 'a' }"
        "layer { name: 'b' type: 'ReLU' bottom: 'conv1' top: 'b' }"
    )
    assert [row[0] for row in rows] == ["d", "conv1", "relu1", "conv1_relu1_0_split", "a", "b"]
    assert rows[3][3] == ["conv1_relu1_0_split_0", "conv1_relu1_0_split_1"]


def test_a_loss_weight_takes_the_first_copy() -> None:
    net = insert_splits(
        prototxt.parse(
            "layer { name: 'd' type: 'Input' top: 'x' }"
            "layer { name: 'ip' type: 'InnerProduct' bottom: 'x' top: 'y' loss_weight: 2.5 }"
            "layer { name: 'r' type: 'ReLU' bottom: 'y' top: 'r' }",
            schema.NetParameter,
        )
    )
    producer, splitter, consumer = net.layer[1:4]
    assert list(producer.loss_weight) == []
    assert (splitter.name, list(splitter.loss_weight)) == ("y_ip_0_split", [2.5, 0])
    assert list(consumer.bottom) == ["y_ip_0_split_1"]


def test_a_loss_weight_alone_needs_no_split() -> None:
    rows = split("layer { name: 'ip' type: 'InnerProduct' top: 'y' loss_weight: 2 }")
    assert len(rows) == 1


def test_splits_stand_in_the_place_of_their_producer() -> None:
    text = (
        "layer { name: 'd' type: 'Input' top: 'x' }\nlayer { name: 's' type: 'Eltwise' bottom: 'x' bottom: "
        "'x' top: 's' }"
    )
    net = insert_splits(prototxt.parse(text, schema.NetParameter, file="n.prototxt"))
    assert net.layer[1].origin == "n.prototxt:1"


def test_unknown_bottom_names_line_index_and_nearest() -> None:
    with pytest.raises(NetError) as error:
        split(
            "layer { name: 'd' type: 'Input' top: 'label' }\nlayer { name: 'r' type: 'ReLU' bottom: 'lable' top: 'r' }"
        )
    assert "n.prototxt:2: layer 'r' (ReLU): Unknown bottom blob 'lable' (layer 'r', bottom index 0)" in str(error.value)
    assert "did you mean 'label'" in str(error.value)


def test_unknown_bottom_says_in_which_phase_it_would_exist() -> None:
    net = prototxt.parse(
        "layer { name: 'data' type: 'Data' top: 'label' include { phase: TRAIN } }\n"
        "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'label' top: 'l' }",
        schema.NetParameter,
        file="n.prototxt",
    )
    with pytest.raises(
        NetError, match=r"built for phase TEST; 'label' is produced only in phase TRAIN by layer 'data'"
    ):
        insert_splits(filter_net(net, schema.NetState(phase=1)), net)


def test_a_cycle_is_named() -> None:
    with pytest.raises(NetError, match=r"produced afterwards, by layer 'b' \(n\.prototxt:2\).*a net has no cycles"):
        split(
            "layer { name: 'a' type: 'ReLU' bottom: 'y' top: 'x' }\nlayer { name: 'b' type: 'ReLU' bottom: "
            "'x' top: 'y' }"
        )


def test_a_layer_that_wants_its_own_top_is_told_so() -> None:
    with pytest.raises(NetError, match="only this layer itself produces it"):
        split("layer { name: 'a' type: 'ReLU' bottom: 'x' top: 'x' }")


def test_a_producer_below_its_consumer_is_to_be_moved() -> None:
    with pytest.raises(NetError, match=r"produced afterwards, by layer 'b'.*move the producer before its consumer"):
        split(
            "layer { name: 'i' type: 'Input' top: 'x' } layer { name: 'a' type: 'ReLU' bottom: 'y' top: 'z' }"
            "layer { name: 'b' type: 'ReLU' bottom: 'x' top: 'y' }"
        )


def test_a_net_with_its_splits_needs_no_more() -> None:
    net = prototxt.parse(
        "layer { name: 'd' type: 'Input' top: 'x' }"
        "layer { name: 'c' type: 'Convolution' bottom: 'x' top: 'c' }"
        "layer { name: 'r' type: 'ReLU' bottom: 'c' top: 'c' }"
        "layer { name: 'a' type: 'Pooling' bottom: 'c' top: 'a' loss_weight: 2 }"
        "layer { name: 'b' type: 'Eltwise' bottom: 'c' bottom: 'a' bottom: 'x' top: 'b' }",
        schema.NetParameter,
    )
    once = insert_splits(net)
    assert [layer.type for layer in once.layer].count("Split") == 3
    assert insert_splits(once) == once
