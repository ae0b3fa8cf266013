"""Weights, snapshots and mean files, written as Caffe reads them.

A message is first laid out as a list of parts, arrays among them, whose sizes are known; then the parts go to the file
one after the other. No array is copied on its way unless it is of another type or not contiguous, then one at a time.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from minicaffe import errors
from minicaffe.files import written_aside
from minicaffe.proto import schema
from minicaffe.proto.wire import blob as fields
from minicaffe.proto.wire import read
from minicaffe.proto.wire.cursor import FIXED32, SPAN, VARINT

BLOBS = 7


class Parts:
    """A message laid out for writing: bytes and arrays in order, and their length together."""

    def __init__(self, head: bytes = b"") -> None:
        self.parts: list[bytes | tuple[np.ndarray, np.dtype]] = [head]
        self.size = len(head)

    def varint(self, number: int, value: int) -> None:
        """Append an integer field."""
        self._raw(_varint(number << 3 | VARINT) + _varint(value & 0xFFFFFFFFFFFFFFFF))

    def float32(self, number: int, value: float) -> None:
        """Append a float field."""
        self._raw(_varint(number << 3 | FIXED32) + struct.pack("<f", value))

    def span(self, number: int, content: bytes | Parts) -> None:
        """Append a field of bytes, text or a message."""
        content = content if isinstance(content, Parts) else Parts(content)
        self._raw(_varint(number << 3 | SPAN) + _varint(content.size))
        self.parts += content.parts
        self.size += content.size

    def numbers(self, number: int, array: np.ndarray, dtype: np.dtype) -> None:
        """Append a packed field of all elements of `array`, written as `dtype`."""
        self._raw(_varint(number << 3 | SPAN) + _varint(array.size * dtype.itemsize))
        self.parts.append((array, dtype))
        self.size += array.size * dtype.itemsize

    def _raw(self, content: bytes) -> None:
        self.parts.append(content)
        self.size += len(content)

    def write_to(self, file: BinaryIO) -> None:
        """Write the message to `file`."""
        for part in self.parts:
            if isinstance(part, bytes):
                file.write(part)
            elif part[0].size:
                file.write(np.ascontiguousarray(part[0], part[1]).reshape(-1).view(np.uint8).data)

    def to_bytes(self) -> bytes:
        """Return the message as bytes, arrays copied."""
        arrays = (p if isinstance(p, bytes) else np.ascontiguousarray(p[0], p[1]).tobytes() for p in self.parts)
        return b"".join(arrays)

    def save(self, path: str | Path) -> None:
        """Write the message to the file at `path`, all of it or nothing; raises WeightsError where that fails."""
        try:
            with written_aside(path) as aside, open(aside, "wb") as file:
                self.write_to(file)
        except OSError as problem:
            raise errors.WeightsError(f"Could not write file {path}: {problem.strerror}") from problem


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def blob_parts(array: Any, diff: Any = None, legacy: bool = False) -> Parts:
    """Return the BlobProto of `array` and, if given, its gradient, laid out for writing."""
    array = np.asarray(array)
    parts = Parts()
    if legacy:
        if array.ndim > 4:
            raise errors.WeightsError(f"a blob of the old form has at most 4 axes, this has shape {array.shape}")
        for number, length in zip(fields.DIMS, (1,) * (4 - array.ndim) + array.shape, strict=True):
            parts.varint(number, length)
    else:
        dims = b"".join(map(_varint, array.shape))
        shape = Parts()
        if dims:
            shape.span(1, dims)
        parts.span(fields.SHAPE, shape)
    _append_values(parts, array, fields.DATA, fields.DOUBLE_DATA)
    if diff is not None:
        diff = np.asarray(diff)
        if diff.shape != array.shape:
            raise errors.WeightsError(f"a blob of shape {array.shape} cannot have a diff of shape {diff.shape}")
        _append_values(parts, diff, fields.DIFF, fields.DOUBLE_DIFF)
    return parts


def _append_values(parts: Parts, array: np.ndarray, single: int, double: int) -> None:
    if array.dtype == np.float64:
        parts.numbers(double, array, fields.DOUBLE)
    else:
        parts.numbers(single, array, fields.FLOAT)


def write_net(
    path: str | Path,
    net: Any,
    blobs: Sequence[Sequence[np.ndarray]],
    diffs: Sequence[Sequence[np.ndarray]] | None = None,
) -> None:
    """Write a .caffemodel of NetParameter `net`, whose layer i gets the arrays `blobs[i]` and gradients `diffs[i]`.

    float64 arrays go to double_data, all others to data as float32. Blobs and origins `net` itself may have are left
    out. Raises WeightsError where layers and lists differ in length, and where the file cannot be written.
    """
    _check_counts(path, net, blobs, diffs)
    whole = Parts(_head(net, ("layer", "origin")))
    for index, layer in enumerate(net.layer):
        parts = Parts(_head(layer, ("blobs", "origin")))
        layer_diffs = [None] * len(blobs[index]) if diffs is None else diffs[index]
        for array, diff in zip(blobs[index], layer_diffs, strict=True):
            parts.span(BLOBS, blob_parts(array, diff))
        whole.span(read.NET_LAYER, parts)
    whole.save(path)


def _check_counts(path: str | Path, net: Any, blobs: Sequence[Any], diffs: Sequence[Any] | None) -> None:
    if net.layers:
        raise errors.WeightsError(
            f"{path}: a net of the older form, with 'layers', cannot be written: upgrade it first"
        )
    for given, what in ((blobs, "blobs"), (diffs, "diffs")):
        if given is not None and len(given) != len(net.layer):
            raise errors.WeightsError(f"{path}: {len(net.layer)} layers cannot be written with {what} of {len(given)}")
    for layer, arrays, layer_diffs in zip(net.layer, blobs, diffs if diffs is not None else blobs, strict=True):
        if len(arrays) != len(layer_diffs):
            raise errors.WeightsError(
                f"{path}: layer {layer.name!r} has {len(arrays)} blobs and {len(layer_diffs)} diffs"
            )


def _head(message: Any, omit: tuple[str, ...]) -> bytes:
    """Return `message` serialized without the fields `omit`."""
    head = type(message)()
    schema.copy_fields(message, head, omit)
    return head.SerializePartialToString()


def write_solverstate(path: str | Path, state: read.StoredState) -> None:
    """Write `state` as a .solverstate that Caffe can resume from; raises WeightsError where that fails."""
    parts = Parts()
    parts.varint(read.STATE_ITER, state.iter)
    if state.learned_net:
        parts.span(read.STATE_LEARNED_NET, state.learned_net.encode("utf-8", "surrogateescape"))
    for array in state.history:
        parts.span(read.STATE_HISTORY, blob_parts(array))
    parts.varint(read.STATE_CURRENT_STEP, state.current_step)
    if state.minimum_loss is not None:
        parts.float32(read.STATE_MINIMUM_LOSS, state.minimum_loss)
        parts.varint(read.STATE_ITER_LAST_EVENT, state.iter_last_event)
    if state.minicaffe_state:
        parts.span(read.STATE_MINICAFFE, state.minicaffe_state)
    parts.save(path)


def write_blobproto(path: str | Path, array: np.ndarray, legacy: bool = True) -> None:
    """Write one array as a .binaryproto.

    `legacy` writes num, channels, height and width, which is what readers of mean files look for, instead of shape; it
    takes at most four axes. Raises WeightsError with more, and where the file cannot be written.
    """
    blob_parts(array, legacy=legacy).save(path)


def array_to_blob(array: Any, diff: Any = None, legacy: bool = False) -> Any:
    """Return a BlobProto message of `array` and, if given, its gradient `diff` of the same shape.

    float64 goes to double_data, everything else to data as float32. `legacy` as in `write_blobproto`.
    """
    return schema.BlobProto.FromString(blob_parts(array, diff, legacy).to_bytes())
