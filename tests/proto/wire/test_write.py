"""Files as real protobuf readers see them, and round trips through our own reader."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe.errors import WeightsError
from minicaffe.proto import schema
from minicaffe.proto.wire import (
    StoredState,
    array_to_blob,
    read_blobproto,
    read_solverstate,
    read_weights,
    write_blobproto,
    write_net,
    write_solverstate,
)
from minicaffe.proto.wire.write import Parts


def small_net():
    net = schema.NetParameter(name="n", force_backward=True, origin="f:1")
    net.layer.add(name="data", type="Input", origin="f:2")
    ip = net.layer.add(name="ip", type="InnerProduct", bottom=["data"], top=["ip"], phase=1, origin="f:3")
    ip.inner_product_param.num_output = 2
    ip.roi_pooling_param.pooled_h = 7
    return net


WEIGHT, BIAS = np.arange(6, dtype="f4").reshape(2, 3), np.array([0.5, -0.5])


def expected_net(diffs: bool = False):
    net = small_net()
    net.ClearField("origin")
    for layer in net.layer:
        layer.ClearField("origin")
    for array in (WEIGHT, BIAS):
        net.layer[1].blobs.append(array_to_blob(array, -array if diffs else None))
    return net


@pytest.mark.parametrize("diffs", [False, True])
def test_protobuf_reads_what_was_written(tmp_path, diffs):
    path = tmp_path / "x.caffemodel"
    write_net(path, small_net(), [[], [WEIGHT, BIAS]], [[], [-WEIGHT, -BIAS]] if diffs else None)
    net = schema.NetParameter.FromString(path.read_bytes())
    assert net == expected_net(diffs)
    assert list(net.layer[1].blobs[0].shape.dim) == [2, 3]
    assert list(net.layer[1].blobs[1].double_data) == [0.5, -0.5]
    assert b"f:3" not in path.read_bytes()


def test_values_of_the_wire_are_packed_as_caffe_packs_them(tmp_path):
    """The file is as long as what protobuf itself would write."""
    path = tmp_path / "x.caffemodel"
    write_net(path, small_net(), [[], [WEIGHT, BIAS]])
    assert path.stat().st_size == expected_net().ByteSize()


def test_blobs_of_the_definition_are_replaced(tmp_path):
    net = small_net()
    net.layer[1].blobs.add(data=[9, 9, 9])
    write_net(tmp_path / "x", net, [[], [WEIGHT]])
    (layer,) = read_weights(tmp_path / "x").layers[1:]
    assert [blob.data.tolist() for blob in layer.blobs] == [WEIGHT.tolist()]
    assert len(net.layer[1].blobs) == 1


@pytest.mark.parametrize(
    "array",
    [
        np.float32(3),
        np.zeros((0, 3), "f4"),
        np.arange(6, dtype="f4").reshape(2, 3).T,
        np.arange(12, dtype="f4")[::2],
        np.arange(3, dtype="f2"),
        np.arange(3, dtype=">f4"),
        np.arange(3, dtype=">f8"),
        np.arange(3),
        np.array([True, False]),
    ],
    ids=["scalar", "empty", "transposed", "strided", "half", "big-endian", "big-endian double", "integer", "bool"],
)
def test_arrays_of_any_layout(tmp_path, array):
    write_net(tmp_path / "x", schema.NetParameter(layer=[{"name": "a"}]), [[array]])
    (blob,) = read_weights(tmp_path / "x").layers[0].blobs
    assert blob.shape == np.shape(array)
    np.testing.assert_array_equal(blob.data, array)
    assert blob.data.dtype == (np.float64 if np.asarray(array).dtype == np.float64 else np.float32)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.text(max_size=5), st.lists(st.lists(st.integers(0, 5), max_size=4).map(tuple), max_size=3)),
        max_size=5,
    ),
    st.booleans(),
)
def test_nets_survive_the_file(tmp_path_factory, layers, diffs):
    path = tmp_path_factory.getbasetemp() / "round.caffemodel"
    net = schema.NetParameter(name="net")
    generator = np.random.default_rng(0)
    blobs = []
    for name, shapes in layers:
        net.layer.add(name=name.encode("utf-8", "replace").decode(), type="T" * len(shapes))
        blobs.append([generator.standard_normal(shape, dtype=np.float32) for shape in shapes])
    write_net(path, net, blobs, blobs if diffs else None)
    weights = read_weights(path, diffs=True)
    assert [(each.name, each.type) for each in weights.layers] == [(each.name, each.type) for each in net.layer]
    for stored, arrays in zip(weights.layers, blobs, strict=True):
        for blob, array in zip(stored.blobs, arrays, strict=True):
            np.testing.assert_array_equal(blob.data, array)
            if diffs and array.size:
                np.testing.assert_array_equal(blob.diff, array)
            else:
                assert blob.diff is None
    parsed = schema.NetParameter.FromString(path.read_bytes())
    assert [len(each.blobs) for each in parsed.layer] == [len(each) for each in blobs]


def test_counts_must_fit(tmp_path):
    with pytest.raises(WeightsError, match="2 layers cannot be written with blobs of 1"):
        write_net(tmp_path / "x", small_net(), [[]])
    with pytest.raises(WeightsError, match="2 layers cannot be written with diffs of 3"):
        write_net(tmp_path / "x", small_net(), [[], []], [[], [], []])
    with pytest.raises(WeightsError, match="layer 'ip' has 1 blobs and 2 diffs"):
        write_net(tmp_path / "x", small_net(), [[], [WEIGHT]], [[], [WEIGHT, WEIGHT]])
    with pytest.raises(WeightsError, match="cannot have a diff of shape"):
        write_net(tmp_path / "x", small_net(), [[], [WEIGHT]], [[], [BIAS]])
    with pytest.raises(WeightsError, match="older form"):
        write_net(tmp_path / "x", schema.NetParameter(layers=[{"name": "a"}]), [])
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.caffemodel"
    write_net(path, small_net(), [[], [WEIGHT]])
    before = path.read_bytes()

    def full_disk(parts, file):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Parts, "write_to", full_disk)
    with pytest.raises(WeightsError, match=r"Could not write file .*x.caffemodel: No space left on device"):
        write_net(path, small_net(), [[], [BIAS]])
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["x.caffemodel"]


def test_places_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match=r"Could not write file .*x"):
        write_net(tmp_path / "file" / "x", small_net(), [[], []])


def test_snapshots_survive_the_file(tmp_path):
    path = tmp_path / "x.solverstate"
    state = StoredState(10, "a/é.caffemodel", 3, [WEIGHT, BIAS], b"\x00own", 0.25, 7)
    write_solverstate(path, state)
    back = read_solverstate(path)
    for array, other in zip(back.history, state.history, strict=True):
        np.testing.assert_array_equal(array, other)
    back.history = state.history
    assert back == state
    message = schema.SolverState.FromString(path.read_bytes())
    assert (message.iter, message.learned_net, message.current_step, len(message.history)) == (
        10,
        "a/é.caffemodel",
        3,
        2,
    )
    assert (message.minimum_loss, message.iter_last_event, message.minicaffe_state) == (0.25, 7, b"\x00own")


def test_plain_snapshots_hold_only_what_caffe_writes(tmp_path):
    path = tmp_path / "x.solverstate"
    write_solverstate(path, StoredState(iter=2, learned_net="n", history=[WEIGHT]))
    message = schema.SolverState.FromString(path.read_bytes())
    assert [field.name for field, _ in message.ListFields()] == ["iter", "learned_net", "history", "current_step"]
    assert list(message.history[0].shape.dim) == [2, 3]


@pytest.mark.parametrize("legacy", [True, False])
def test_mean_files_survive(tmp_path, legacy):
    mean = np.arange(12, dtype="f4").reshape(3, 2, 2)
    path = tmp_path / "mean.binaryproto"
    write_blobproto(path, mean, legacy)
    assert read_blobproto(path).shape == ((1, 3, 2, 2) if legacy else (3, 2, 2))
    np.testing.assert_array_equal(read_blobproto(path).reshape(3, 2, 2), mean)
    message = schema.BlobProto.FromString(path.read_bytes())
    assert message.HasField("channels") is legacy
    with pytest.raises(WeightsError, match="at most 4 axes"):
        write_blobproto(path, np.zeros((1,) * 5))
