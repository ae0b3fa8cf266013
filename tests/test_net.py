"""Net: building, running, loss weights, reshaping; the properties Caffe's own test_net checks."""

from __future__ import annotations

import gc
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicaffe as caffe
from minicaffe.errors import LayerError, NetError
from tests.small_nets import INPUT, build, feed, ip, loss

# -- names ------------------------------------------------------------------------------------------------------------


def test_pycaffe_names() -> None:
    net = build(INPUT, ip("ip", "data", "y"), loss())
    assert net.inputs == ["data", "label"]
    assert net.outputs == ["loss"]
    assert list(net.blobs) == ["data", "label", "y", "loss"]
    assert list(net.params) == ["ip"]
    assert [blob.shape for blob in net.params["ip"]] == [(3, 3), (3,)]
    assert net.top_names == {"data": ["data", "label"], "ip": ["y"], "loss": ["loss"]}
    assert net.bottom_names["loss"] == ["y", "label"]
    assert net.layer_dict["ip"].type == "InnerProduct"
    assert net.blob_loss_weights["loss"] == 1
    assert [layer.type for layer in net.layers] == ["Input", "InnerProduct", "SoftmaxWithLoss"]


def test_both_constructors(tmp_path: Path) -> None:
    (tmp_path / "n.prototxt").write_text(INPUT + ip("ip", "data", "y"))
    net = caffe.Net(str(tmp_path / "n.prototxt"), caffe.TEST)
    net.save(tmp_path / "n.caffemodel")
    old = caffe.Net(str(tmp_path / "n.prototxt"), str(tmp_path / "n.caffemodel"), caffe.TEST)
    new = caffe.Net(tmp_path / "n.prototxt", caffe.TEST, weights=tmp_path / "n.caffemodel")
    for other in (old, new):
        assert other.phase == "TEST"
        np.testing.assert_array_equal(other.params["ip"][0].data, net.params["ip"][0].data)
    with pytest.raises(TypeError, match="TRAIN or TEST"):
        caffe.Net(tmp_path / "n.prototxt")
    with pytest.raises(TypeError, match="no more positional arguments"):
        caffe.Net(tmp_path / "n.prototxt", caffe.TEST, 0, None, None, np.float32)


def test_stages_and_levels() -> None:
    layers = (INPUT, ip("a", "data", "y", "include { stage: 'A' }"), ip("b", "data", "z", "include { min_level: 1 }"))
    assert list(build(*layers, stages=["A"]).params) == ["a"]
    assert list(build(*layers, stages="A").params) == ["a"]
    assert list(build(*layers, level=1).params) == ["b"]
    assert list(build(*layers, level=1, stages=["A"]).params) == ["a", "b"]


# -- running ----------------------------------------------------------------------------------------------------------


def test_forward_takes_inputs_and_returns_live_outputs() -> None:
    net = build(INPUT, ip("ip", "data", "y"), phase="TEST")
    x = np.arange(12).reshape(4, 3)
    out = net.forward(data=x, label=np.zeros(4), blobs=["data"])
    W, b = (blob.data for blob in net.params["ip"])
    np.testing.assert_allclose(out["y"], x @ W.T + b, rtol=1e-5)
    assert out["y"] is net.blobs["y"].data
    assert sorted(out) == ["data", "label", "y"] or sorted(out) == ["data", "y"]


def test_forward_checks_its_inputs() -> None:
    net = build(INPUT, ip("ip", "data", "y"))
    with pytest.raises(NetError, match="do not match net inputs"):
        net.forward(data=np.zeros((4, 3)))
    with pytest.raises(NetError, match="not batch sized"):
        net.forward(data=np.zeros((5, 3)), label=np.zeros(4))
    with pytest.raises(NetError, match=r"blob 'data' of shape \(4, 3\) cannot take what is given: .*\(4,2\)"):
        net.forward(data=np.zeros((4, 2)), label=np.zeros(4))


