"""Whole nets with genuine weights against real Caffe: the outputs, and mean, deviation, largest value of every blob."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

import minicaffe

FILES = sorted((Path(__file__).parent / "golden" / "models").glob("*.npz"))
NAMES = {
    "cifar10_full_2014", "cifar10_full_h5", "landmark106", "lenet_bvlc2014", "mtcnn_det1", "mtcnn_det2", "mtcnn_det3",
    "squeezenet",
}  # fmt: skip
TOLERANCE = 1e-4  # of the largest value


def input_values(shape: tuple[int, ...], stream: np.random.RandomState) -> np.ndarray:
    """What real Caffe was given: pixels less a mean, drawn for the blobs in order from one stream."""
    return (stream.uniform(0, 1, shape) * 255 - 117).astype(np.float32)


def digest(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float64)
    return np.array([values.mean(), values.std(), np.abs(values).max(), values.size])


def compare(ours: np.ndarray, caffes: np.ndarray, scale: float, what: str) -> None:
    error = float(np.abs(ours - caffes).max()) / max(scale, 1e-30)
    assert error < TOLERANCE, f"{what}: largest error {error:.3g} of the largest value {scale:.3g}"


def test_there_are_eight() -> None:
    assert {path.stem for path in FILES} == NAMES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_agrees_with_caffe(path: Path, shared: Path) -> None:
    with np.load(path) as file:
        golden = dict(file)
    models = shared / "models"
    net = minicaffe.Net(models / str(golden["prototxt"]), minicaffe.TEST, weights=models / str(golden["weights"]))
    stream = np.random.RandomState(zlib.crc32(path.stem.encode()) & 0x7FFFFFFF)
    for name in net.inputs:
        assert net.blobs[name].shape == tuple(golden[f"in/{name}"])
        net.blobs[name].data[...] = input_values(net.blobs[name].shape, stream)
    outputs = net.forward()

    assert set(outputs) == {key[4:] for key in golden if key.startswith("out/")}
    for name, values in outputs.items():
        caffes = golden[f"out/{name}"]
        assert values.shape == caffes.shape
        compare(values, caffes, float(np.abs(caffes).max()), f"output {name}")
    digests = {key[7:]: values for key, values in golden.items() if key.startswith("digest/")}
    assert list(digests) == list(net.blobs), "the blobs, by the names and in the order Caffe gives them"
    for name, values in digests.items():
        assert net.blobs[name].count == values[3]
        compare(digest(net.blobs[name].data), values, values[2], f"blob {name}")
    for key, values in golden.items():
        if key.startswith("pdigest/"):
            layer, index = key[8:].rsplit("/", 1)
            compare(digest(net.params[layer][int(index)].data), values, values[2], f"parameter {key[8:]}")


@pytest.mark.parametrize("suffix", [".caffemodel", ".caffemodel.h5"])
@pytest.mark.parametrize("name", ["lenet_bvlc2014", "cifar10_full_h5", "mtcnn_det2", "landmark106"])
def test_genuine_weights_survive_saving(name: str, suffix: str, shared: Path, tmp_path: Path) -> None:
    """Read from V1, V2 and HDF5 files, written in either form, read again: bit for bit the same."""
    with np.load(FILES[0].parent / f"{name}.npz") as golden:
        prototxt, weights = (shared / "models" / str(golden[key]) for key in ("prototxt", "weights"))
    first = minicaffe.Net(prototxt, minicaffe.TEST, weights=weights)
    path = tmp_path / f"again{suffix}"
    (first.save_hdf5 if suffix.endswith("h5") else first.save)(path)
    second = minicaffe.Net(prototxt, minicaffe.TEST, weights=path)
    assert first.params
    for layer, blobs in first.params.items():
        for blob, again in zip(blobs, second.params[layer], strict=True):
            np.testing.assert_array_equal(again.data, blob.data)
