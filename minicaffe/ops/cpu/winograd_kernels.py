"""Kernels of Winograd's convolution F(4x4, 3x3): transforms of many tiles and LANES channels at a time.

Vectors hold neighbouring channels, so that tiles of any number make full use of them; images are transposed on their
way in and out. Tiles are numbered through rows, columns and images; `tiles` are those down and across an image.
`image` is how an image lies in memory: channels, height, width, (padding,) where the first begins, how far apart they
are. Transformed values lie in 36 planes. A `stage` is working memory, two of them for each thread of a team.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.ops.cpu.gemm import padded_to, panel_of
from minicaffe.ops.cpu.kernel import called, kernel
from minicaffe.ops.cpu.team import divide, work
from minicaffe.ops.cpu.vector import LANES, along, transpose
from minicaffe.ops.cpu.winograd_points import (
    error_side,
    finished_output,
    gradient_side,
    input_side,
    output_side,
    weight_side,
)

SEGMENT = 24
"""At most so many neighbouring tiles of a row are transformed together: a stage fits a first-level cache."""
STAGE = (6 * (4 * SEGMENT + 2) + LANES) * LANES
"""Numbers in a stage, [row][column][LANES channels]; a vector too many at its end for every lane."""

_input = along(input_side, 6)
_output = along(output_side, 6)
_finished = along(finished_output, 9)
_error = along(error_side, 4)
_weight = along(weight_side, 3)
_gradient = along(gradient_side, 6)


# -- between images and stages ----------------------------------------------------------------------------------------


@called
def _gather(
    x: Any, at: Any, size: Any, top: Any, left: Any, channels: Any, rows: Any, columns: Any, stage: Any
) -> None:
    """Read rows and columns of some channels, the first of which begins at `at`; outside the image they are zero."""
    H, W = size
    lo = min(max(-left, 0), columns)
    hi = max(min(columns, W - left), lo)
    for r in range(rows):
        row, to = top + r, r * columns * LANES
        if row < 0 or row >= H:
            stage[to : to + columns * LANES] = 0
            continue
        source = at + row * W + left
        for j in range(lo, hi, LANES):
            # The last square overlaps the one before; that of a narrow image reads what comes next in memory, if any.
            start = max(min(j, hi - LANES), lo)
            if channels == LANES and source + start + (LANES - 1) * H * W + LANES <= len(x):
                transpose(x, source + start, H * W, stage, to + start * LANES, LANES)
                continue
            for c in range(channels):
                for i in range(start, min(start + LANES, hi)):
                    stage[np.uintp(to + i * LANES + c)] = x[np.uintp(source + c * H * W + i)]
        stage[to : to + lo * LANES] = 0
        stage[to + hi * LANES : to + columns * LANES] = 0


@called
def _scatter(
    stage: Any, columns: Any, y: Any, at: Any, size: Any, top: Any, left: Any, channels: Any, corner: Any
) -> None:
    """Write four rows of a stage to some channels, the first of which begins at `at`, as far as the image goes."""
    h, w = size
    width = min(columns, w - left)
    for r in range(min(4, h - top)):
        to, source = at + (top + r) * w + left, r * columns * LANES
        for j in range(0, width, LANES):
            start = max(min(j, width - LANES), 0)
            if channels == LANES and width >= LANES:
                transpose(stage, source + start * LANES, LANES, y, to + start, h * w)
                continue
            transpose(stage, source + start * LANES, LANES, corner, 0, LANES)
            for c in range(channels):
                for i in range(min(width, LANES)):
                    y[np.uintp(to + start + c * h * w + i)] = corner[np.uintp(c * LANES + i)]


# -- the transforms of a block of tiles -------------------------------------------------------------------------------


@called
def _place(tile: Any, hi: Any, tiles: Any) -> Any:
    """Return image, row and column of a tile, and the tiles of its segment: it and those that follow before `hi`."""
    down, across = tiles
    column = tile % across
    run = min(hi - tile, across - column)
    return tile // across // down, tile // across % down, column, -(-run // -(-run // SEGMENT))


@kernel
def transform_inputs(
    lo: int,
    hi: int,
    team: Any,
    block: Any,
    x: Any,
    image: Any,
    tiles: Any,
    stage: Any,
    V: Any,
    room: int,
    step: int,
    plane: int,
) -> None:
    """Transform the channels of the vectors lo..hi in a block (first and end) of tiles.

    V holds either panels of channels with room for `room` tiles, or a row of channels for each tile, `step` apart.
    """
    if divide(lo, hi, team):
        return
    first_tile, end = block
    stage = stage[team[1] * 2 * STAGE :]
    C, H, W, pad_h, pad_w, start, stride = image
    for channel in range(lo * LANES, min(hi * LANES, C), LANES):
        to, across = channel, step
        if room:
            first, width = panel_of(padded_to(C) // LANES, channel // LANES)
            to, across = first * LANES * (room - 1) + channel, width * LANES
        tile = first_tile
        while tile < end:
            n, i, j, count = _place(tile, end, tiles)
            columns, at = 4 * count + 2, start + n * stride + channel * H * W
            _gather(x, at, (H, W), 4 * i - pad_h, 4 * j - pad_w, min(LANES, C - channel), 6, columns, stage)
            for c in range(columns):
                _input(stage, c * LANES, columns * LANES, stage, c * LANES, columns * LANES)
            for t in range(count):
                for r in range(6):
                    place = to + (tile - first_tile + t) * across + 6 * r * plane
                    _input(stage, (r * columns + 4 * t) * LANES, LANES, V, place, plane)
            tile += count


@kernel
def transform_errors(
    lo: int, hi: int, team: Any, block: Any, dy: Any, image: Any, tiles: Any, stage: Any, P: Any, room: int, plane: int
) -> None:
    """Transform the errors of the vectors lo..hi of channels in a block of tiles to P [channel/LANES][room][LANES]."""
    if divide(lo, hi, team):
        return
    first, end = block
    K, h, w, start, stride = image
    stage = stage[team[1] * 2 * STAGE :]
    stage, tall = stage[:STAGE], stage[STAGE:]
    for channel in range(lo * LANES, min(hi * LANES, K), LANES):
        tile = first
        while tile < end:
            n, i, j, count = _place(tile, end, tiles)
            columns, at = 4 * count, start + n * stride + channel * h * w
            _gather(dy, at, (h, w), 4 * i, 4 * j, min(LANES, K - channel), 4, columns, stage)
            for c in range(columns):
                _error(stage, c * LANES, columns * LANES, tall, c * LANES, columns * LANES)
            for t in range(count):
                for r in range(6):
                    place = channel * room + (tile - first + t) * LANES + 6 * r * plane
                    _error(tall, (r * columns + 4 * t) * LANES, LANES, P, place, plane)
            tile += count


@kernel
def transform_outputs(
    lo: int, hi: int, team: Any, block: Any, origin: int, M: Any, step: int, plane: int, stage: Any, finish: Any,
    y: Any, image: Any, tiles: Any,
) -> None:  # fmt: skip
    """Transform the products of some vectors of channels, lo..hi from `origin` on, in a block of tiles; times gain,
    plus bias, but no less than the floor, they become y.

    M [plane][tile][channel]: rows `step` apart, which begin with the vector `origin`.
    """
    if divide(lo, hi, team):
        return
    (first, end), (gain, bias, floor) = block, finish
    K, h, w, start, stride = image
    stage = stage[team[1] * 2 * STAGE :]
    stage, between = stage[:STAGE], stage[STAGE:]
    corner = between[36 * LANES :]
    for channel in range((origin + lo) * LANES, min((origin + hi) * LANES, K), LANES):
        for r in range(4):
            for c in range(LANES):
                k = min(channel + c, K - 1)
                between[(9 * r + 6) * LANES + c] = gain[k]
                between[(9 * r + 7) * LANES + c] = bias[k]
                between[(9 * r + 8) * LANES + c] = floor
        tile = first
        while tile < end:
            n, i, j, count = _place(tile, end, tiles)
            columns = 4 * count
            for t in range(count):
                source = channel - origin * LANES + (tile - first + t) * step
                for c in range(6):
                    _output(M, source + c * plane, 6 * plane, between, c * LANES, 9 * LANES)
                for r in range(4):
                    _finished(between, 9 * r * LANES, LANES, stage, (r * columns + 4 * t) * LANES, LANES)
            to = start + n * stride + channel * h * w
            _scatter(stage, columns, y, to, (h, w), 4 * i, 4 * j, min(LANES, K - channel), corner)
            tile += count


# -- the transforms of weights ----------------------------------------------------------------------------------------


@kernel
def transform_weights(
    lo: int,
    hi: int,
    team: Any,
    W: Any,
    steps: Any,
    outputs: int,
    turned: bool,
    stage: Any,
    U: Any,
    depth: int,
    plane: int,
) -> None:
    """Transform weights to panels of outputs; lo..hi counts vectors of outputs and, within each, `depth` channels.

    The weights between channel i and output o begin at i*steps[0] + o*steps[1]; `turned`: they are read backwards.
    """
    if divide(lo, hi, team):
        return
    stage = stage[team[1] * 2 * STAGE :]
    half, (depth_step, lane_step) = max(LANES, 9) * LANES, steps
    for item in range(lo, hi):
        v, i = item // depth, item % depth
        first, width = panel_of(padded_to(outputs) // LANES, v)
        at, to = i * depth_step + v * LANES * lane_step, (first * depth + i * width + v - first) * LANES
        lanes = max(min(outputs - v * LANES, LANES), 0)
        for tap in range(0, 9, LANES):
            # Nine in rows of sixteen: the rest is read from what comes next in memory, if there is any.
            start = min(tap, max(9 - LANES, 0))
            if lanes == LANES and at + start + (LANES - 1) * lane_step + LANES <= len(W):
                transpose(W, at + start, lane_step, stage, start * LANES, LANES)
            else:
                for o in range(LANES):
                    for k in range(start, min(start + LANES, 9)):
                        stage[k * LANES + o] = W[at + o * lane_step + k] if o < lanes else 0
        for c in range(3):
            begin, step = (8 - c, -3) if turned else (c, 3)
            _weight(stage, begin * LANES, step * LANES, stage, half + c * LANES, 3 * LANES)
        for r in range(6):
            _weight(stage, half + 3 * r * LANES, LANES, U, to + 6 * r * plane, plane)


@kernel
def transform_gradient(
    lo: int, hi: int, team: Any, D: Any, parts: int, part: int, plane: int, stage: Any, dW: Any, C: int
) -> None:
    """Add up the `parts` of the sums D [plane][output][channel] of outputs lo..hi; add their transform to dW."""
    if divide(lo, hi, team):
        return
    stage = stage[team[1] * 2 * STAGE :]
    half = 18 * LANES
    for k in range(lo, hi):
        for channel in range(0, C, LANES):
            at = k * padded_to(C) + channel
            for s in range(1, parts):
                for p in range(36):
                    for c in range(at + p * plane, at + p * plane + LANES):
                        D[c] += D[c + s * part]
            for j in range(6):
                _gradient(D, at + j * plane, 6 * plane, stage, j * LANES, 6 * LANES)
            for r in range(3):
                _gradient(stage, 6 * r * LANES, LANES, stage, half + 3 * r * LANES, LANES)
            to = (k * C + channel) * 9
            for c in range(min(LANES, C - channel)):
                for tap in range(9):
                    dW[np.uintp(to + 9 * c + tap)] += stage[np.uintp(half + tap * LANES + c)]


# -- all steps at once ------------------------------------------------------------------------------------------------


@kernel
def convolve_few(
    lo: int, hi: int, team: Any, codes: Any, cut: Any, V: Any, W: Any, steps: Any, turned: bool, U: Any, M: Any,
    stage: Any, finish: Any, y: Any, image: Any, tiles: Any,
) -> None:  # fmt: skip
    """Compute the chunks lo..hi of outputs of few tiles: weights transformed once, and multiplied while in the cache.

    `codes`: those of `transform_weights`, `multiply` and `transform_outputs`.
    `cut`: channels, outputs, tiles; vectors of outputs in a chunk, channels at a time; steps of V between planes and
    between tiles.
    """
    if divide(lo, hi, team):
        return
    C, K, count, vectors, most, V_plane, V_step = cut
    (weights, product, last), thread, zero = codes, team[1], np.intp(0)
    U_plane, M_plane = most * vectors * LANES + LANES, count * vectors * LANES + LANES
    U, M = U[thread * 36 * U_plane :], M[thread * 36 * M_plane :]
    for chunk in range(lo, hi):
        k = chunk * vectors * LANES
        outputs = min(K - k, vectors * LANES)
        width = padded_to(outputs) // LANES
        for c in range(0, C, most):
            depth = min(most, C - c)
            some = W[k * steps[1] + c * steps[0] :]
            work(weights, thread, width * depth, (some, steps, outputs, turned, stage, U, depth, U_plane))
            work(
                product, thread, np.intp(36),
                ((count, width, depth), V, c, (V_plane, LANES * V_step, V_step, np.intp(1)),
                 U, zero, (U_plane, depth), M, zero, (M_plane, width * LANES), c > 0),
            )  # fmt: skip
        work(
            last, thread, (outputs + LANES - 1) // LANES,
            ((zero, count), k // LANES, M, width * LANES, M_plane, stage, finish, y, image, tiles),
        )  # fmt: skip
