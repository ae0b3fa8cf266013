"""Blob: shapes, lazily allocated memory, sharing, windows of a flat buffer."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.blob import Blob, BlobVec
from minicaffe.errors import NetError


def test_starts_zero_and_owns_nothing_until_touched() -> None:
    blob = Blob((2, 3))
    assert not blob.has_data
    assert not blob.has_diff
    assert not blob.data.any()
    assert blob.has_data
    assert not blob.has_diff
    assert blob.diff.shape == (2, 3)
    assert blob.has_diff


def test_a_scalar_has_no_axes_and_one_number() -> None:
    blob = Blob()
    assert blob.shape == ()
    assert blob.count == 1
    assert blob.shape_string == "(1)"
    assert blob.data.shape == ()


def test_reshape_keeps_memory_while_it_is_large_enough() -> None:
    blob = Blob((2, 3))
    blob.data[...] = np.arange(6).reshape(2, 3)
    blob.reshape(4)
    assert blob.data.tolist() == [0, 1, 2, 3]
    blob.reshape(3, 2)
    assert blob.data.tolist() == [[0, 1], [2, 3], [4, 5]]
    blob.reshape(7)
    assert not blob.data.any(), "a growing reshape starts from zero"


def test_reshape_takes_numbers_or_a_sequence() -> None:
    blob = Blob()
    blob.reshape(1, 2)
    assert blob.shape == (1, 2)
    blob.reshape((3, 4))
    assert blob.shape == (3, 4)


def test_zero_items() -> None:
    blob = Blob((0, 3))
    assert blob.count == 0
    assert blob.data.shape == (0, 3)


def test_legacy_dimensions() -> None:
    blob = Blob((5, 6))
    assert (blob.num, blob.channels, blob.height, blob.width) == (5, 6, 1, 1)
    with pytest.raises(NetError, match="need <= 4"):
        _ = Blob((1, 1, 1, 1, 1)).num


@pytest.mark.parametrize("shape", [(-1, 2), (1,) * 33])
def test_impossible_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(NetError, match="cannot take the shape"):
        Blob(shape)


def test_shared_data_is_one_memory_with_two_shapes() -> None:
    a, b = Blob((2, 3)), Blob((6,))
    b.share_data(a)
    a.data[1, 2] = 7
    assert b.data[5] == 7
    assert a.shares_data_with(b)
    assert not a.shares_diff_with(b)


def test_sharing_a_smaller_memory_is_an_error() -> None:
    with pytest.raises(NetError, match="cannot share a memory of 2 numbers"):
        Blob((3,)).share_data(Blob((2,)))


def test_growing_ends_the_sharing() -> None:
    a, b = Blob((2,)), Blob((2,))
    b.share_data(a)
    b.reshape(3)
    b.data[...] = 1
    assert not a.data.any()


def test_bind_moves_all_who_share_and_keeps_their_values() -> None:
    flat = np.zeros(10, np.float32)
    a, b = Blob((2, 2)), Blob((4,))
    a.data[...] = 3
    b.share_data(a)
    view = a.data
    a.bind(data=flat[2:6])
    assert flat.tolist() == [0, 0, 3, 3, 3, 3, 0, 0, 0, 0]
    b.data[0] = 5
    assert flat[2] == a.data[0, 0] == 5
    assert view is not a.data


def test_float64() -> None:
    assert Blob((1,), np.float64).data.dtype == np.float64


def test_blobvec_adds_zero_blobs() -> None:
    blobs = BlobVec()
    blobs.add_blob(2, 3)
    assert blobs[0].shape == (2, 3)
    assert not blobs[0].data.any()
