"""HDF5Output: what is written comes back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from minicaffe.blob import Blob
from minicaffe.errors import DataError, NetError
from minicaffe.layer import Setting
from minicaffe.layers.hdf5_output import HDF5OutputLayer
from minicaffe.proto import schema
from minicaffe.proto.prototxt import parse

h5py = pytest.importorskip("h5py")


def output(path: Path | str, *shapes: Sequence[int]) -> tuple[HDF5OutputLayer, list[Blob]]:
    name = str(path).replace("\\", "/")
    text = f'name: "out" type: "HDF5Output" hdf5_output_param {{ file_name: "{name}" }}'
    layer = HDF5OutputLayer(parse(text, schema.LayerParameter, "net.prototxt"), Setting())
    bottom = [Blob(shape, name=f"b{i}") for i, shape in enumerate(shapes)]
    layer.setup(bottom, [])
    return layer, bottom


def write(layer: HDF5OutputLayer, bottom: list[Blob], seed: int) -> list[np.ndarray]:
    generator = np.random.Generator(np.random.PCG64(seed))
    for blob in bottom:
        blob.data[...] = generator.standard_normal(blob.shape)
    layer.reshape(bottom, [])
    layer.forward(bottom, [])
    return [blob.data.copy() for blob in bottom]


def test_every_forward_appends_its_rows(tmp_path: Path) -> None:
    layer, bottom = output(tmp_path / "out.h5", (2, 3, 4, 5), (2,))
    written = [write(layer, bottom, seed) for seed in range(3)]
    bottom[0].reshape(1, 3, 4, 5)
    bottom[1].reshape(1)
    written.append(write(layer, bottom, 3))
    with h5py.File(tmp_path / "out.h5", "r") as file:
        assert file["data"].shape == (7, 3, 4, 5)
        assert file["label"].shape == (7, 1, 1, 1)
        assert file["data"].dtype == np.float32
        np.testing.assert_array_equal(file["data"], np.concatenate([data for data, _ in written]))
        np.testing.assert_array_equal(file["label"][:, 0, 0, 0], np.concatenate([label for _, label in written]))


def test_the_old_file_is_replaced_by_the_first_forward(tmp_path: Path) -> None:
    path = tmp_path / "out.h5"
    for seed in range(2):
        layer, bottom = output(path, (2, 3), (2, 1))
        before = path.read_bytes() if path.exists() else b""
        layer.reshape(bottom, [])
        assert (path.read_bytes() if path.exists() else b"") == before
        data, _ = write(layer, bottom, seed)
        with h5py.File(path, "r") as file:
            np.testing.assert_array_equal(file["data"][:, :, 0, 0], data)


def test_what_is_read_from_the_file_is_what_the_net_saw(tmp_path: Path) -> None:
    from minicaffe.data.hdf5 import RowReader

    layer, bottom = output(tmp_path / "out.h5", (4, 2, 1, 1), (4, 1, 1, 1))
    written = write(layer, bottom, 0)
    read = [np.empty(blob.shape, np.float32) for blob in bottom]
    RowReader([tmp_path / "out.h5"], ["data", "label"]).fill(read)
    for ours, theirs in zip(read, written, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_gradient_is_zero_where_it_is_wanted(tmp_path: Path) -> None:
    layer, bottom = output(tmp_path / "out.h5", (2, 3), (2,))
    for blob in bottom:
        blob.diff[...] = 7
    layer.backward([], [True, False], bottom)
    assert (bottom[0].diff == 0).all()
    assert (bottom[1].diff == 7).all()


def test_what_goes_wrong(tmp_path: Path) -> None:
    with pytest.raises(NetError, match="hdf5_output_param needs a file_name"):
        output("", (2,), (2,))
    with pytest.raises(DataError, match=r"net\.prototxt:1: layer 'out' .*in a folder that does not exist"):
        output(tmp_path / "no" / "out.h5", (2,), (2,))
    layer, bottom = output(tmp_path / "out.h5", (2, 3), (4,))
    with pytest.raises(NetError, match="the same number of items"):
        layer.reshape(bottom, [])
    layer, bottom = output(tmp_path / "out.h5", (2, 3), (2,))
    write(layer, bottom, 0)
    bottom[0].reshape(2, 4)
    with pytest.raises(DataError, match=r"layer 'out' \(HDF5Output\): .*rows of 'data' had the shape \(3, 1, 1\)"):
        write(layer, bottom, 0)
