"""IDX files: every type, plain and compressed, and what is none."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from minicaffe.data.idx import read_idx
from minicaffe.errors import DataError


def idx(code: int, values: np.ndarray) -> bytes:
    sizes = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes([0, 0, code, values.ndim]) + sizes + values.astype(values.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize(
    ("code", "dtype"),
    [(0x08, np.uint8), (0x09, np.int8), (0x0B, np.int16), (0x0C, np.int32), (0x0D, np.float32), (0x0E, np.float64)],
)
def test_every_type_comes_back_in_native_order(tmp_path: Path, code: int, dtype: type) -> None:
    values = np.arange(-6, 18).reshape(2, 3, 4).astype(dtype)
    (tmp_path / "a").write_bytes(idx(code, values))
    read = read_idx(tmp_path / "a")
    assert read.dtype == dtype
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, values)


def test_compressed_and_writable(tmp_path: Path) -> None:
    values = np.arange(5, dtype=np.uint8)
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx(0x08, values)))
    read = read_idx(tmp_path / "a.gz")
    read += 1
    np.testing.assert_array_equal(read, values + 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"\x89PNG....", "not an IDX file: it starts with 89 50 4e 47"),
        (bytes([0, 0, 0x0A, 1, 0, 0, 0, 0]), "not an IDX file"),
        (bytes([0, 0, 8, 3, 0, 0, 0, 9]), "truncated: 3 axes are declared"),
        (idx(8, np.zeros((4, 5), np.uint8))[:-1], r"truncated: shape \(4, 5\) of uint8 takes 32 bytes, found 31"),
        (idx(8, np.zeros((4, 5), np.uint8)) + b"x", "too long"),
        (gzip.compress(b"abcdefgh" * 9, mtime=0)[:-9], "cannot be read"),
    ],
)
def test_what_is_no_idx_file(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_idx(tmp_path / "a")


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path / "nothing")


def test_genuine_mnist(shared: Path) -> None:
    images = read_idx(shared / "datasets/mnist/t10k-images-idx3-ubyte.gz")
    labels = read_idx(shared / "datasets/mnist/t10k-labels-idx1-ubyte.gz")
    assert images.shape == (10000, 28, 28)
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