def test_blobs_and_layers_that_do_not_exist_are_named_with_the_nearest() -> None:
    net = feed(build(INPUT, ip("ip", "data", "y"), loss()))
    with pytest.raises(NetError, match=r"no blob 'labels' in net '' \(did you mean 'label'\?\)"):
        net.forward(blobs=["labels"])
    with pytest.raises(NetError, match="no blob 'z' in net"):
        net.backward(diffs=["z"])
    with pytest.raises(NetError, match="no layer 'z' in net"):
        net.forward(end="z")


def test_start_and_end() -> None:
    net = feed(build(INPUT, ip("a", "data", "h"), ip("b", "h", "y"), loss()))
    net.forward()
    whole = net.blobs["y"].data.copy()
    out = net.forward(end="a")
    assert list(out) == ["h"]
    net.blobs["h"].data[...] *= 2
    assert list(net.forward(start="b", end="b")) == ["y"]
    assert not np.allclose(net.blobs["y"].data, whole)
    net.backward(end="b")
    assert net.params["b"][0].diff.any()
    assert not net.params["a"][0].diff.any()
    with pytest.raises(NetError, match=r"no layer 'bb'.*did you mean 'b'"):
        net.forward(end="bb")


def test_parameter_diffs_accumulate_and_are_cleared() -> None:
    net = feed(build(INPUT, ip("ip", "data", "y"), loss()))
    net.forward_backward()
    once = net.params["ip"][0].diff.copy()
    net.forward_backward()
    np.testing.assert_allclose(net.params["ip"][0].diff, 2 * once, rtol=1e-6)
    net.clear_param_diffs()
    assert not net.params["ip"][0].diff.any()


def test_backward_takes_output_diffs() -> None:
    net = feed(build(INPUT, ip("ip", "data", "y"), head="force_backward: true"))
    net.forward()
    dy = np.random.default_rng(3).standard_normal((4, 3)).astype("f")
    out = net.backward(y=dy, label=np.zeros(4))
    np.testing.assert_allclose(out["data"], dy @ net.params["ip"][0].data, rtol=1e-5)


def test_callbacks_see_every_layer() -> None:
    net = feed(build(INPUT, ip("ip", "data", "y"), loss()))
    seen: list[tuple[str, int]] = []
    for name in ("before_forward", "after_forward", "before_backward", "after_backward"):
        getattr(net, name)(lambda i, name=name: seen.append((name, i)))
    net.forward_backward()
    assert seen[:4] == [("before_forward", 0), ("after_forward", 0), ("before_forward", 1), ("after_forward", 1)]
    assert seen[6:8] == [("before_backward", 2), ("after_backward", 2)]
    assert len(seen) == 12


def test_forward_all_pads_and_trims() -> None:
    net = build(INPUT, ip("ip", "data", "y"))
    x = np.random.default_rng(0).standard_normal((10, 3)).astype("f")
    out = net.forward_all(data=x, label=np.zeros(10), blobs=["data"])
    W, b = (blob.data for blob in net.params["ip"])
    np.testing.assert_allclose(out["y"], x @ W.T + b, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(out["data"], x)


def test_forward_backward_all() -> None:
    net = build(INPUT, ip("ip", "data", "y"), head="force_backward: true")
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((6, 3)).astype("f") for _ in range(2))
    outputs, gradients = net.forward_backward_all(data=x, label=np.zeros(6), y=dy)
    assert outputs["y"].shape == (6, 3)
    np.testing.assert_allclose(gradients["data"], dy @ net.params["ip"][0].data, rtol=1e-4, atol=1e-5)


# -- losses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [2.0, 0.0, 1.0, -1.0, -2.5, 3.7])
def test_loss_weights_scale_loss_and_gradients(weight: float) -> None:
    plain = feed(build(INPUT, ip("ip", "data", "y"), loss()))
    scaled = feed(build(INPUT, ip("ip", "data", "y"), loss(more=f"loss_weight: {weight}")))
    a, b = plain.forward_backward(), scaled.forward_backward()
    assert b == pytest.approx(weight * a, rel=1e-5)
    np.testing.assert_allclose(scaled.params["ip"][0].diff, weight * plain.params["ip"][0].diff, rtol=1e-4, atol=1e-7)


