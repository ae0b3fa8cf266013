"""Features in databases, HDF5 and npz: always what the net's blobs held, batch after batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minicaffe.convert.features import NpzSink, extract_features
from minicaffe.data.datum import image_datum
from minicaffe.data.sources import create_source, open_source
from minicaffe.errors import DataError, NetError
from minicaffe.io import datum_to_array
from minicaffe.net import Net
from minicaffe.proto import parse, schema
from minicaffe.rng import Streams

from .conftest import picture

NET = """
name: "small"
layer { name: "data" type: "Data" top: "data" top: "label"
        transform_param { scale: 0.01 } data_param { source: "db" backend: LMDB batch_size: 2 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "odd" type: "Reshape" bottom: "ip" top: "odd" reshape_param { shape { dim: [0, 3, 1, 1, 1] } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def small() -> Net:
    return Net(parse(NET, schema.NetParameter), "TEST", streams=Streams(3))


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The small net, standing before the first of three images, so that batches of two go round."""
    pytest.importorskip("lmdb")
    monkeypatch.chdir(tmp_path)
    with create_source("db") as out:
        for i in range(3):
            out.put(str(i), image_datum(picture(i), i).SerializeToString())
    built = small()
    yield built
    built.close()


def expected(batches: int, *names: str) -> list[np.ndarray]:
    """What the blobs hold in the first batches, computed by an equal net."""
    other = small()
    rows: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for _ in range(batches):
        other.forward()
        for name in names:
            rows[name].append(np.atleast_1d(other.blobs[name].data).copy())
    other.close()
    return [np.concatenate(each) for each in rows.values()]


def items(path: str, backend: str = "LMDB") -> list[np.ndarray]:
    source, found = open_source(path, backend), {}
    while source.key not in found:
        found[source.key] = datum_to_array(schema.Datum.FromString(source.value))
        source.advance()
    assert list(found) == [b"%010d" % i for i in range(len(found))]
    return list(found.values())


@pytest.mark.parametrize("backend", ["LMDB", "LEVELDB"])
def test_databases_hold_a_datum_an_item(net: Net, backend: str) -> None:
    pytest.importorskip({"LMDB": "lmdb", "LEVELDB": "plyvel"}[backend])
    counts = extract_features(net, ["conv", "ip", "label", "loss"], ["a", "b", "c", "d"], 4, backend)
    assert counts == {"conv": 8, "ip": 8, "label": 8, "loss": 4}
    for path, blob in zip("abcd", expected(4, "conv", "ip", "label", "loss"), strict=True):
        found = np.stack(items(path, backend))
        assert found.dtype == np.float32
        assert found.shape == (*blob.shape, *[1] * (4 - blob.ndim))
        np.testing.assert_array_equal(found.reshape(blob.shape), blob)


def test_a_data_layer_reads_features(net: Net) -> None:
    extract_features(net, ["conv"], ["features"], 3)
    text = 'layer { name: "d" type: "Data" top: "x" data_param { source: "features" backend: LMDB batch_size: 6 } }'
    reader = Net(parse(text, schema.NetParameter), "TEST")
    reader.forward()
    reader.close()
    np.testing.assert_array_equal(reader.blobs["x"].data, expected(3, "conv")[0])


def test_hdf5_takes_all_blobs_as_rows(net: Net) -> None:
    h5py = pytest.importorskip("h5py")
    Path("f.h5").write_text("what was here before")
    extract_features(net, ["ip", "label", "odd"], ["f.h5"], 3)
    with h5py.File("f.h5") as file:
        for name, blob in zip(("ip", "label", "odd"), expected(3, "ip", "label", "odd"), strict=True):
            np.testing.assert_array_equal(file[name][()], blob)
            assert file[name].shape == blob.shape


def test_npz_takes_all_blobs_as_rows(net: Net) -> None:
    extract_features(net, ["odd", "loss", "data"], ["f.npz"], 3)
    with np.load("f.npz") as file:
        assert sorted(file) == ["data", "loss", "odd"]
        for name, blob in zip(("odd", "loss", "data"), expected(3, "odd", "loss", "data"), strict=True):
            np.testing.assert_array_equal(file[name], blob)


def test_each_blob_to_its_own_kind_of_file(net: Net) -> None:
    pytest.importorskip("h5py")
    seen: list[tuple[int, int]] = []
    targets = [Path("a.npz"), "b", "c.hdf5"]
    extract_features(net, ["ip", "ip", "label"], targets, 2, progress=lambda done, total: seen.append((done, total)))
    (ip,) = expected(2, "ip")
    np.testing.assert_array_equal(np.load("a.npz")["ip"], ip)
    np.testing.assert_array_equal(np.stack(items("b"))[..., 0, 0], ip)
    assert Path("c.hdf5").exists()
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("blobs", "targets", "message"),
    [
        (
            ["ip", "lable"],
            ["a", "b"],
            r"Unknown feature blob name lable in the network small \(did you mean 'label'\?\)",
        ),
        (["ip", "label"], ["a"], r"2 blobs \(ip, label\) need as many places .* given are 1: a"),
        (["ip"], ["a", "b"], r"1 blobs .* given are 2: a, b"),
        (["ip", "label"], ["a", "a"], r"a: a database takes one blob, and ip, label are all meant for it"),
        (["odd"], ["a"], r"those of blob 'odd' have 4, \(3, 1, 1, 1\): write to a .h5 or .npz"),
        (["ip"], ["db"], r"db: already exists"),
    ],
)
def test_what_cannot_be_extracted(net: Net, blobs: list[str], targets: list[str], message: str) -> None:
    with pytest.raises((DataError, NetError), match=message):
        extract_features(net, blobs, targets, 1)
    assert sorted(path.name for path in Path().iterdir()) == ["db"]


def test_a_net_whose_inputs_nobody_fills(tmp_path: Path) -> None:
    text = 'layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }'
    net = Net(parse(text, schema.NetParameter), "TEST")
    with pytest.raises(NetError, match=r"nobody fills the inputs of the net \(x\)"):
        extract_features(net, ["x"], [tmp_path / "f.npz"], 1)
    assert not list(tmp_path.iterdir())


def test_items_that_change_their_shape() -> None:
    sink = NpzSink()
    sink.add("x", np.zeros((2, 3)))
    with pytest.raises(DataError, match=r"items of 'x' had the shape \(3,\), now they have \(4,\)"):
        sink.add("x", np.zeros((2, 4)))
