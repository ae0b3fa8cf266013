"""Convolution over two spatial axes as a product with columns: memory, and division among threads.

A thread takes a block of positions, or where there are few of them some outputs; backwards some channels of an image,
and for the weights some rows and some of the positions. Blocks depend on shapes only, and so does the order of every
sum: results do not depend on the number of threads. The definition makes the same columns, but leaves the product to a
library. All arrays are C-contiguous float32.
"""

from __future__ import annotations

import math
from typing import Any

from minicaffe.ops.convolution import Geometry
from minicaffe.ops.cpu import columns_kernels as kernels
from minicaffe.ops.cpu import columns_passes as passes
from minicaffe.ops.cpu import threads
from minicaffe.ops.cpu.gemm import ROWS, multiply_code, padded
from minicaffe.ops.cpu.images import Finish, Part, by_group, parts, room
from minicaffe.ops.cpu.threads import run
from minicaffe.ops.cpu.vector import LANES

# A call is cut into so many pieces or more if it is large enough.
PIECES = 8
# A block has so many positions: a multiple of every panel's length, times at least 4 and at most 64.
STEP = 3 * LANES
# Columns of a block are so many numbers or fewer if possible: they stay in a second-level cache.
NUMBERS = 1 << 17
# So many outputs are computed at a time.
OUTPUTS = 32 * ROWS
# With so few positions, and not more than outputs, columns are transposed and not the gradient.
FEW = 256
# Going backwards, a thread handles so many rows of columns at a time.
BACK_ROWS = 512
# Numbers that are worth a thread: of frames, of transposed weights, of columns.
FRAMED, TURNED, WRITTEN = 1 << 15, 1 << 16, 1 << 15


def conv(x: Any, W: Any, finish: Finish, g: Geometry, out: Any) -> None:
    """Write the convolution of x with W, finished, to `out`."""
    for source, weights, last, target in zip(
        parts(x, g.group), by_group(W, g), finish.parts(g.group), parts(out, g.group), strict=True
    ):
        depth = weights[0].size
        left = weights.reshape(-1), LANES * depth, depth, 1
        _convolve(left, depth, last, source, g, target)


def conv_backward_data(dy: Any, W: Any, g: Geometry, out: Any) -> None:
    """As `minicaffe.ops.convolution.conv_backward_data`."""
    for errors, weights, target in zip(parts(dy, g.group), by_group(W, g), parts(out, g.group), strict=True):
        left = _turned(weights.reshape(errors.channels, -1))
        _convolve_back(left, errors, g, target)


def conv_backward_weights(x: Any, dy: Any, dW: Any, g: Geometry) -> None:
    """As `minicaffe.ops.convolution.conv_backward_weights`."""
    for source, errors, gradient in zip(parts(x, g.group), parts(dy, g.group), by_group(dW, g), strict=True):
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


def _image(part: Part) -> tuple[int, int, int]:
    return part.start, part.stride, part.size


