"""Convolution with kernels of 1 x 1: an image is its own columns, and a product of it one call of BLAS.

Our own kernels have to bring the image into their order first, which costs as much as such a product where it has few
outputs. Each call works in one thread on a tile of the result. Tiles depend on shapes only, and so does the order of
every sum: results do not depend on the number of threads. With a stride, the pixels it steps on are picked out first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minicaffe.ops.arrays import Scratch
from minicaffe.ops.convolution import Geometry
from minicaffe.ops.cpu import elementwise
from minicaffe.ops.cpu.blas import MULTIPLICATIONS, add_tile, one_thread
from minicaffe.ops.cpu.threads import share

# A pass is cut into so many pieces of work if they stay large enough: each packs what it multiplies anew.
PIECES = 4
# Tiles with fewer rows or columns than this are slower than the threads they feed.
LEAST_ROWS, LEAST_COLUMNS = 32, 128
# The gradients of the weights are summed in so many parts when there are many positions.
PARTS = 4

_scratch = Scratch()


def suits(g: Geometry) -> bool:
    """Whether every output reads a single pixel of each channel."""
    return all(k == 1 and p == 0 for k, p in zip(g.kernel, g.pad, strict=True))


def conv(x: Any, W: Any, b: Any, g: Geometry, out: Any, relu: bool = False) -> None:
    """As `minicaffe.ops.convolution.conv`."""
    weights = W.reshape(g.group, W.shape[0] // g.group, -1)
    bias = np.zeros(W.shape[0], x.dtype) if b is None else b
    bias = bias.reshape(g.group, -1)

    def finish(group: int, rows: slice, part: Any) -> None:
        if b is not None or relu:
            elementwise.finish_rows(part, bias[group, rows], relu)

    _products(weights, _grouped(_picked(x, g), g.group), _grouped(out, g.group), finish)


def conv_backward_data(dy: Any, W: Any, g: Geometry, out: Any) -> None:
    """As `minicaffe.ops.convolution.conv_backward_data`."""
    weights = W.reshape(g.group, W.shape[0] // g.group, -1).swapaxes(1, 2)
    errors = _grouped(dy, g.group)
    if max(g.stride) == 1:
        _products(weights, errors, _grouped(out, g.group))
        return
    picked = _scratch.take("picked", out, (*out.shape[:2], *dy.shape[2:]))
    _products(weights, errors, _grouped(picked, g.group))
    out[...] = 0
    out[_steps(g)] = picked


def conv_backward_weights(x: Any, dy: Any, dW: Any, g: Geometry) -> None:
    """As `minicaffe.ops.convolution.conv_backward_weights`."""
    gradient = dW.reshape(g.group, dW.shape[0] // g.group, -1)
    source, errors = _grouped(_picked(x, g), g.group), _grouped(dy, g.group)
    (N, _, C, positions), K = source.shape, gradient.shape[1]
    short_calls = N >= PARTS and K * C * positions < 8 * MULTIPLICATIONS
    if short_calls or N * positions >= PARTS * max(K, C):
        _sum_in_parts(source, errors, gradient)
    else:
        _sum_in_tiles(source, errors, gradient)


def _steps(g: Geometry) -> tuple[slice, ...]:
    return (slice(None), slice(None), *(slice(None, None, s) for s in g.stride))


def _picked(x: Any, g: Geometry) -> Any:
    """Return the pixels of x that the stride steps on."""
    if max(g.stride) == 1:
        return x
    pixels = x[_steps(g)]
    picked = _scratch.take("picked", x, pixels.shape)
    picked[...] = pixels
    return picked


def _grouped(x: Any, group: int) -> Any:
    """Return x [N, C, *S] as [N, group, C/group, positions]."""
    return x.reshape(len(x), group, x.shape[1] // group, math.prod(x.shape[2:]))


def _cut(size: int, pieces: int, least: int) -> list[slice]:
    """Cut 0..size into at most `pieces` of at least `least`, multiples of 16 but for the last."""
    step = max(-(-size // pieces), least)
    step = -(-step // 16) * 16
    return [slice(start, min(start + step, size)) for start in range(0, size, step)]


def _tiles(rows: int, columns: int, depth: int, pieces: int) -> list[tuple[slice, slice]]:
    """Cut a product into about `pieces` tiles: along its columns if these are many, else along its rows."""
    pieces = max(min(pieces, rows * columns * depth // MULTIPLICATIONS), 1)
    if columns >= 2 * LEAST_COLUMNS or columns >= rows:
        return [(slice(0, rows), part) for part in _cut(columns, pieces, LEAST_COLUMNS)]
    return [(part, slice(0, columns)) for part in _cut(rows, pieces, LEAST_ROWS)]


def _each(items: int, work: Callable[[int], None], multiplications: int) -> None:
    """Call work(item) for all items, in threads if that is worth it."""
    with one_thread():
        if multiplications < 2 * MULTIPLICATIONS:
            for item in range(items):
                work(item)
        else:
            share(items, work)


def _products(
    W: Any, x: Any, y: Any, finish: Callable[[int, slice, Any], None] = lambda group, rows, part: None
) -> None:
    """Write W [group, K, C] times x [N, group, C, positions] to y [N, group, K, positions]."""
    (N, groups, K, positions), C = y.shape, W.shape[2]
    tiles = _tiles(K, positions, C, -(-PIECES // (N * groups)))

    def work(item: int) -> None:
        image, (rows, columns) = item // len(tiles), tiles[item % len(tiles)]
        n, group = divmod(image, groups)
        part = y[n, group, rows, columns]
        np.matmul(W[group, rows], x[n, group, :, columns], out=part)
        finish(group, rows, part)

    _each(N * groups * len(tiles), work, y.size * C)


def _sum_in_tiles(x: Any, dy: Any, dW: Any) -> None:
    """Add dy [N, group, K, positions] times the transpose of x [N, group, C, positions] to dW [group, K, C]."""
    groups, K, C = dW.shape
    tiles = _tiles(K, C, x.shape[3] * len(x), -(-PIECES // groups))

    def work(item: int) -> None:
        group, (rows, columns) = item // len(tiles), tiles[item % len(tiles)]
        for n in range(len(x)):
            add_tile(dy[n, group, rows], x[n, group, columns].T, dW[group, rows, columns])

    _each(groups * len(tiles), work, dy.size * C)


def _sum_in_parts(x: Any, dy: Any, dW: Any) -> None:
    """As `_sum_in_tiles`, where there are many positions: some of them at a time, each time into memory of its own."""
    groups = len(dW)
    parts = _shares(len(x), x.shape[3])
    sums = _scratch.take("sums", dW, (len(parts), *dW.shape))

    def work(item: int) -> None:
        part, group = divmod(item, groups)
        for number, (n, columns) in enumerate(parts[part]):
            multiply = add_tile if number else np.matmul
            multiply(dy[n, group, :, columns], x[n, group, :, columns].T, sums[part, group])

    _each(len(parts) * groups, work, dy.size * dW.shape[2])
    for part in sums:
        dW += part


def _shares(N: int, positions: int) -> Sequence[list[tuple[int, slice]]]:
    """Share the positions of N images out: each share is some images, or some positions of every image."""
    if N >= PARTS:
        edges = [N * part // PARTS for part in range(PARTS + 1)]
        return [[(n, slice(0, positions)) for n in range(edges[p], edges[p + 1])] for p in range(PARTS)]
    return [[(n, columns) for n in range(N)] for columns in _cut(positions, PARTS, LEAST_COLUMNS)]
