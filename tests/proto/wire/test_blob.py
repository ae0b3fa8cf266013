"""BlobProto: shapes of both forms, values of every kind, and messages of any pool."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe.errors import WeightsError
from minicaffe.proto import schema
from minicaffe.proto.wire import array_to_blob, blob_to_array, write_blobproto
from minicaffe.proto.wire.blob import decode_blob
from minicaffe.proto.wire.cursor import Cursor, Store


def decode(message, with_diff: bool = False):
    content = message if isinstance(message, bytes) else message.SerializeToString()
    return decode_blob(Cursor(Store(content, "f"), "layer 'x', blob 0"), with_diff)


def test_shape_and_values():
    blob = decode(schema.BlobProto(shape={"dim": [2, 3]}, data=range(6)))
    np.testing.assert_array_equal(blob.data, np.arange(6, dtype="f4").reshape(2, 3))
    assert (blob.shape, blob.legacy, blob.diff, blob.data.dtype) == ((2, 3), False, None, np.float32)
    with pytest.raises(ValueError, match="read-only"):
        blob.data[0] = 1


def test_legacy_dims_go_before_shape_and_default_to_zero():
    blob = decode(schema.BlobProto(num=1, channels=2, height=1, width=3, shape={"dim": [6]}, data=range(6)))
    assert (blob.shape, blob.legacy) == ((1, 2, 1, 3), True)
    blob = decode(schema.BlobProto(num=1))
    assert (blob.shape, blob.legacy) == ((1, 0, 0, 0), True)


def test_no_shape_at_all():
    assert decode(schema.BlobProto(data=[5])).shape == ()
    assert decode(schema.BlobProto(data=[5, 6])).shape == (2,)
    assert decode(schema.BlobProto()).shape == (0,)
    assert decode(schema.BlobProto(shape={}, data=[5])).shape == ()


def test_kinds_of_values_and_which_goes_first():
    halves = np.array([1.5, -2, 65504], "<f2")
    shape = {"dim": [3]}
    assert decode(schema.BlobProto(double_data=[0.1, 1, 2], data=[1, 2, 3], shape=shape)).data.tolist() == [0.1, 1, 2]
    blob = schema.BlobProto(raw_data=halves.tobytes(), raw_data_type=schema.FLOAT16, shape=shape)
    assert decode(blob).data.dtype == np.float16
    np.testing.assert_array_equal(decode(blob).data, halves)
    blob.data.extend([1, 2, 3])
    assert decode(blob).data.tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", ["DOUBLE", "FLOAT", "FLOAT16", "INT", "UINT", "BOOL"])
def test_raw_values_of_every_type(name):
    dtype = {"DOUBLE": "f8", "FLOAT": "f4", "FLOAT16": "f2", "INT": "i4", "UINT": "u4", "BOOL": "?"}[name]
    values = np.array([1, 0, 1], dtype)
    blob = schema.BlobProto(raw_data=values.tobytes(), raw_data_type=getattr(schema, name))
    assert decode(blob).data.dtype == values.dtype
    np.testing.assert_array_equal(decode(blob).data, values)


def test_raw_values_without_a_type():
    with pytest.raises(WeightsError, match="raw values without a known type"):
        decode(schema.BlobProto(raw_data=b"1234"))


def test_gradients_only_when_asked_for():
    single = schema.BlobProto(data=[1, 2], diff=[3, 4])
    assert decode(single).diff is None
    assert decode(single, with_diff=True).diff.tolist() == [3, 4]
    double = schema.BlobProto(double_data=[1, 2], double_diff=[3, 4])
    assert decode(double, with_diff=True).diff.dtype == np.float64
    raw = schema.BlobProto(data=[1, 2], raw_diff=np.array([3, 4], "<f2").tobytes(), raw_diff_type=schema.FLOAT16)
    assert decode(raw, with_diff=True).diff.tolist() == [3, 4]
    assert decode(schema.BlobProto(data=[1]), with_diff=True).diff is None


def test_values_in_several_pieces_are_joined():
    piece = schema.BlobProto(data=[1, 2]).SerializeToString()
    unpacked = b"\x2d" + np.float32(3).tobytes() + b"\x2d" + np.float32(4).tobytes()
    shape = schema.BlobProto(shape={"dim": [3, 2]}).SerializeToString()
    assert decode(piece + unpacked + shape + piece).data.tolist() == [[1, 2], [3, 4], [1, 2]]


def test_a_shape_in_several_pieces_is_joined():
    message = (
        schema.BlobProto(shape={"dim": [1]}).SerializeToString()
        + schema.BlobProto(shape={"dim": [2]}, data=[1, 2]).SerializeToString()
    )
    assert decode(message).shape == (1, 2)


@pytest.mark.parametrize(
    ("blob", "what"),
    [
        (
            schema.BlobProto(shape={"dim": [2, 3]}, data=[1]),
            "layer 'x', blob 0 has shape 2 x 3, 6 values, but 1 are stored",
        ),
        (schema.BlobProto(shape={"dim": [-1, -1]}, data=[1]), "has shape -1 x -1"),
        (schema.BlobProto(shape={"dim": [2**62, 4]}), "but 0 are stored"),
        (schema.BlobProto(shape={"dim": [1] * 33}, data=[1]), "33 axes, more than 32"),
        (schema.BlobProto(data=[1, 2], diff=[1], shape={"dim": [2]}), "but 1 are stored"),
    ],
)
def test_values_and_shape_must_agree(blob, what):
    with pytest.raises(WeightsError, match=what):
        decode(blob, with_diff=True)


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_copy_to(dtype, order, tmp_path):
    values = np.arange(3 * 2**21, dtype="<f4").reshape(3, -1)  # more than one piece, and pieces across rows
    path = tmp_path / "b"
    write_blobproto(path, values, legacy=False)
    blob = decode_blob(Cursor(Store.open(path), "blob"))
    target = np.empty(values.shape, dtype, order=order)
    with np.errstate(over="ignore"):
        blob.copy_to(target)
        np.testing.assert_array_equal(target, values.astype(dtype))
    np.testing.assert_array_equal(blob.data, values)


def test_copy_to_another_shape_of_as_many_values():
    blob = decode(schema.BlobProto(num=1, channels=1, height=2, width=3, data=range(6)))
    target = np.zeros((2, 3), "f4")
    blob.copy_to(target)
    assert target.tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ValueError, match="shape"):
        blob.copy_to(np.zeros(5, "f4"))


SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@settings(deadline=None, max_examples=50)
@given(SHAPES, st.sampled_from(["f4", "f8"]), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
def test_arrays_survive_the_message(shape, dtype, with_diff, legacy, seed):
    generator = np.random.default_rng(seed)
    array, diff = (generator.standard_normal(shape).astype(dtype) for _ in range(2))
    blob = array_to_blob(array, diff if with_diff else None, legacy)
    back = blob_to_array(blob)
    assert back.shape == ((1,) * (4 - len(shape)) + shape if legacy else shape)
    assert back.dtype == (array.dtype if array.size else np.float32)
    np.testing.assert_array_equal(back.reshape(shape), array)
    if with_diff and array.size:
        np.testing.assert_array_equal(blob_to_array(blob, diff=True).reshape(shape), diff)
    else:
        with pytest.raises(WeightsError, match="no diff"):
            blob_to_array(blob, diff=True)


def test_message_fields_of_each_form():
    blob = array_to_blob(np.ones((2, 3), "f4"))
    assert (list(blob.shape.dim), blob.HasField("num"), len(blob.data)) == ([2, 3], False, 6)
    blob = array_to_blob(np.ones((2, 3)), legacy=True)
    assert (blob.num, blob.channels, blob.height, blob.width) == (1, 1, 2, 3)
    assert (blob.HasField("shape"), len(blob.data), len(blob.double_data)) == (False, 0, 6)
    assert list(array_to_blob([1, 2]).data) == [1, 2]
    with pytest.raises(WeightsError, match="at most 4 axes"):
        array_to_blob(np.ones((1,) * 5), legacy=True)
    with pytest.raises(WeightsError, match="cannot have a diff of shape"):
        array_to_blob(np.ones(3), diff=np.ones(2))