def test_a_loss_in_the_middle_of_the_net_adds_up() -> None:
    net = feed(build(INPUT, ip("a", "data", "h", "loss_weight: 0.5"), ip("b", "h", "y"), loss()))
    total = net.forward_backward()
    h = net.blobs["h"].data
    assert total == pytest.approx(0.5 * float(h.sum()) + float(net.blobs["loss"].data), rel=1e-5)
    assert net.bottom_names["b"] == ["h_a_0_split_1"]
    through_loss = net.blobs["h_a_0_split_1"].diff
    np.testing.assert_allclose(net.blobs["h"].diff, through_loss + 0.5, rtol=1e-5)


def test_a_two_top_softmax_loss_needs_no_second_weight() -> None:
    text = "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'y' bottom: 'label' top: 'loss' top: 'prob' }"
    net = feed(build(INPUT, ip("ip", "data", "y"), text))
    assert net.forward_loss() == pytest.approx(float(net.blobs["loss"].data))
    np.testing.assert_allclose(net.blobs["prob"].data.sum(1), 1, rtol=1e-5)


def test_a_left_out_loss_top_is_made() -> None:
    text = "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'y' bottom: 'label' }"
    net = feed(build(INPUT, ip("ip", "data", "y"), text))
    assert net.forward_loss() > 0
    assert net.outputs == []


def test_wrong_number_of_loss_weights() -> None:
    with pytest.raises(NetError, match="loss_weight is given 2 times for 1 tops"):
        build(INPUT, ip("ip", "data", "y", "loss_weight: 1 loss_weight: 2"))
    with pytest.raises(NetError, match="loss_weight is given 2 times for 1 tops"):
        build(INPUT, ip("ip", "data", "y"), loss(more="loss_weight: 1 loss_weight: 2"))


# -- shapes -----------------------------------------------------------------------------------------------------------


def test_a_reshape_up_and_down_keeps_results() -> None:
    net = build(INPUT, ip("ip", "data", "y"))
    x = np.random.default_rng(0).standard_normal((9, 3)).astype("f")
    before = net.forward(data=x[:4], label=np.zeros(4))["y"].copy()
    for name, shape in (("data", (9, 3)), ("label", (9,))):
        net.blobs[name].reshape(*shape)
    net.reshape()
    assert net.blobs["y"].shape == (9, 3)
    big = net.forward(data=x, label=np.zeros(9))["y"]
    np.testing.assert_allclose(big[:4], before, rtol=1e-5)
    net.blobs["data"].reshape(4, 3)
    net.blobs["label"].reshape(4)
    np.testing.assert_array_equal(net.forward(data=x[:4], label=np.zeros(4))["y"], before)


# -- bad nets ---------------------------------------------------------------------------------------------------------


def test_unknown_type_names_the_nearest() -> None:
    with pytest.raises(
        NetError, match=r"net\.prototxt:2: layer 'r' \(Relu\): unknown layer type 'Relu' \(did you mean 'ReLU'"
    ):
        build("layer { name: 'r' type: 'Relu' }")


def test_wrong_blob_counts_say_what_is_wanted_and_given() -> None:
    with pytest.raises(NetError, match=r"takes 1 bottom, but the prototxt gives 2: 'data', 'label'"):
        build(INPUT, "layer { name: 'r' type: 'ReLU' bottom: 'data' bottom: 'label' top: 'y' }")


