"""Convolution over two spatial axes as a product with columns: memory, and division among threads.

A thread takes a block of positions, or where there are few of them some outputs; backwards some channels of an image,
and for the weights some rows and some of the positions. Blocks depend on shapes only, and so does the order of every
sum: results do not depend on the number of threads. The definition makes the same columns, but leaves the product to a
library. All arrays are C-contiguous float32.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minicaffe.ops.convolution import Geometry
from minicaffe.ops.cpu import columns_kernels as kernels
from minicaffe.ops.cpu.gemm import ROWS, multiply, padded
from minicaffe.ops.cpu.images import Part, parts, room
from minicaffe.ops.cpu.threads import share, split
from minicaffe.ops.cpu.vector import LANES

# A call is cut into so many pieces or more if it is large enough.
PIECES = 8
# A block has so many positions: a multiple of every panel's length, times at least 4 and at most 64.
STEP = 3 * LANES
# Columns of a block are so many numbers or fewer if possible: they stay in a second-level cache.
NUMBERS = 1 << 17
# So many outputs are computed at a time.
OUTPUTS = 32 * ROWS
# Going backwards, a thread handles so many rows of columns at a time.
BACK_ROWS = 512


class Left(NamedTuple):
    """A left-hand matrix: numbers, and steps between strips of LANES rows, between rows and between columns."""

    a: Any
    steps: tuple[int, int, int]

    def row(self, row: int) -> int:
        """Where a row begins, the first of a strip."""
        return row // LANES * self.steps[0] + row % LANES * self.steps[1]


def conv(x: Any, W: Any, b: Any, g: Geometry, out: Any, relu: bool = False) -> None:
    """As `minicaffe.ops.convolution.conv`."""
    biases = [np.empty(0, x.dtype)] * g.group if b is None else np.split(b, g.group)
    for source, weights, bias, target in zip(
        parts(x, g.group), np.split(W, g.group), biases, parts(out, g.group), strict=True
    ):
        depth = weights[0].size
        left = Left(weights.reshape(-1), (LANES * depth, depth, 1))
        _convolve(left, depth, bias, np.float32(0 if relu else -np.inf), source, g, target)


def conv_backward_data(dy: Any, W: Any, g: Geometry, out: Any) -> None:
    """As `minicaffe.ops.convolution.conv_backward_data`."""
    for errors, weights, target in zip(parts(dy, g.group), np.split(W, g.group), parts(out, g.group), strict=True):
        left = _turned(weights.reshape(errors.channels, -1))
        _convolve_back(left, errors, g, target)


def conv_backward_weights(x: Any, dy: Any, dW: Any, g: Geometry) -> None:
    """As `minicaffe.ops.convolution.conv_backward_weights`."""
    for source, errors, gradient in zip(parts(x, g.group), parts(dy, g.group), np.split(dW, g.group), strict=True):
        _correlate(source, errors, gradient.reshape(-1), g)


def _rounded(size: int, step: int) -> int:
    return -(-size // step) * step


def _block(depth: int, total: int) -> int:
    """Return how many of `total` positions a block has when its columns are `depth` long."""
    most = min(max(NUMBERS // depth // STEP, 4), 64) * STEP
    return max(min(most, _rounded(math.ceil(total / PIECES), STEP)), 4 * STEP)


def _passing(x: Part, y: Part, g: Geometry) -> tuple[int, ...]:
    """Return what kernels know of the images x, and of how weights pass over them to give y."""
    return x.start, x.stride, *x.x.shape[2:], *y.x.shape[2:], *g.kernel, *g.stride, *g.pad, *g.dilation


class _Columns:
    """The columns of the images x."""

    def __init__(self, x: Part, y: Part, g: Geometry):
        self.x, self.passing, self.channels = x.flat, _passing(x, y, g), x.channels
        self.framed = g.stride == (1, 1)
        if self.framed:
            H, W = (size + 2 * pad for size, pad in zip(x.x.shape[2:], g.pad, strict=True))
            planes = len(x.x) * x.channels
            frames, flat = room("frames", planes * H * W + LANES), self.x
            split(
                planes,
                (1 << 15) // (H * W),
                lambda lo, hi: kernels.frame(lo, hi, x.channels, flat, self.passing, frames),
            )
            self.x = frames

    def write(self, rows: tuple[int, int, int], positions: tuple[int, int], col: Any, height: int, step: int) -> None:
        """Write rows (first, end, first of col) of the columns of positions: in panels of `height`, or `step` apart.

        col is longer by a vector than needed.
        """
        if self.framed:
            kernels.slide(rows, positions, self.channels, self.x, self.passing, col, height, step)
        else:
            lo, hi = positions
            kernels.columns(rows, (lo, hi, hi), lo, self.x, self.passing, col, height, step)


def _itself(y: Part) -> tuple[int, ...]:
    """Return what kernels know of images that are their own columns."""
    return y.start, y.stride, 1, y.size, 1, y.size, 1, 1, 1, 1, 0, 0, 1, 1


def _image(part: Part) -> tuple[int, int, int]:
    return part.start, part.stride, part.size


def _turned(W: Any) -> Left:
    """Return the transpose of W [K, depth], in strips."""
    K, depth = W.shape
    S, flat = room("planes", _rounded(depth, LANES) * K), W.reshape(-1)
    split(math.ceil(depth / LANES), (1 << 16) // (K * LANES), lambda lo, hi: kernels.strips(lo, hi, flat, K, depth, S))
    return Left(S, (LANES * K, 1, LANES))


def _convolve(left: Left, depth: int, b: Any, floor: Any, source: Part, g: Geometry, target: Part) -> None:
    total = len(target.x) * target.size
    block = _block(depth, total)
    pieces = math.ceil(total / block)
    y, columns = target.flat, _Columns(source, target, g)

    def outputs(k: int, end: int, positions: tuple[int, int], col: Any) -> None:
        length = padded(positions[1] - positions[0])
        M = room("M", (end - k) * length)
        multiply(
            (1, end - k, length // LANES, depth), left.a, left.row(k), (0, *left.steps),
            col, 0, (0, depth), M, 0, (0, length), False,
        )  # fmt: skip
        kernels.finish((k, end), positions, M, length, b, floor, y, _image(target))

    def work(piece: int) -> None:
        lo, hi = piece * block, min((piece + 1) * block, total)
        col = room("col", depth * padded(hi - lo) + LANES)
        columns.write((0, depth, 0), (lo, hi), col, depth, 0)
        for k in range(0, target.channels, OUTPUTS):
            outputs(k, min(k + OUTPUTS, target.channels), (lo, hi), col)

    if pieces >= PIECES or target.channels < 2 * LANES:
        share(pieces, work)
        return
    whole = room("whole", depth * padded(total) + LANES)
    columns.write((0, depth, 0), (0, total), whole, depth, 0)
    chunk = min(_rounded(math.ceil(target.channels / PIECES), LANES), OUTPUTS)
    share(
        math.ceil(target.channels / chunk),
        lambda item: outputs(item * chunk, min((item + 1) * chunk, target.channels), (0, total), whole),
    )


def _convolve_back(left: Left, errors: Part, g: Geometry, target: Part) -> None:
    K, taps = errors.channels, math.prod(g.kernel)
    depth = target.channels * taps
    chunk = max(min(BACK_ROWS // taps, math.ceil(target.channels * len(target.x) / PIECES)), 1)
    chunk = chunk if chunk * taps % LANES == 0 else _whole_strips(chunk, taps)
    chunks = math.ceil(target.channels / chunk)
    block = _block(max(K, min(depth, chunk * taps)), errors.size)
    dy, x, passing, itself = errors.flat, target.flat, _passing(target, errors, g), _itself(errors)

    def work(item: int) -> None:
        image, c = item // chunks, item % chunks * chunk
        end = min(c + chunk, target.channels)
        rows, origin = (c * taps, end * taps), target.start + image * target.stride
        x[origin + c * target.size : origin + end * target.size] = 0
        for lo in range(image * errors.size, (image + 1) * errors.size, block):
            hi = min(lo + block, (image + 1) * errors.size)
            length = padded(hi - lo)
            col, M = room("col", K * length), room("M", (rows[1] - rows[0]) * length)
            kernels.columns((0, K, 0), (lo, hi, hi), lo, dy, itself, col, K, 0)
            multiply(
                (1, rows[1] - rows[0], length // LANES, K), left.a, left.row(rows[0]), (0, *left.steps),
                col, 0, (0, K), M, 0, (0, length), False,
            )  # fmt: skip
            kernels.add_columns(rows, (lo, hi), M, length, x, passing)

    share(len(target.x) * chunks, work)


def _whole_strips(chunk: int, taps: int) -> int:
    """Return how many channels, `chunk` or the next more, have rows that make whole strips."""
    return _rounded(chunk, LANES // math.gcd(LANES, taps))


def _correlate(source: Part, errors: Part, dW: Any, g: Geometry) -> None:
    K, depth = errors.channels, source.channels * math.prod(g.kernel)
    total = len(errors.x) * errors.size
    block = _block(max(K, min(depth, BACK_ROWS)), total)
    chunk = min(_rounded(math.ceil(depth / PIECES), ROWS), BACK_ROWS) if total < PIECES * block else BACK_ROWS
    chunks = math.ceil(depth / chunk)
    pieces = max(min(PIECES // chunks, total // block), 1)
    step = padded(K)
    dy, D = errors.flat, room("planes", pieces * depth * step)
    columns = _Columns(source, errors, g)

    def work(item: int) -> None:
        piece, row = item // chunks, item % chunks * chunk
        rows = min(chunk, depth - row)
        lo, end = total * piece // pieces, total * (piece + 1) // pieces
        E, add = room("M", block * step), False
        while lo < end:
            hi = min(lo + block, end)
            col = room("col", rows * block + LANES)
            columns.write((row, row + rows, row), (lo, hi), col, 0, block)
            kernels.turn((lo, hi), dy, K, _image(errors), E, block)
            multiply(
                (1, rows, step // LANES, hi - lo), col, 0, (0, LANES * block, block, 1),
                E, 0, (0, block), D, (piece * depth + row) * step, (0, step), add,
            )  # fmt: skip
            lo, add = hi, True

    share(pieces * chunks, work)
    least = max((1 << 14) // (depth * LANES), 1)
    split(
        math.ceil(K / LANES),
        least,
        lambda lo, hi: kernels.add_gradient(lo, hi, D, pieces, depth * step, dW, K, depth),
    )
