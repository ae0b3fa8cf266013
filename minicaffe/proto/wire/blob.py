"""BlobProto read in place: the arrays of a file as views of it."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minicaffe import errors
from minicaffe.proto.wire.cursor import Cursor, Field, Store

DIMS = (1, 2, 3, 4)
DATA, DIFF, SHAPE, DOUBLE_DATA, DOUBLE_DIFF = 5, 6, 7, 8, 9
RAW_DATA_TYPE, RAW_DIFF_TYPE, RAW_DATA, RAW_DIFF = 10, 11, 12, 13

FLOAT, DOUBLE = np.dtype("<f4"), np.dtype("<f8")
# NVIDIA's enum Type
_RAW_TYPES: dict[int, np.dtype] = {
    0: DOUBLE,
    1: FLOAT,
    2: np.dtype("<f2"),
    3: np.dtype("<i4"),
    4: np.dtype("<u4"),
    5: np.dtype("?"),
}
_MAX_AXES = 32  # as in Caffe
_CHUNK = 1 << 22


@dataclass(frozen=True)
class StoredBlob:
    """One array of a file.

    data: read-only; a view of the file wherever the file allows one. float32, or the type it was stored as: float64
        (`double_data`), float16 and others (NVIDIA's `raw_data`).
    legacy: the shape was stored in the old form, num x channels x height x width, so leading ones may mean nothing.
    diff: its gradient, None where the file has none or it was not asked for.
    """

    data: np.ndarray
    legacy: bool
    diff: np.ndarray | None = None
    _store: Store | None = field(default=None, repr=False, compare=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of `data`."""
        return self.data.shape

    def copy_to(self, target: np.ndarray) -> None:
        """Copy `data` into `target`, which has as many elements, in pieces, giving the file's memory back behind us.

        A plain `target[...] = blob.data` has the whole blob in memory twice for a moment; this never has.
        """
        if not target.flags.c_contiguous:
            target[...] = self.data.reshape(target.shape)
            return
        source, flat = self.data.reshape(-1), target.reshape(-1)
        for begin in range(0, source.size, _CHUNK):
            piece = source[begin : begin + _CHUNK]
            flat[begin : begin + _CHUNK] = piece
            if self._store is not None:
                self._store.release(piece)


def decode_blob(cursor: Cursor, with_diff: bool = False) -> StoredBlob:
    """Return the BlobProto under `cursor`; raises WeightsError where values and shape do not agree."""
    fields: defaultdict[int, list[Field]] = defaultdict(list)
    dtypes: dict[int, np.dtype] = {DATA: FLOAT, DOUBLE_DATA: DOUBLE, DIFF: FLOAT, DOUBLE_DIFF: DOUBLE}
    parts: dict[int, list[np.ndarray]] = {number: [] for number in dtypes}
    while cursor:
        found = cursor.next()
        if found.number not in parts:
            fields[found.number].append(found)
        elif with_diff or found.number in (DATA, DOUBLE_DATA):
            parts[found.number].append(cursor.array(found, dtypes[found.number]))
    shape, legacy = _shape(cursor, fields)
    data = _joined(parts[DOUBLE_DATA]) or _joined(parts[DATA]) or _raw(cursor, fields, RAW_DATA, RAW_DATA_TYPE)
    diff = _joined(parts[DOUBLE_DIFF]) or _joined(parts[DIFF])
    if with_diff:
        diff = diff or _raw(cursor, fields, RAW_DIFF, RAW_DIFF_TYPE)
    values = _shaped(cursor, data[0] if data else np.empty(0, FLOAT), shape)
    return StoredBlob(values, legacy, _shaped(cursor, diff[0], shape) if diff else None, cursor.store)


def _shape(cursor: Cursor, fields: dict[int, list[Field]]) -> tuple[list[int] | None, bool]:
    """Return the shape the file gives, if any, and whether it is of the legacy form, which goes before the other."""
    legacy = {number: cursor.integer(fields[number][-1]) for number in DIMS if number in fields}
    if legacy:
        return [legacy.get(number, 0) for number in DIMS], True
    if SHAPE not in fields:
        return None, False
    dims: list[int] = []
    for found in fields[SHAPE]:
        inner = cursor.inside(found, f"{cursor.what}, its shape")
        while inner:
            axis = inner.next()
            dims += inner.integers(axis) if axis.number == 1 else []
    return dims, False


def _joined(parts: list[np.ndarray]) -> list[np.ndarray]:
    """Return the values that `parts` make together, in a list of one, or of none where there are no values."""
    if not any(part.size for part in parts):
        return []
    return parts if len(parts) == 1 else [np.concatenate(parts)]


def _raw(cursor: Cursor, fields: dict[int, list[Field]], number: int, type_number: int) -> list[np.ndarray]:
    """Return NVIDIA's raw values as `_joined` does."""
    if number not in fields:
        return []
    found = fields[number][-1]
    value_type = fields[type_number][-1].value if type_number in fields else -1
    if value_type not in _RAW_TYPES:
        raise cursor.store.error(found.start, f"reading {cursor.what}: raw values without a known type")
    cursor.inside(found, cursor.what)
    return [cursor.array(found, _RAW_TYPES[value_type])]


def _shaped(cursor: Cursor, values: np.ndarray, shape: list[int] | None) -> np.ndarray:
    """Return `values`, read-only, in the shape the file gives."""
    if shape is None:
        shape = [] if values.size == 1 else [values.size]
    if len(shape) > _MAX_AXES:
        raise errors.WeightsError(f"{cursor.store.name}: {cursor.what} has {len(shape)} axes, more than {_MAX_AXES}")
    if any(dim < 0 for dim in shape) or math.prod(shape) != values.size:
        raise errors.WeightsError(
            f"{cursor.store.name}: {cursor.what} has shape {' x '.join(map(str, shape))}, {math.prod(shape):,} values, "
            f"but {values.size:,} are stored"
        )
    shaped = values.reshape(shape)
    shaped.flags.writeable = False
    return shaped


def blob_to_array(blob: Any, diff: bool = False) -> np.ndarray:
    """Return the values of a BlobProto message, or with `diff` its gradient, as a read-only array of its shape.

    float32, or float64 where the message holds double_data; legacy blobs are 4-D. The message may come from any
    caffe.proto. Raises WeightsError where values and shape do not agree or the gradient is missing.
    """
    stored = decode_blob(Cursor(Store(blob.SerializePartialToString(), "BlobProto"), "the blob"), diff)
    if not diff:
        return stored.data
    if stored.diff is None:
        raise errors.WeightsError("BlobProto: the blob has no diff")
    return stored.diff
