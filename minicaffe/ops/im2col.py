"""im2col and col2im: every window of an image as a column of a matrix, and the sum back.

x is [N, C, *S], col is [C*prod(kernel), N, *positions]: one row for each channel and kernel tap, in the order c, k...,
and one column for each output position of each image, so that a convolution is a single matrix product. Positions that
read outside the image read zero. Caffe's im2col, for any number of spatial axes (none included).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

Slices = tuple[slice, ...]


def conv_output_size(size: int, kernel: int, stride: int, pad: int, dilation: int) -> int:
    """Return how many positions a window takes along an axis; zero or less when the window does not fit.

    The division truncates towards zero as in C: a window that overhangs by less than `stride` still has one position.
    """
    room = size + 2 * pad - (dilation * (kernel - 1) + 1)
    return (room // stride if room >= 0 else -(-room // stride)) + 1


def inside(offset: int, stride: int, size: int, positions: int) -> tuple[int, int]:
    """Return the range lo, hi of those of `positions` o for which 0 <= o*stride + offset < size."""
    lo = min(max(0, -(offset // stride)), positions)
    return lo, max(lo, min(positions, (size - 1 - offset) // stride + 1))


def taps(
    size: Sequence[int],
    positions: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    pad: Sequence[int],
    dilation: Sequence[int],
) -> Iterator[tuple[tuple[int, ...], Slices, Slices]]:
    """Yield each tap of the kernel in row-major order: its index, the positions that it serves, what they read."""
    for tap in itertools.product(*map(range, kernel)):
        where, reads = [], []
        for k, n, o, s, p, d in zip(tap, size, positions, stride, pad, dilation, strict=True):
            offset = k * d - p
            lo, hi = inside(offset, s, n, o)
            where.append(slice(lo, hi))
            reads.append(slice(lo * s + offset, (hi - 1) * s + offset + 1, s) if lo < hi else slice(0, 0))
        yield tap, tuple(where), tuple(reads)


def im2col(
    x: Any, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], dilation: Sequence[int], out: Any
) -> None:
    """Write the columns of x [N, C, *S] to `out` [C*prod(kernel), N, *positions].

    The shape of `out` says how many positions are wanted, and a negative pad starts within the image: together they cut
    the columns of a large image into blocks.
    """
    rows = out.reshape(x.shape[1], *kernel, *out.shape[1:])
    for tap, where, reads in taps(x.shape[2:], out.shape[2:], kernel, stride, pad, dilation):
        row = rows[(slice(None), *tap)]
        if math.prod(s.stop - s.start for s in where) < math.prod(out.shape[2:]):
            row[...] = 0
        row[(..., *where)] = x[(..., *reads)].swapaxes(0, 1)


def col2im(
    col: Any, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], dilation: Sequence[int], out: Any
) -> None:
    """Add each entry of `col` [C*prod(kernel), N, *positions] to the element of `out` [N, C, *S] it was read from."""
    rows = col.reshape(out.shape[1], *kernel, *col.shape[1:])
    for tap, where, reads in taps(out.shape[2:], col.shape[2:], kernel, stride, pad, dilation):
        out[(..., *reads)] += rows[(slice(None), *tap)][(..., *where)].swapaxes(0, 1)
