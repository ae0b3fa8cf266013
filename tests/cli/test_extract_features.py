from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minicaffe.cli.main import main
from minicaffe.data.datum import image_datum
from minicaffe.data.sources import create_source, open_source
from minicaffe.io import datum_to_array
from minicaffe.net import Net
from minicaffe.proto import schema

NET = """
layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "db" backend: LMDB batch_size: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "extra" type: "Power" bottom: "ip" top: "double" power_param { scale: 2 } include { stage: "more" } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


@pytest.fixture(autouse=True)
def features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """The current folder with a net, weights and four images; returns what blob ip holds for them."""
    pytest.importorskip("lmdb")
    monkeypatch.chdir(tmp_path)
    with create_source("db") as out:
        for i in range(4):
            out.put(str(i), image_datum(np.full((2, 2, 3), 10 * i, np.uint8), i % 3).SerializeToString())
    Path("net.prototxt").write_text(NET)
    net = Net("net.prototxt", "TEST")
    net.save("w.caffemodel")
    net.forward()
    first = net.blobs["ip"].data.copy()
    net.forward()
    net.close()
    return np.concatenate([first, net.blobs["ip"].data])


def items(path: str, backend: str = "LMDB") -> np.ndarray:
    source, found = open_source(path, backend), {}
    while source.key not in found:
        found[source.key] = datum_to_array(schema.Datum.FromString(source.value))
        source.advance()
    return np.stack(list(found.values()))


@pytest.mark.parametrize("more", [[], ["lmdb"], ["LMDB", "CPU"], ["lmdb", "CPU", "0"], ["--cpu"]])
def test_databases(features: np.ndarray, more: list[str], capsys) -> None:
    assert main(["extract_features", "w.caffemodel", "net.prototxt", "ip,label", "a,b", "2", *more]) == 0
    np.testing.assert_array_equal(items("a"), features[:, :, None, None])
    np.testing.assert_array_equal(items("b").ravel(), [0, 1, 2, 0])
    log = capsys.readouterr().err
    assert "Extracted features of 4 query images for feature blob ip" in log
    assert "Successfully extracted the features!" in log


def test_leveldb(features: np.ndarray) -> None:
    pytest.importorskip("plyvel")
    assert main(["extract-features", "w.caffemodel", "net.prototxt", "ip", "a", "2", "leveldb"]) == 0
    np.testing.assert_array_equal(items("a", "LEVELDB"), features[:, :, None, None])


def test_files(features: np.ndarray) -> None:
    h5py = pytest.importorskip("h5py")
    assert main(["extract-features", "w.caffemodel", "net.prototxt", "ip,label", "f.h5", "2"]) == 0
    assert main(["extract-features", "w.caffemodel", "net.prototxt", "ip", "f.npz", "2"]) == 0
    with h5py.File("f.h5") as file:
        np.testing.assert_array_equal(file["ip"][()], features)
        np.testing.assert_array_equal(file["label"][()], [0, 1, 2, 0])
    np.testing.assert_array_equal(np.load("f.npz")["ip"], features)


def test_stages(features: np.ndarray) -> None:
    words = ["extract-features", "w.caffemodel", "net.prototxt", "double", "f.npz", "2"]
    assert main(words) == 1
    assert main([*words, "--stage", "more"]) == 0
    np.testing.assert_array_equal(np.load("f.npz")["double"], 2 * features)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["w.caffemodel", "net.prototxt", "ip", "a"], 2, "required: N"),
        (["w.caffemodel", "net.prototxt", "ip", "a", "0"], 2, "must be at least 1, not 0"),
        (["w.caffemodel", "net.prototxt", "ip", "a", "1", "sqlite"], 2, "invalid choice: 'sqlite'"),
        (["net.prototxt", "w.caffemodel", "ip", "a", "1"], 2, "WEIGHTS comes before PROTO"),
        (["w.caffemodel", "net.prototxt", "ip", "a", "1", "lmdb", "GPU", "1"], 1, "--gpu 1 asks for a GPU"),
        (
            ["w.caffemodel", "net.prototxt", "lable", "a", "1"],
            1,
            "Unknown feature blob name lable (did you mean 'label'?)",
        ),
        (["w.caffemodel", "net.prototxt", "ip,label", "a", "1"], 1, "2 blobs (ip, label) need as many places"),
        (["none.caffemodel", "net.prototxt", "ip", "a", "1"], 1, "none.caffemodel"),
        (["w.caffemodel", "net.prototxt", "ip", "db", "1"], 1, "db: already exists"),
    ],
)
def test_exit_codes(words: list[str], code: int, message: str, capsys) -> None:
    assert main(["extract-features", *words]) == code
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["db", "net.prototxt", "w.caffemodel"]