def _columns(x: Part, y: Part, g: Geometry) -> tuple[Any, ...]:
    """Return what kernels make columns of x from."""
    passing = _passing(x, y, g)
    rows, columns = kernels.frame_size(passing)
    planes, size = len(x.x) * x.channels, math.prod(g.stride) * rows * columns
    frames = room("frames", planes * size + LANES)
    run(kernels.frame, planes, FRAMED // size, x.channels, x.flat, passing, frames)
    return frames, passing, x.channels


def _turned(W: Any) -> tuple[Any, int, int, int]:
    """Return the transpose of W [K, depth], in strips."""
    K, depth = W.shape
    S = room("planes", _rounded(depth, LANES) * K)
    run(kernels.strips, math.ceil(depth / LANES), TURNED // (K * LANES), W.reshape(-1), K, depth, S)
    return S, LANES * K, 1, LANES


def _convolve(left: tuple[Any, ...], depth: int, finish: Finish, source: Part, g: Geometry, target: Part) -> None:
    K, total = target.channels, len(target.x) * target.size
    block, chunk, most = _block(depth, total), K, min(K, OUTPUTS)
    pieces, columns = math.ceil(total / block), _columns(source, target, g)
    col_size = depth * padded(min(block, total)) + LANES
    if pieces >= PIECES or K < 2 * LANES:
        col = room("columns", threads.count() * col_size)
    else:
        # Few positions: all columns at once, then some outputs for each thread.
        block, pieces, chunk = total, 1, min(_rounded(math.ceil(K / PIECES), LANES), OUTPUTS)
        col, col_size, most = room("columns", depth * padded(total) + LANES), 0, min(chunk, most)
        least = WRITTEN // (total * math.prod(g.kernel)) + 1
        run(passes.write, source.channels, least, (0, total), columns, col, depth, math.prod(g.kernel))
    M_size = most * padded(min(block, total))
    run(
        passes.convolve, pieces * math.ceil(K / chunk), 1,
        (multiply_code(), block, total, chunk, K, most, depth, col_size, M_size), left, columns, col,
        room("M", threads.count() * M_size), finish[:3], target.flat, _image(target),
    )  # fmt: skip


def _convolve_back(left: tuple[Any, ...], errors: Part, g: Geometry, target: Part) -> None:
    K, taps = errors.channels, math.prod(g.kernel)
    chunk = max(min(BACK_ROWS // taps, math.ceil(target.channels * len(target.x) / PIECES)), 1)
    chunk = chunk if chunk * taps % LANES == 0 else _whole_strips(chunk, taps)
    block = min(_block(max(K, min(target.channels, chunk) * taps), errors.size), padded(errors.size))
    col_size, M_size = K * block, min(chunk, target.channels) * taps * block
    col, M = room("columns", threads.count() * col_size), room("M", threads.count() * M_size)
    run(
        passes.convolve_back, len(target.x) * math.ceil(target.channels / chunk), 1,
        (multiply_code(), chunk, target.channels, block, K, col_size, M_size),
        left, errors.flat, _image(errors), col, M,
        target.flat, _image(target), _passing(target, errors, g),
    )  # fmt: skip


def _whole_strips(chunk: int, taps: int) -> int:
    """Return how many channels, `chunk` or the next more, have rows that make whole strips."""
    return _rounded(chunk, LANES // math.gcd(LANES, taps))


def _correlate_few(source: Part, errors: Part, dW: Any, g: Geometry) -> None:
    K, depth, N = errors.channels, source.channels * math.prod(g.kernel), len(errors.x)
    total, columns = N * errors.size, _columns(source, errors, g)
    chunk = min(_rounded(min(BACK_ROWS, math.ceil(depth / PIECES)), LANES), _rounded(depth, LANES))
    dy, dy_at = errors.flat, errors.start
    if N > 1:
        dy, dy_at = room("errors", K * total), 0
        images = errors.x.reshape(N, -1, errors.size)[:, errors.first : errors.first + K]
        dy.reshape(K, N, errors.size)[...] = images.swapaxes(0, 1)
    col_size, E_size, M_size = chunk * total + LANES, total * padded(chunk), K * padded(chunk)
    col, E, M = (
        room(name, threads.count() * size) for name, size in (("columns", col_size), ("E", E_size), ("M", M_size))
    )
    run(
        passes.correlate_few, math.ceil(depth / chunk), 1,
        (multiply_code(), chunk, depth, total, K, col_size, E_size, M_size), columns, dy, dy_at, col, E, M, dW,
    )  # fmt: skip


def _correlate(source: Part, errors: Part, dW: Any, g: Geometry) -> None:
    K, depth = errors.channels, source.channels * math.prod(g.kernel)
    total = len(errors.x) * errors.size
    if total <= min(FEW, K):
        _correlate_few(source, errors, dW, g)
        return
    block = _block(max(K, min(depth, BACK_ROWS)), total)
    chunk = min(_rounded(math.ceil(depth / PIECES), ROWS), BACK_ROWS) if total < PIECES * block else BACK_ROWS
    chunks = math.ceil(depth / chunk)
    pieces = max(min(PIECES // chunks, total // block), 1)
    step = padded(K)
    D, columns = room("planes", pieces * depth * step), _columns(source, errors, g)
    col_size, E_size = min(chunk, depth) * block + LANES, block * step
    run(
        passes.correlate, pieces * chunks, 1,
        (multiply_code(), pieces, chunk, depth, total, block, K, col_size, E_size),
        columns, errors.flat, _image(errors),
        room("columns", threads.count() * col_size), room("M", threads.count() * E_size), D,
    )  # fmt: skip
    least = max(TURNED // (4 * depth * LANES), 1)
    run(kernels.add_gradient, math.ceil(K / LANES), least, D, pieces, depth * step, dW, K, depth)
