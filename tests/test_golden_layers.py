"""Every layer against real Caffe: outputs, input gradients, parameter gradients, updated statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import minicaffe
from minicaffe.proto import prototxt, schema

FILES = sorted((Path(__file__).parent / "golden" / "layers").glob("*.npz"))


def agree(ours: np.ndarray, caffes: np.ndarray, what: str, tolerance: float = 1e-4) -> None:
    assert ours.shape == caffes.shape, f"{what}: shape {ours.shape}, Caffe's {caffes.shape}"
    scale = max(float(np.abs(caffes).max(initial=0)), 1e-6)
    error = float(np.abs(ours - caffes).max(initial=0)) / scale
    assert error < tolerance, f"{what}: largest error {error:.3g} of the largest value {scale:.3g}"


def build(arrays: dict[str, np.ndarray], folder: Path) -> minicaffe.Net:
    definition = prototxt.parse(str(arrays["prototxt"]), schema.NetParameter)
    net = minicaffe.Net(definition, phase=str(arrays["phase"]), folder=folder)
    for key, values in arrays.items():
        kind, _, name = key.partition("/")
        if kind == "in":
            net.blobs[name].data[...] = values
        elif kind == "param":
            layer, index = name.rsplit("/", 1)
            net.params[layer][int(index)].data[...] = values
    return net


def test_there_are_a_hundred_and_one() -> None:
    assert len(FILES) == 101


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_agrees_with_caffe(path: Path, tmp_path: Path) -> None:
    with np.load(path) as file:
        arrays = dict(file)
    net = build(arrays, tmp_path)
    for _ in range(int(arrays["forwards"])):
        net.forward()
    compared = 0
    for key, values in arrays.items():
        kind, _, name = key.partition("/")
        if kind == "out":
            agree(net.blobs[name].data, values, key)
            compared += 1
        elif kind == "top_diff":
            net.blobs[name].diff[...] = values
    if any(key.startswith(("in_diff/", "param_diff/")) for key in arrays):
        net.backward()
    for key, values in arrays.items():
        kind, _, name = key.partition("/")
        if kind == "in_diff":
            agree(net.blobs[name].diff, values, key)
        elif kind in ("param_diff", "param_after"):
            layer, index = name.rsplit("/", 1)
            blob = net.params[layer][int(index)]
            agree(blob.diff if kind == "param_diff" else blob.data, values, key)
    assert compared, "the golden file holds no output"