def test_shapes_that_do_not_fit_show_bottoms_and_producers() -> None:
    layers = (
        "layer { name: 'a' type: 'Input' top: 'a' input_param { shape { dim: 2 dim: 3 } } }",
        "layer { name: 'b' type: 'Input' top: 'b' input_param { shape { dim: 2 dim: 4 } } }",
        "layer { name: 's' type: 'Eltwise' bottom: 'a' bottom: 'b' top: 's' }",
    )
    with pytest.raises(NetError) as error:
        build(*layers)
    message = str(error.value)
    assert "net.prototxt:4: layer 's' (Eltwise)" in message
    assert "bottom[0] 'a' has shape (2, 3), produced by net.prototxt:2: layer 'a' (Input)" in message
    assert "bottom[1] 'b' has shape (2, 4), produced by net.prototxt:3: layer 'b' (Input)" in message


def test_a_blob_that_was_split_is_shown_as_the_prototxt_knows_it() -> None:
    layers = (
        "layer { name: 'a' type: 'Input' top: 'a' input_param { shape { dim: 2 dim: 3 } } }",
        "layer { name: 'r' type: 'ReLU' bottom: 'a' top: 'a' }",
        "layer { name: 't' type: 'Tile' bottom: 'a' top: 't' tile_param { tiles: 2 } }",
        "layer { name: 's' type: 'Eltwise' bottom: 'a' bottom: 't' top: 's' }",
    )
    with pytest.raises(NetError) as error:
        build(*layers)
    assert "bottom[0] 'a' has shape (2, 3), produced by net.prototxt:3: layer 'r' (ReLU)" in str(error.value)


def test_a_foreign_exception_in_a_layer_keeps_its_cause() -> None:
    class Broken(caffe.Layer):
        def reshape(self, bottom: Any, top: Any) -> None:
            top[0].reshape(1)

        def forward(self, bottom: Any, top: Any) -> None:
            raise KeyError("gone")

    net = build(INPUT, ip("ip", "data", "y"))
    step = net.steps[1]
    step.layer = Broken(step.param, net.setting)
    with pytest.raises(LayerError, match="forward raised KeyError") as error:
        net.forward()
    assert isinstance(error.value.__cause__, KeyError)


# -- warnings and logs ------------------------------------------------------------------------------------------------


def test_all_zero_weights_are_named(caplog: pytest.LogCaptureFixture) -> None:
    text = "layer { name: 'fc6' type: 'InnerProduct' bottom: 'data' top: 'y' inner_product_param { num_output: 3 } }"
    net = feed(build(INPUT, text, loss()))
    with caplog.at_level(logging.WARNING, logger="minicaffe"):
        net.forward()
        net.forward()
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "the weights of layer 'fc6' are all zero"
    ]


def test_given_weights_silence_the_warning(caplog: pytest.LogCaptureFixture) -> None:
    text = "layer { name: 'fc6' type: 'InnerProduct' bottom: 'data' top: 'y' inner_product_param { num_output: 3 } }"
    net = feed(build(INPUT, text, loss()))
    net.params["fc6"][0].data[...] = 1
    with caplog.at_level(logging.WARNING, logger="minicaffe"):
        net.forward()
    assert not caplog.records


def test_debug_info_lines(caplog: pytest.LogCaptureFixture) -> None:
    net = feed(build(INPUT, ip("ip", "data", "y"), loss(), head="debug_info: true"))
    with caplog.at_level(logging.INFO, logger="minicaffe"):
        net.forward_backward()
    lines = [record.getMessage() for record in caplog.records]
    mean = float(np.abs(net.blobs["y"].data).mean())
    assert f"    [Forward] Layer ip, top blob y data: {mean:g}" in lines
    assert any(line.startswith("    [Forward] Layer ip, param blob 0 data: ") for line in lines)
    assert any(line.startswith("    [Backward] Layer loss, bottom blob y diff: ") for line in lines)
    assert any(line.startswith("    [Backward] Layer ip, param blob 1 diff: ") for line in lines)
    assert any(line.startswith("    [Backward] All net params (data, diff): L1 norm = (") for line in lines)


