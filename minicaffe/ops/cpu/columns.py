"""Convolution over two spatial axes as a product with columns: memory, and division among threads.

A thread takes a block of positions and some outputs; backwards some channels of an image, and for the weights some rows
and some of the positions. Blocks depend on shapes only, and so does the order of every sum: results do not depend on
the number of threads. The definition makes the same columns, but leaves the product to a library. All arrays are
C-contiguous float32.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minicaffe.ops.convolution import Geometry
from minicaffe.ops.cpu import columns_kernels as kernels
from minicaffe.ops.cpu.gemm import ROWS, padded
from minicaffe.ops.cpu.images import Part, parts, room
from minicaffe.ops.cpu.threads import share, split
from minicaffe.ops.cpu.vector import LANES

# A call is cut into so many pieces if it is large enough, and into larger ones only up to so many positions.
PIECES = 8
POSITIONS = 4 * kernels.BLOCK
# Fewer outputs than this are not worth columns of their own.
OUTPUTS = 4 * ROWS
# Going backwards, a thread handles so many rows of columns at a time.
BACK_ROWS = 256
# Columns of a block, or the errors that belong to it, are so many numbers or fewer if possible.
NUMBERS = 1 << 18


def suits(g: Geometry, outputs: int) -> bool:
    """Whether the products are large enough; `outputs` are those of one group."""
    return len(g.kernel) == 2 and (g.group == 1 or outputs >= ROWS)


def conv(x: Any, W: Any, b: Any, g: Geometry, out: Any, relu: bool = False) -> None:
    """As `minicaffe.ops.convolution.conv`."""
    biases = [np.empty(0, x.dtype)] * g.group if b is None else np.split(b, g.group)
    for source, weights, bias, target in zip(
        parts(x, g.group), np.split(W, g.group), biases, parts(out, g.group), strict=True
    ):
        _convolve(source, weights.reshape(target.channels, -1), bias, g, target, relu)


def conv_backward_data(dy: Any, W: Any, g: Geometry, out: Any) -> None:
    """As `minicaffe.ops.convolution.conv_backward_data`."""
    for errors, weights, target in zip(parts(dy, g.group), np.split(W, g.group), parts(out, g.group), strict=True):
        _convolve_back(errors, weights.reshape(-1), g, target)


def conv_backward_weights(x: Any, dy: Any, dW: Any, g: Geometry) -> None:
    """As `minicaffe.ops.convolution.conv_backward_weights`."""
    for source, errors, gradient in zip(parts(x, g.group), parts(dy, g.group), np.split(dW, g.group), strict=True):
        _correlate(source, errors, gradient.reshape(-1), g)


def _block(depth: int) -> int:
    """Return how many positions a block has when its columns are `depth` long: a multiple of all panels' lengths."""
    least = kernels.BLOCK // 4
    return min(max(NUMBERS // depth // least, 1) * least, kernels.BLOCK)


def _rounded(size: int, step: int) -> int:
    return -(-size // step) * step


def _passing(x: Part, y: Part, g: Geometry) -> tuple[int, ...]:
    """Return what kernels know of the images x, and of how weights pass over them to give y."""
    (H, W), (h, w) = x.x.shape[2:], y.x.shape[2:]
    if g.pointwise:
        H, W, h, w = 1, H * W, 1, h * w
    return x.start, x.stride, H, W, h, w, *g.kernel, *g.stride, *g.pad, *g.dilation


def _itself(y: Part) -> tuple[int, ...]:
    """Return what kernels know of images that are their own columns."""
    return _passing(y, y, Geometry((1, 1), (1, 1), (0, 0), (1, 1), 1))


def _strips(W: Any, rows: int, columns: int, row_step: int, column_step: int) -> Any:
    """Return the matrix in strips of LANES rows."""
    S = room("planes", _rounded(rows, LANES) * columns)
    least = max((1 << 16) // (columns * LANES), 1)
    split(
        math.ceil(rows / LANES),
        least,
        lambda lo, hi: kernels.strips(lo, hi, W, rows, columns, row_step, column_step, S),
    )
    return S


def _convolve(source: Part, W: Any, b: Any, g: Geometry, target: Part, relu: bool) -> None:
    K, depth = W.shape
    total = len(target.x) * target.size
    block = _block(depth)
    piece = min(_rounded(math.ceil(total / PIECES), block), POSITIONS)
    pieces = math.ceil(total / max(piece, 1))
    chunk = max(_rounded(math.ceil(K / math.ceil(PIECES / max(pieces, 1))), ROWS), OUTPUTS)
    chunks = math.ceil(K / chunk)
    passing = _passing(source, target, g)
    x, y, S = source.flat, target.flat, _strips(W.reshape(-1), K, depth, depth, 1)

    def work(item: int) -> None:
        lo, k = item // chunks * piece, item % chunks * chunk
        kernels.convolve(
            lo, min(lo + piece, total), block, (k, min(k + chunk, K)), x, passing, S, depth, b, relu,
            y, target.start, target.stride, room("col", depth * block), room("M", ROWS * kernels.BLOCK),
        )  # fmt: skip

    share(pieces * chunks, work)


def _convolve_back(errors: Part, W: Any, g: Geometry, target: Part) -> None:
    K, taps = errors.channels, math.prod(g.kernel)
    depth = target.channels * taps
    block = _block(max(K, min(depth, BACK_ROWS)))
    chunk = max(min(BACK_ROWS // taps, math.ceil(target.channels * len(target.x) / PIECES)), 1)
    chunks = math.ceil(target.channels / chunk)
    passing, itself = _passing(target, errors, g), _itself(errors)
    dy, x, S = errors.flat, target.flat, _strips(W, depth, K, 1, depth)

    def work(item: int) -> None:
        image, c = item // chunks, item % chunks * chunk
        rows = c * taps, min(c + chunk, target.channels) * taps
        kernels.convolve_back(
            image, block, rows, dy, itself, S, K, x, passing,
            room("col", K * block), room("M", (rows[1] - rows[0] + 2 * ROWS) * kernels.BLOCK),
        )  # fmt: skip

    share(len(target.x) * chunks, work)


def _correlate(source: Part, errors: Part, dW: Any, g: Geometry) -> None:
    K, depth = errors.channels, source.channels * math.prod(g.kernel)
    total = len(errors.x) * errors.size
    block = _block(max(K, min(depth, BACK_ROWS)))
    span = block + LANES
    chunks = math.ceil(depth / BACK_ROWS)
    pieces = max(min(PIECES // chunks, total // block), 1)
    part = _rounded(depth, ROWS) * padded(K)
    passing = _passing(source, errors, g)
    x, dy, D = source.flat, errors.flat, room("planes", pieces * part)

    def work(item: int) -> None:
        piece, row = item // chunks, item % chunks * BACK_ROWS
        kernels.correlate(
            total * piece // pieces, total * (piece + 1) // pieces, block, (row, min(row + BACK_ROWS, depth)),
            x, passing, dy, K, errors.start, errors.stride,
            room("col", BACK_ROWS * span), span, room("M", block * padded(K)), D, piece * part,
        )  # fmt: skip

    share(pieces * chunks, work)
    least = max((1 << 14) // (depth * LANES), 1)
    split(math.ceil(K / LANES), least, lambda lo, hi: kernels.add_gradient(lo, hi, D, pieces, part, dW, K, depth))
