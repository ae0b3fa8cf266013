"""The transforms of Winograd's convolution F(4x4, 3x3), of many tiles and LANES channels at a time.

An image is cut into tiles of 4 x 4 outputs, each of which reads 6 x 6 inputs d. With the weights g of 3 x 3,

    y = A' [ (G g G') * (B' d B) ] A,        36 products instead of 144, summed over channels before the outer step.

Transposed, the same steps give the gradient of the weights: G' [ (A dy A') * (B' d B) ] G, summed over tiles.

The interpolation points are 0, 5/8, -5/8, 3/2, -3/2 and infinity; all constants but those of G are exact, and errors
are a third of those with the customary 0, 1, -1, 2, -2. Vectors hold neighbouring channels, so that tiles of any number
make full use of them; images are transposed on their way in and out. Source: Lavin and Gray, Fast Algorithms for
Convolutional Neural Networks, 2015; the choice of points: Barabasz et al., Error Analysis and Improving the Accuracy of
Winograd Convolution, 2018.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from minicaffe.ops.cpu.vector import LANES, along, transpose

A, B = 0.625, 1.5
"""The points but for their signs, zero and infinity."""
A2, B2 = A * A, B * B
SEGMENT = 24
"""At most so many neighbouring tiles of a row are transformed together: a stage fits a first-level cache."""
STAGE = (6 * (4 * SEGMENT + 2) + LANES) * LANES
"""Numbers in a stage, [row][column][LANES channels]; a vector too many at its end for every lane."""


def input_side(d0: Any, d1: Any, d2: Any, d3: Any, d4: Any, d5: Any) -> tuple[Any, ...]:
    """B' d: six inputs as seen from the six points."""
    even_a, odd_a = d4 - B2 * d2, A * (d3 - B2 * d1)
    even_b, odd_b = d4 - A2 * d2, B * (d3 - A2 * d1)
    first = d4 - (A2 + B2) * d2 + (A2 * B2) * d0
    last = d5 - (A2 + B2) * d3 + (A2 * B2) * d1
    return first, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, last


def output_side(m0: Any, m1: Any, m2: Any, m3: Any, m4: Any, m5: Any) -> tuple[Any, ...]:
    """A' m: four outputs of six products."""
    even_a, odd_a, even_b, odd_b = m1 + m2, A * (m1 - m2), m3 + m4, B * (m3 - m4)
    return m0 + even_a + even_b, odd_a + odd_b, A2 * even_a + B2 * even_b, A2 * odd_a + B2 * odd_b + m5


def finished_output(*values: Any) -> tuple[Any, ...]:
    """`output_side` of six products, plus the seventh value, but at least the eighth."""
    return tuple((y + values[6]).at_least(values[7]) for y in output_side(*values[:6]))


def error_side(y0: Any, y1: Any, y2: Any, y3: Any) -> tuple[Any, ...]:
    """A y: the transpose of `output_side`."""
    even_a, odd_a = y0 + A2 * y2, A * (y1 + A2 * y3)
    even_b, odd_b = y0 + B2 * y2, B * (y1 + B2 * y3)
    return y0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, y3


_ZERO, _A, _B = 1 / (A2 * B2), 1 / (2 * A2 * (A2 - B2)), 1 / (2 * B2 * (B2 - A2))


def weight_side(g0: Any, g1: Any, g2: Any) -> tuple[Any, ...]:
    """G g: three weights at the six points, divided by what `input_side` leaves out."""
    even_a, odd_a = _A * g0 + (_A * A2) * g2, (_A * A) * g1
    even_b, odd_b = _B * g0 + (_B * B2) * g2, (_B * B) * g1
    return _ZERO * g0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, g2


def gradient_side(u0: Any, u1: Any, u2: Any, u3: Any, u4: Any, u5: Any) -> tuple[Any, ...]:
    """G' u: the transpose of `weight_side`."""
    even_a, odd_a, even_b, odd_b = u1 + u2, u1 - u2, u3 + u4, u3 - u4
    return (
        _ZERO * u0 + _A * even_a + _B * even_b,
        (_A * A) * odd_a + (_B * B) * odd_b,
        (_A * A2) * even_a + (_B * B2) * even_b + u5,
    )


_input = along(input_side, 6)
_output = along(output_side, 6)
_finished = along(finished_output, 8)
_error = along(error_side, 4)
_weight = along(weight_side, 3)
_gradient = along(gradient_side, 6)
_plain = numba.njit(error_model="numpy")


# -- between images and stages ----------------------------------------------------------------------------------------


@_plain
def _gather(
    x: Any, at: Any, size: Any, top: Any, left: Any, channels: Any, rows: Any, columns: Any, stage: Any
) -> None:  # pragma: no cover - compiled
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


@_plain
def _scatter(
    stage: Any, columns: Any, y: Any, at: Any, size: Any, top: Any, left: Any, channels: Any, corner: Any
) -> None:  # pragma: no cover - compiled
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


@_plain
def _place(tile: Any, hi: Any, tiles: Any) -> Any:  # pragma: no cover - compiled
    """Return image, row and column of a tile, and the tiles of its segment: it and those that follow before `hi`."""
    down, across = tiles
    column = tile % across
    run = min(hi - tile, across - column)
    return tile // across // down, tile // across % down, column, -(-run // -(-run // SEGMENT))


