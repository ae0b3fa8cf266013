"""IDX, the file format of MNIST: a magic number, the sizes of the axes, then the values, all big-endian."""

from __future__ import annotations

import gzip
import math
from os import PathLike
from pathlib import Path

import numpy as np

from minicaffe.errors import DataError

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: str | PathLike[str]) -> np.ndarray:
    """Return the array in an IDX file, plain or gzip-compressed, in native byte order and of the shape the file
    declares.

    Source: the description of the format on the MNIST page. DataError for a file that is missing, foreign or truncated.
    """
    try:
        content = Path(path).read_bytes()
        if content.startswith(_GZIP_MAGIC):
            content = gzip.decompress(content)
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _DTYPES:
        raise DataError(
            f"{path}: not an IDX file: it starts with {content[:4].hex(' ') or 'nothing'}, not with 00 00 TYPE AXES"
        )
    dtype, axes = np.dtype(_DTYPES[content[2]]), content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise DataError(f"{path}: truncated: {axes} axes are declared, but the file ends after {len(content)} bytes")
    shape = tuple(int(dim) for dim in np.frombuffer(content, ">u4", axes, 4))
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        state = "truncated" if len(content) < expected else "too long"
        raise DataError(f"{path}: {state}: shape {shape} of {dtype.name} takes {expected} bytes, found {len(content)}")
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
