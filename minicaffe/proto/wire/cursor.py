"""Protobuf's wire format, walked in place over a memory-mapped file.

Nothing here knows of Caffe. A Cursor steps through the fields of one message; what a field holds is given as a span of
the file, and arrays are views of such spans. Lengths and offsets are Python integers, so size has no limit.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minicaffe import errors

VARINT, FIXED64, SPAN, FIXED32 = 0, 1, 2, 5
_NAMES = {VARINT: "a varint", FIXED64: "8 bytes", SPAN: "a length and bytes", FIXED32: "4 bytes"}
_PAGE = mmap.ALLOCATIONGRANULARITY


class Store:
    """The bytes a message lies in: a file mapped into memory, or bytes at hand."""

    def __init__(self, content: bytes | mmap.mmap, name: str) -> None:
        self.content = content
        self.name = name

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """Map the file at `path`; raises WeightsError where it cannot be read or is empty."""
        try:
            with open(path, "rb") as file:
                return cls(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), str(path))
        except ValueError:
            raise errors.WeightsError(f"{path}: the file is empty") from None
        except OSError as problem:
            raise errors.WeightsError(f"Could not open file {path}: {problem.strerror}") from problem

    def error(self, offset: int, what: str) -> errors.WeightsError:
        """Return the error for damage found at `offset`."""
        return errors.WeightsError(
            f"{self.name}: truncated or damaged at byte {offset:,} of {len(self.content):,}: {what}"
        )

    def release(self, view: np.ndarray) -> None:
        """Give the memory under a contiguous `view` of a mapped file back; a later look reads the file again."""
        if not isinstance(self.content, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED"):
            return
        start = view.ctypes.data - np.frombuffer(self.content, np.uint8).ctypes.data
        first = -(-start // _PAGE) * _PAGE
        length = (start + view.nbytes) // _PAGE * _PAGE - first
        if length > 0 and 0 <= start < len(self.content):
            self.content.madvise(mmap.MADV_DONTNEED, first, length)


class Field(NamedTuple):
    """One field: its number and wire type, the value of a varint, and the span of its content."""

    number: int
    wire_type: int
    value: int
    start: int
    end: int


class Cursor:
    """Steps through the fields of the message that fills `store` from `start` to `end`; `what` names it in errors."""

    def __init__(self, store: Store, what: str, start: int = 0, end: int | None = None) -> None:
        self.store = store
        self.what = what
        self.position = start
        self.end = len(store.content) if end is None else end

    def __bool__(self) -> bool:
        return self.position < self.end

    def tag(self) -> tuple[int, int]:
        """Return number and wire type of the field here and step over its tag."""
        start = self.position
        tag = self._varint("the tag of a field")
        if tag >> 3 == 0 or tag & 7 not in _NAMES:
            raise self.store.error(start, f"reading {self.what}: no field begins like this")
        return tag >> 3, tag & 7

    def next(self) -> Field:
        """Return the field here and step over it; raises WeightsError where there is none whole."""
        number, wire_type = self.tag()
        if wire_type == VARINT:
            start = self.position
            return Field(number, wire_type, self._varint(f"field {number}"), start, self.position)
        length = {FIXED64: 8, FIXED32: 4}.get(wire_type)
        if length is None:
            length = self._varint(f"the length of field {number}")
        start = self.position
        if start + length > self.end:
            raise self.store.error(
                start, f"reading {self.what}: field {number} needs {length:,} bytes, {self.end - start:,} are left"
            )
        self.position = start + length
        return Field(number, wire_type, 0, start, self.position)

    def _varint(self, what: str) -> int:
        """Return the number here, seven bits a byte, least significant first."""
        content, value, shift = self.store.content, 0, 0
        while self.position < self.end:
            byte = content[self.position]
            self.position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF
            shift += 7
            if shift > 63:
                raise self.store.error(self.position, f"reading {self.what}: {what} is no varint")
        raise self.store.error(self.position, f"reading {self.what}: it ends within {what}")

    def inside(self, field: Field, what: str) -> Cursor:
        """Return a Cursor over the message that is the content of `field`."""
        self.expect(field, SPAN)
        return Cursor(self.store, what, field.start, field.end)

    def expect(self, field: Field, wire_type: int) -> None:
        """Raise WeightsError unless `field` is of `wire_type`."""
        if field.wire_type != wire_type:
            raise self.store.error(
                field.start,
                f"reading {self.what}: field {field.number} is {_NAMES[field.wire_type]}, expected {_NAMES[wire_type]}",
            )

    def bytes(self, field: Field) -> bytes:
        """Return a copy of the content of `field`."""
        self.expect(field, SPAN)
        return self.store.content[field.start : field.end]

    def text(self, field: Field) -> str:
        """Return the content of `field` as text; bytes that are not UTF-8 are kept as surrogates."""
        return self.bytes(field).decode("utf-8", "surrogateescape")

    def integer(self, field: Field) -> int:
        """Return the signed integer that is the content of `field`."""
        self.expect(field, VARINT)
        return _signed(field.value)

    def integers(self, field: Field) -> list[int]:
        """Return the signed integers of a repeated field: one, or all of them when packed."""
        if field.wire_type == VARINT:
            return [_signed(field.value)]
        packed = self.inside(field, f"{self.what}, field {field.number}")
        values = []
        while packed:
            values.append(_signed(packed._varint("an integer")))
        return values

    def array(self, field: Field, dtype: np.dtype) -> np.ndarray:
        """Return a read-only view, 1-D, of packed numbers; of unpacked ones, which this steps over, a copy."""
        content = self.store.content
        if field.wire_type == SPAN:
            count, rest = divmod(field.end - field.start, dtype.itemsize)
            if rest:
                raise self.store.error(field.start, f"reading {self.what}: no whole number of {dtype.name} values")
            return np.frombuffer(content, dtype, count, field.start) if count else np.empty(0, dtype)
        self.expect(field, {4: FIXED32, 8: FIXED64}[dtype.itemsize])
        # Every number carries the tag of the first before it: look for the first tag that differs.
        size = dtype.itemsize
        tag = field.number << 3 | field.wire_type
        if tag > 0x7F:
            return np.frombuffer(content, dtype, 1, field.start).copy()
        record = np.dtype([("tag", "u1"), ("value", dtype)])
        begin = field.start - 1
        records = np.frombuffer(content, record, (self.end - begin) // (size + 1), begin)
        different = np.flatnonzero(records["tag"] != tag)
        run = int(different[0]) if different.size else len(records)
        self.position = begin + run * (size + 1)
        return records["value"][:run].copy()


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