@_plain
def transform_inputs(
    lo: Any, hi: Any, x: Any, image: Any, tiles: Any, channel: Any, stage: Any, V: Any, to: Any, step: Any, plane: Any
) -> None:  # pragma: no cover - compiled
    """Transform LANES channels from `channel` on, of the tiles lo..hi, to V: one vector a tile and plane."""
    C, H, W, pad_h, pad_w, start, stride = image
    tile = lo
    while tile < hi:
        n, i, j, count = _place(tile, hi, tiles)
        columns, at = 4 * count + 2, start + n * stride + channel * H * W
        _gather(x, at, (H, W), 4 * i - pad_h, 4 * j - pad_w, min(LANES, C - channel), 6, columns, stage)
        for c in range(columns):
            _input(stage, c * LANES, columns * LANES, stage, c * LANES, columns * LANES)
        for t in range(count):
            for r in range(6):
                place = to + (tile - lo + t) * step + 6 * r * plane
                _input(stage, (r * columns + 4 * t) * LANES, LANES, V, place, plane)
        tile += count


@_plain
def transform_errors(
    lo: Any, hi: Any, dy: Any, image: Any, tiles: Any, channel: Any, stage: Any, P: Any, to: Any, step: Any, plane: Any
) -> None:  # pragma: no cover - compiled
    """As `transform_inputs`, for the errors of the tiles' outputs."""
    K, h, w, start, stride = image
    stage, tall = stage[:STAGE], stage[STAGE:]
    tile = lo
    while tile < hi:
        n, i, j, count = _place(tile, hi, tiles)
        columns, at = 4 * count, start + n * stride + channel * h * w
        _gather(dy, at, (h, w), 4 * i, 4 * j, min(LANES, K - channel), 4, columns, stage)
        for c in range(columns):
            _error(stage, c * LANES, columns * LANES, tall, c * LANES, columns * LANES)
        for t in range(count):
            for r in range(6):
                place = to + (tile - lo + t) * step + 6 * r * plane
                _error(tall, (r * columns + 4 * t) * LANES, LANES, P, place, plane)
        tile += count


@_plain
def transform_outputs(
    lo: Any, hi: Any, M: Any, at: Any, step: Any, plane: Any, stage: Any, b: Any, floor: Any, y: Any, image: Any,
    tiles: Any, channel: Any,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Transform the products M of LANES channels, add b (maybe empty), raise them to `floor`, write them to y."""
    K, h, w, start, stride = image
    stage, between = stage[:STAGE], stage[STAGE:]
    corner = between[32 * LANES :]
    channels = min(LANES, K - channel)
    for r in range(4):
        for c in range(LANES):
            between[(8 * r + 6) * LANES + c] = b[channel + c] if channel + c < len(b) else 0
            between[(8 * r + 7) * LANES + c] = floor
    tile = lo
    while tile < hi:
        n, i, j, count = _place(tile, hi, tiles)
        columns = 4 * count
        for t in range(count):
            source = at + (tile - lo + t) * step
            for c in range(6):
                _output(M, source + c * plane, 6 * plane, between, c * LANES, 8 * LANES)
            for r in range(4):
                _finished(between, 8 * r * LANES, LANES, stage, (r * columns + 4 * t) * LANES, LANES)
        to = start + n * stride + channel * h * w
        _scatter(stage, columns, y, to, (h, w), 4 * i, 4 * j, channels, corner)
        tile += count


# -- the transforms of weights ----------------------------------------------------------------------------------------


@_plain
def transform_weights(
    W: Any, at: Any, outputs: Any, lane_step: Any, turned: Any, stage: Any, U: Any, to: Any, plane: Any
) -> None:  # pragma: no cover - compiled
    """Transform the weights between one input channel and up to LANES `outputs` to U: one vector a plane.

    Those of output o begin at `at + o*lane_step`; `turned`: they are read backwards.
    """
    half = max(LANES, 9) * LANES
    for tap in range(0, 9, LANES):
        # Nine in rows of sixteen: the rest is read from what comes next in memory, if there is any.
        start = min(tap, max(9 - LANES, 0))
        if outputs == LANES and at + start + (LANES - 1) * lane_step + LANES <= len(W):
            transpose(W, at + start, lane_step, stage, start * LANES, LANES)
        else:
            for o in range(LANES):
                for i in range(start, min(start + LANES, 9)):
                    stage[i * LANES + o] = W[at + o * lane_step + i] if o < outputs else 0
    for c in range(3):
        first, step = (8 - c, -3) if turned else (c, 3)
        _weight(stage, first * LANES, step * LANES, stage, half + c * LANES, 3 * LANES)
    for r in range(6):
        _weight(stage, half + 3 * r * LANES, LANES, U, to + 6 * r * plane, plane)


@_plain
def transform_gradient(D: Any, at: Any, plane: Any, channels: Any, stage: Any, dW: Any, to: Any) -> None:
    """Transform the sums D of LANES channels, and add them to dW, where those of channel c begin at `to + 9*c`."""
    half = 18 * LANES
    for j in range(6):
        _gradient(D, at + j * plane, 6 * plane, stage, j * LANES, 6 * LANES)
    for r in range(3):
        _gradient(stage, 6 * r * LANES, LANES, stage, half + 3 * r * LANES, LANES)
    for c in range(channels):
        for tap in range(9):
            dW[np.uintp(to + 9 * c + tap)] += stage[np.uintp(half + tap * LANES + c)]
