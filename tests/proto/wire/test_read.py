"""Weights, snapshots and mean files: all generations, foreign and damaged files, more than 2 GB."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe.errors import WeightsError
from minicaffe.proto import schema
from minicaffe.proto.prototxt import parse
from minicaffe.proto.wire import read_blobproto, read_solverstate, read_weights

V2 = """name: "n"
    layer { name: "data" type: "Input" }
    layer { name: "ip" type: "InnerProduct" inner_product_param { num_output: 2 }
            blobs { shape { dim: 2 dim: 3 } data: [1, 2, 3, 4, 5, 6] diff: [6, 5, 4, 3, 2, 1] }
            blobs { shape { dim: 2 } data: [7, 8] } }"""
V1 = """layers { name: "c" type: CONVOLUTION bottom: "x"
                 blobs { num: 1 channels: 1 height: 1 width: 2 data: [1, 2] } }
        layers { name: "l" type: SOFTMAX_LOSS }"""
V0 = """name: "old" layers { layer { name: "c" type: "conv" kernelsize: 1
                             blobs { num: 1 channels: 1 height: 1 width: 2 data: [1, 2] } } bottom: "x" }
        layers { layer { name: "o" type: "own_type" } }"""


def serialized(text: str) -> bytes:
    message = parse(text, schema.NetParameter)
    message.ClearField("origin")
    return message.SerializeToString()


def read(tmp_path, content: bytes, reader=read_weights, **options):
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    return reader(path, **options)


def test_nets_of_today(tmp_path):
    weights = read(tmp_path, serialized(V2))
    assert (weights.name, weights.path) == ("n", str(tmp_path / "file.bin"))
    assert [(layer.name, layer.type, len(layer.blobs)) for layer in weights.layers] == [
        ("data", "Input", 0),
        ("ip", "InnerProduct", 2),
    ]
    first, second = weights.layers[1].blobs
    assert first.data.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert (second.shape, second.legacy, first.diff) == ((2,), False, None)
    assert read_weights(weights.path, diffs=True).layers[1].blobs[0].diff.tolist() == [[6, 5, 4], [3, 2, 1]]


@pytest.mark.parametrize(
    ("text", "types"), [(V1, ["Convolution", "SoftmaxWithLoss"]), (V0, ["Convolution", "own_type"])], ids=["V1", "V0"]
)
def test_nets_of_old(tmp_path, text, types):
    weights = read(tmp_path, serialized(text))
    assert [layer.type for layer in weights.layers] == types
    assert weights.layers[0].name == "c"
    (blob,) = weights.layers[0].blobs
    assert (blob.shape, blob.legacy, blob.data.ravel().tolist()) == ((1, 1, 1, 2), True, [1, 2])


def test_fields_of_other_forks_are_skipped(tmp_path):
    # field 149 as text, 147 as a number, a group of new ones at the net's level
    layer = schema.LayerParameter(name="a", type="b").SerializeToString() + b"\xaa\x09\x03abc" + b"\x98\x09\x02"
    content = b"\x0a\x01n" + b"\x78\x01" + b"\xa2\x06" + bytes([len(layer)]) + layer
    assert [each.name for each in read(tmp_path, content).layers] == ["a"]


def test_arrays_are_views_of_the_file_that_outlive_the_reader(tmp_path):
    data = read(tmp_path, serialized(V2)).layers[1].blobs[0].data
    assert not data.flags.owndata
    assert not data.flags.writeable
    assert data.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_snapshots(tmp_path):
    message = schema.SolverState(
        iter=5000, learned_net="a/b.caffemodel", current_step=2, minimum_loss=0.5, iter_last_event=9
    )
    message.history.add(num=1, channels=1, height=1, width=2, data=[1, 2])
    message.history.add(shape={"dim": [3]}, double_data=[1, 2, 3])
    message.minicaffe_state = b"\x00state"
    state = read(tmp_path, message.SerializeToString(), read_solverstate)
    assert (state.iter, state.learned_net, state.current_step) == (5000, "a/b.caffemodel", 2)
    assert [array.shape for array in state.history] == [(1, 1, 1, 2), (3,)]
    assert (state.minimum_loss, state.iter_last_event, state.minicaffe_state) == (0.5, 9, b"\x00state")
    plain = read(tmp_path, schema.SolverState(iter=1).SerializeToString(), read_solverstate)
    assert (plain.learned_net, plain.history, plain.minicaffe_state, plain.minimum_loss) == ("", [], b"", None)


def test_mean_files(tmp_path):
    blob = schema.BlobProto(num=1, channels=3, height=2, width=1, data=range(6))
    mean = read(tmp_path, blob.SerializeToString(), read_blobproto)
    assert mean.shape == (1, 3, 2, 1)
    assert mean.ravel().tolist() == list(range(6))


FILES = {
    read_weights: (serialized(V2), "weights in a .caffemodel"),
    read_solverstate: (schema.SolverState(iter=1, learned_net="x").SerializeToString(), "a snapshot in a .solverstate"),
    read_blobproto: (schema.BlobProto(shape={"dim": [1]}, data=[1]).SerializeToString(), "one array"),
}


@pytest.mark.parametrize("reader", FILES)
@pytest.mark.parametrize("given", FILES)
def test_files_of_one_kind_given_as_another(tmp_path, reader, given):
    if reader is given:
        read(tmp_path, FILES[given][0], reader)
        return
    kind = {read_weights: ".caffemodel", read_solverstate: ".solverstate", read_blobproto: ".binaryproto"}[given]
    with pytest.raises(WeightsError, match=rf"file.bin: expected {FILES[reader][1]}.*, but this is a {kind}"):
        read(tmp_path, FILES[given][0], reader)


@pytest.mark.parametrize("reader", FILES)
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty"),
        (b"\x89HDF\r\n\x1a\n\x00", "this is an HDF5 file"),
        (b'name: "x"\nlayer { }', "this is a net definition"),
        (b"\x00\x01\x02", "this is no file of Caffe's"),
    ],
)
def test_foreign_files(tmp_path, reader, content, what):
    with pytest.raises(WeightsError, match=f"file.bin: .*{what}"):
        read(tmp_path, content, reader)


def test_missing_files(tmp_path):
    with pytest.raises(WeightsError, match=r"Could not open file .*nowhere"):
        read_weights(tmp_path / "nowhere")


@pytest.mark.parametrize("text", [V2, V1, V0], ids=["V2", "V1", "V0"])
def test_truncated_weights(tmp_path, text):
    content = serialized(text)
    whole = len(read(tmp_path, content).layers)
    for end in range(1, len(content)):
        try:
            assert len(read(tmp_path, content[:end]).layers) < whole
        except WeightsError as error:
            assert "file.bin" in str(error)


def test_truncation_is_located(tmp_path):
    content = serialized(V2)
    with pytest.raises(
        WeightsError, match=r"file.bin: truncated or damaged at byte \d+ of \d+: reading the file: field 100"
    ):
        read(tmp_path, content[:-3])
    damaged = content.replace(b"\x2a\x18", b"\x2a\x7f")
    with pytest.raises(WeightsError, match=r"reading layer 1 'ip', blob 0: field 5 needs 127 bytes, \d+ are left"):
        read(tmp_path, damaged)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_damage_never_ends_in_anything_but_a_weights_error(tmp_path_factory, data):
    reader = data.draw(st.sampled_from(list(FILES)))
    content = bytearray(
        data.draw(st.sampled_from([*(file for file, _ in FILES.values()), serialized(V1), serialized(V0)]))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.bin"
    path.write_bytes(content)
    try:
        reader(path)
    except WeightsError as error:
        assert "damaged.bin" in str(error)


@settings(deadline=None, max_examples=80)
@given(content=st.binary(max_size=60))
def test_random_bytes_never_end_in_anything_but_a_weights_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "random.bin"
    path.write_bytes(content)
    for reader in FILES:
        try:
            reader(path)
        except WeightsError as error:
            assert "random.bin" in str(error)


def test_more_than_two_gigabytes(tmp_path):
    """A sparse file: 2.4 GB long, next to nothing on disk."""
    count = 600_000_000
    blob = b"\x2a" + _varint(count * 4)
    shape = schema.BlobProto(shape={"dim": [2, count // 2]}).SerializeToString()
    head = schema.LayerParameter(name="big", type="InnerProduct").SerializeToString()
    inner = len(shape) + len(blob) + count * 4
    nested = b"\x3a" + _varint(inner) + shape + blob
    path = tmp_path / "big.caffemodel"
    with open(path, "wb") as file:
        file.write(b"\xa2\x06" + _varint(len(head) + len(nested) + count * 4) + head + nested)
        start = file.tell()
        for index in (0, count - 1):
            file.seek(start + 4 * index)
            file.write(np.float32(index).tobytes())
        file.write(serialized('layer { name: "after" }'))
    big, after = read_weights(path).layers
    assert (big.blobs[0].shape, after.name) == ((2, count // 2), "after")
    assert (big.blobs[0].data[0, 0], big.blobs[0].data[-1, -1]) == (0, np.float32(count - 1))


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])
