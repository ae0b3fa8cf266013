"""Convolution with kernels of 1 x 1: an image is its own columns, and a product of it one call of BLAS.

Our own kernels have to bring the image into their order first, which costs as much as such a product where it has few
outputs. Each call works in one thread on a tile of the result. Tiles depend on shapes only, and so does the order of
every sum: results do not depend on the number of threads. With a stride, the pixels it steps on are picked out first.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from minicaffe.ops.arrays import Scratch
from minicaffe.ops.convolution import Geometry
from minicaffe.ops.cpu import blas
from minicaffe.ops.cpu.blas import EACH_ROW, NEITHER, Order, Tiles
from minicaffe.ops.cpu.images import Finish
from minicaffe.ops.cpu.kernel import kernel
from minicaffe.ops.cpu.team import divide
from minicaffe.ops.cpu.threads import run

# A pass is cut into so many pieces of work if they stay large enough: each packs what it multiplies anew.
PIECES = 4
# Tiles with fewer rows or columns than this are slower than the threads they feed.
LEAST_ROWS, LEAST_COLUMNS = 32, 128
# The gradients of the weights are summed in so many parts when there are many positions.
PARTS = 4
# Numbers that are worth a thread, when they are moved and when they are added up.
MOVED, ADDED = 1 << 14, 1 << 14

_scratch = Scratch()


def suits(g: Geometry) -> bool:
    """Whether every output reads a single pixel of each channel, and there is a BLAS to multiply."""
    return blas.gemm_address("f") != 0 and all(k == 1 and p == 0 for k, p in zip(g.kernel, g.pad, strict=True))


def conv(x: Any, W: Any, finish: Finish, g: Geometry, out: Any) -> None:
    """Write the convolution of x with W, finished, to `out`."""
    plan = _forward(len(x), g.group, len(W), W.shape[1], math.prod(out.shape[2:]))
    blas.multiply(plan, W, _picked(x, g), out, EACH_ROW if finish.needed else NEITHER, finish[:3])


def conv_backward_data(dy: Any, W: Any, g: Geometry, out: Any) -> None:
    """As `minicaffe.ops.convolution.conv_backward_data`."""
    plan = _back(len(dy), g.group, len(W), W.shape[1], math.prod(dy.shape[2:]))
    if max(g.stride) == 1:
        blas.multiply(plan, W, dy, out)
        return
    picked = _scratch.take("picked", out, (*out.shape[:2], *dy.shape[2:]))
    blas.multiply(plan, W, dy, picked)
    _move(_put_back, picked, out, g)


def conv_backward_weights(x: Any, dy: Any, dW: Any, g: Geometry) -> None:
    """As `minicaffe.ops.convolution.conv_backward_weights`."""
    N, K, C, positions = len(x), len(dW) // g.group, dW.shape[1], math.prod(dy.shape[2:])
    source = _picked(x, g)
    short_calls = N >= PARTS and K * C * positions < 8 * blas.MULTIPLICATIONS
    if not short_calls and N * positions < PARTS * max(K, C):
        blas.multiply(_weights_in_tiles(N, g.group, K, C, positions), dy, source, dW)
        return
    plan = _weights_in_parts(N, g.group, K, C, positions)
    sums = _scratch.take("sums", dW, (plan.pieces // g.group, dW.size))
    blas.multiply(plan, dy, source, sums)
    run(_add_parts, dW.size, ADDED, sums, dW.reshape(-1))


def _picked(x: Any, g: Geometry) -> Any:
    """Return the pixels of x that the stride steps on."""
    if max(g.stride) == 1:
        return x
    size = (-(-size // step) for size, step in zip(x.shape[2:], g.stride, strict=True))
    picked = _scratch.take("picked", x, (*x.shape[:2], *size))
    _move(_pick, picked, x, g)
    return picked


def _move(kernel: Any, few: Any, many: Any, g: Geometry) -> None:
    planes = len(many) * many.shape[1]
    least = MOVED // math.prod(many.shape[2:]) + 1
    shape = few.shape[2:]
    run(kernel, planes, least, few.reshape(planes, *shape), many.reshape(planes, *many.shape[2:]), *g.stride)


@kernel
def _pick(lo: int, hi: int, team: Any, few: Any, many: Any, down: int, across: int) -> None:
    if divide(lo, hi, team):
        return
    for plane in range(lo, hi):
        for i in range(few.shape[1]):
            source, to = many[plane, i * down], few[plane, i]
            for j in range(np.uintp(few.shape[2])):
                to[j] = source[j * np.uintp(across)]


@kernel
def _put_back(lo: int, hi: int, team: Any, few: Any, many: Any, down: int, across: int) -> None:
    if divide(lo, hi, team):
        return
    many[lo:hi] = 0
    for plane in range(lo, hi):
        for i in range(few.shape[1]):
            source, to = few[plane, i], many[plane, i * down]
            for j in range(np.uintp(few.shape[2])):
                to[j * np.uintp(across)] = source[j]


@kernel
def _add_parts(lo: int, hi: int, team: Any, sums: Any, total: Any) -> None:
    if divide(lo, hi, team):
        return
    for part in range(len(sums)):
        source, to = sums[part, lo:hi], total[lo:hi]
        for i in range(np.uintp(hi - lo)):
            to[i] += source[i]


# -- tiles of the products --------------------------------------------------------------------------------------------
# x [N, group, C, positions], W [group, K, C], y [N, group, K, positions]


def _cut(size: int, pieces: int, least: int) -> list[tuple[int, int]]:
    """Cut 0..size into at most `pieces` of at least `least`, multiples of 16 but for the last: begin and length."""
    step = max(-(-size // pieces), least)
    step = -(-step // 16) * 16
    return [(start, min(step, size - start)) for start in range(0, size, step)]


def _grid(rows: int, columns: int, depth: int, pieces: int) -> list[tuple[int, int, int, int]]:
    """Cut a product into about `pieces` tiles: along its columns if these are many, else along its rows.

    A tile is its first row, rows, first column, columns.
    """
    pieces = max(min(pieces, rows * columns * depth // blas.MULTIPLICATIONS), 1)
    if columns >= 2 * LEAST_COLUMNS or columns >= rows:
        return [(0, rows, *part) for part in _cut(columns, pieces, LEAST_COLUMNS)]
    return [(*part, 0, columns) for part in _cut(rows, pieces, LEAST_ROWS)]


@lru_cache(maxsize=256)
def _forward(N: int, groups: int, outputs: int, C: int, positions: int) -> Tiles:
    K = outputs // groups
    order = Order(ord("N"), C, ord("N"), positions, positions)
    pieces = []
    for image in range(N * groups):
        W_at, x_at, y_at = image % groups * K, image * C * positions, image * K * positions
        for row, rows, column, columns in _grid(K, positions, C, -(-PIECES // (N * groups))):
            first = W_at + row
            at = y_at + row * positions + column
            pieces.append([(rows, columns, C, first * C, x_at + column, at, first, 0)])
    return blas.tiles(order, pieces)


@lru_cache(maxsize=256)
def _back(N: int, groups: int, outputs: int, C: int, positions: int) -> Tiles:
    K = outputs // groups
    order = Order(ord("T"), C, ord("N"), positions, positions)
    pieces = []
    for image in range(N * groups):
        W_at, y_at, x_at = image % groups * K * C, image * K * positions, image * C * positions
        for row, rows, column, columns in _grid(C, positions, K, -(-PIECES // (N * groups))):
            at = x_at + row * positions + column
            pieces.append([(rows, columns, K, W_at + row, y_at + column, at, 0, 0)])
    return blas.tiles(order, pieces)


@lru_cache(maxsize=256)
def _weights_in_tiles(N: int, groups: int, K: int, C: int, positions: int) -> Tiles:
    """Add to what is there, image by image."""
    order = Order(ord("N"), positions, ord("T"), positions, C)
    pieces = []
    for group in range(groups):
        for row, rows, column, columns in _grid(K, C, positions * N, -(-PIECES // groups)):
            y_at, x_at = (group * K + row) * positions, (group * C + column) * positions
            at, y_step, x_step = (group * K + row) * C + column, groups * K * positions, groups * C * positions
            calls = [(rows, columns, positions, y_at + n * y_step, x_at + n * x_step, at, 0, 1) for n in range(N)]
            pieces.append(calls)
    return blas.tiles(order, pieces)


@lru_cache(maxsize=256)
def _weights_in_parts(N: int, groups: int, K: int, C: int, positions: int) -> Tiles:
    """Sum some positions at a time, each time into memory of its own."""
    order = Order(ord("N"), positions, ord("T"), positions, C)
    pieces = []
    for part, share in enumerate(_shares(N, positions)):
        for group in range(groups):
            calls = []
            for number, (n, first, length) in enumerate(share):
                image = n * groups + group
                y_at, x_at = image * K * positions + first, image * C * positions + first
                calls.append((K, C, length, y_at, x_at, (part * groups + group) * K * C, 0, int(number > 0)))
            pieces.append(calls)
    return blas.tiles(order, pieces)


def _shares(N: int, positions: int) -> list[list[tuple[int, int, int]]]:
    """Share the positions of N images out: each share is some images, or some positions of every image."""
    if N >= PARTS:
        edges = [N * part // PARTS for part in range(PARTS + 1)]
        return [[(n, 0, positions) for n in range(edges[p], edges[p + 1])] for p in range(PARTS)]
    return [[(n, first, length) for n in range(N)] for first, length in _cut(positions, PARTS, LEAST_COLUMNS)]
