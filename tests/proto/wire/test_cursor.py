"""The wire format, field by field."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.errors import WeightsError
from minicaffe.proto import schema
from minicaffe.proto.wire.cursor import FIXED32, FIXED64, SPAN, VARINT, Cursor, Store

FLOAT = np.dtype("<f4")


def cursor(content: bytes) -> Cursor:
    return Cursor(Store(content, "f"), "the thing")


def test_steps_over_fields_of_every_wire_type():
    content = b"\x08\x96\x01" + b"\x11" + bytes(8) + b"\x1a\x02hi" + b"\x25\x00\x00\x80\x3f" + b"\xa2\x06\x00"
    fields = []
    walk = cursor(content)
    while walk:
        fields.append(walk.next())
    assert [(each.number, each.wire_type) for each in fields] == [
        (1, VARINT),
        (2, FIXED64),
        (3, SPAN),
        (4, FIXED32),
        (100, SPAN),
    ]
    assert fields[0].value == 150
    assert walk.text(fields[2]) == "hi"
    assert walk.bytes(fields[4]) == b""


@pytest.mark.parametrize("value", [0, 1, -1, 127, 128, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63)])
def test_signed_integers(value):
    walk = cursor(schema.BlobShape(dim=[value, 7]).SerializeToString())
    assert walk.integers(walk.next()) == [value, 7]
    walk = cursor(schema.SolverParameter(random_seed=value).SerializeToString())
    assert walk.integer(walk.next()) == value


def test_unpacked_integers_are_read_one_by_one():
    walk = cursor(b"\x08\x05")
    assert walk.integers(walk.next()) == [5]


@pytest.mark.parametrize("shift", range(8))
def test_packed_arrays_are_views_at_any_offset(shift):
    values = np.arange(5, dtype="<f4")
    content = b"\x0a" + bytes([shift]) + bytes(shift) + b"\x2a\x14" + values.tobytes()
    walk = cursor(content)
    walk.next()
    array = walk.array(walk.next(), FLOAT)
    np.testing.assert_array_equal(array, values)
    assert not array.flags.owndata
    assert not array.flags.writeable


@pytest.mark.parametrize("after", [b"", b"\x08\x01", b"\x25\x00\x00\x00\x00"])
def test_unpacked_arrays_are_read_as_one_run(after):
    values = np.arange(1000, dtype="<f4")
    content = b"".join(b"\x2d" + value.tobytes() for value in values)
    walk = cursor(content + after)
    np.testing.assert_array_equal(walk.array(walk.next(), FLOAT), values)
    assert walk.position == len(content)


def test_unpacked_doubles_and_high_field_numbers():
    double = np.dtype("<f8")
    walk = cursor(b"\x41" + np.float64(0.1).tobytes() + b"\x41" + np.float64(0.2).tobytes())
    assert walk.array(walk.next(), double).tolist() == [0.1, 0.2]
    walk = cursor(b"\x85\x01" + np.float32(3).tobytes() + b"\x85\x01" + np.float32(4).tobytes())
    assert walk.array(walk.next(), FLOAT).tolist() == [3]
    assert walk.array(walk.next(), FLOAT).tolist() == [4]


def test_an_empty_packed_field_has_no_values():
    walk = cursor(b"\x2a\x00")
    assert walk.array(walk.next(), FLOAT).size == 0


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            b"\x0a\x05ab",
            r"f: truncated or damaged at byte 2 of 4: reading the thing: field 1 needs 5 bytes, 2 are left",
        ),
        (b"\x0a", "ends within the length of field 1"),
        (b"\x08\x80\x80", "ends within field 1"),
        (b"\x80", "ends within the tag"),
        (b"\x0d\x00\x00", "field 1 needs 4 bytes, 2 are left"),
        (b"\x09\x00", "field 1 needs 8 bytes, 1 are left"),
        (b"\x00\x00", "at byte 0 of 2: reading the thing: no field begins like this"),
        (b"\x0b\x00", "no field begins like this"),
        (b"\x0f\x00", "no field begins like this"),
        (b"\x08" + b"\xff" * 11, "field 1 is no varint"),
    ],
)
def test_damage_is_located(content, what):
    with pytest.raises(WeightsError, match=what):
        cursor(content).next()


def test_fields_of_another_kind_than_expected():
    walk = cursor(b"\x08\x01\x2a\x03abc")
    number, span = walk.next(), walk.next()
    with pytest.raises(WeightsError, match="field 1 is a varint, expected a length and bytes"):
        walk.inside(number, "a message")
    with pytest.raises(WeightsError, match="field 5 is a length and bytes, expected a varint"):
        walk.integer(span)
    with pytest.raises(WeightsError, match="no whole number of float32 values"):
        walk.array(span, FLOAT)
    with pytest.raises(WeightsError, match="expected 4 bytes"):
        walk.array(number, FLOAT)


def test_files_that_cannot_be_mapped(tmp_path):
    with pytest.raises(WeightsError, match=r"Could not open file .*nothing"):
        Store.open(tmp_path / "nothing")
    (tmp_path / "empty").touch()
    with pytest.raises(WeightsError, match="empty: the file is empty"):
        Store.open(tmp_path / "empty")
    with pytest.raises(WeightsError, match="Could not open file"):
        Store.open(tmp_path)


def test_released_memory_reads_the_same_again(tmp_path):
    values = np.arange(1 << 18, dtype="<f4")
    path = tmp_path / "x"
    path.write_bytes(b"head" + values.tobytes())
    store = Store.open(path)
    view = np.frombuffer(store.content, "<f4", offset=4)
    store.release(view)
    store.release(view[:3])
    np.testing.assert_array_equal(view, values)