def test_same_seed_same_weights_other_seed_other_weights() -> None:
    nets = [build(INPUT, ip("ip", "data", "y"), seed=seed) for seed in (1, 1, 2)]
    weights = [net.params["ip"][0].data for net in nets]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_debug_info_ends_with_both_norms_of_all_parameters(caplog: pytest.LogCaptureFixture) -> None:
    net = feed(build(INPUT, ip("a", "data", "h"), ip("b", "h", "y"), loss(), head="debug_info: true"))
    with caplog.at_level(logging.ERROR, logger="minicaffe"):
        net.forward_backward()
    data, diff = (
        np.concatenate([getattr(blob, half).ravel() for blobs in net.params.values() for blob in blobs]).astype(float)
        for half in ("data", "diff")
    )
    l1, l2 = ([np.abs(x).sum() for x in (data, diff)], [np.sqrt((x * x).sum()) for x in (data, diff)])
    numbers = [float(word) for word in re.findall(r"[-+.\de]+(?=[,)])", caplog.records[-1].getMessage())]
    np.testing.assert_allclose(numbers, [*l1, *l2], rtol=1e-4)


# -- as programs use it -----------------------------------------------------------------------------------------------


def test_arrays_outlive_their_net() -> None:
    net = feed(build(INPUT, ip("ip", "data", "y"), loss()))
    net.forward_backward()
    views = [net.params["ip"][0].data, net.params["ip"][1].diff, net.blobs["y"].data, net.blobs["y"].diff]
    copies = [view.copy() for view in views]
    blobs, layers = list(net.blobs.values()), net.layers
    del net
    gc.collect()
    for view, copy in zip(views, copies, strict=True):
        np.testing.assert_array_equal(view, copy)
    assert blobs[2].data is views[2]
    assert layers[1].blobs[0].data is views[0]


def test_layer_by_layer_is_the_whole() -> None:
    whole, parts = (feed(build(INPUT, ip("a", "data", "h"), ip("b", "h", "y"), loss())) for _ in range(2))
    total = whole.forward_loss()
    assert sum(parts.forward_loss(i, i) for i in range(len(parts.steps))) == total
    whole.run_backward()
    for i in reversed(range(len(parts.steps))):
        parts.run_backward(i, i)
    np.testing.assert_array_equal(parts.flat_diff, whole.flat_diff)


ALL_IN_ONE = (
    INPUT.replace("layer {", "layer { include { phase: TRAIN }", 1),
    INPUT.replace("layer {", "layer { include { phase: TEST not_stage: 'deploy' }", 1).replace("dim: 4", "dim: 2"),
    "layer { name: 'data' type: 'Input' top: 'data' include { stage: 'deploy' } input_param { "
    "shape { dim: 1 dim: 3 } } }",
    ip("ip", "data", "y"),
    loss(more="include { phase: TRAIN } include { phase: TEST not_stage: 'deploy' }"),
    "layer { name: 'accuracy' type: 'Accuracy' bottom: 'y' bottom: 'label' top: 'accuracy' "
    "include { phase: TEST not_stage: 'deploy' } }",
    "layer { name: 'prob' type: 'Softmax' bottom: 'y' top: 'prob' include { stage: 'deploy' } }",
)


@pytest.mark.parametrize(
    ("phase", "stages", "batch", "inputs", "outputs"),
    [
        ("TRAIN", (), 4, ["data", "label"], ["loss"]),
        ("TEST", (), 2, ["data", "label"], ["accuracy", "loss"]),
        ("TEST", ("deploy",), 1, ["data"], ["prob"]),
    ],
)
def test_one_file_to_train_test_and_deploy(
    phase: str, stages: tuple[str, ...], batch: int, inputs: list[str], outputs: list[str]
) -> None:
    net = build(*ALL_IN_ONE, phase=phase, stages=stages)
    assert (net.inputs, net.outputs) == (inputs, outputs)
    assert net.blobs["y"].shape == (batch, 3)
    assert list(feed(net).forward()) == outputs
