"""Winograd's convolution F(4x4, 3x3) in kernels: between its transforms, 36 matrix products over a block of tiles.

Arrays of 36 planes lie in working memory: V, the transformed inputs; U, the weights; M = V U, the products; P, the
errors; D = P' V, the gradients. Two ways to go about it: with many tiles, U or D is whole and stays, and a thread takes
some tiles from image to image; with few tiles, V is whole and stays, and a thread takes some outputs.
"""

from __future__ import annotations

from typing import Any

import numba

from minicaffe.ops.cpu.gemm import ROWS, multiply_three, multiply_two, padded, panel
from minicaffe.ops.cpu.kernel import kernel
from minicaffe.ops.cpu.vector import LANES
from minicaffe.ops.cpu.winograd_transforms import (
    transform_errors,
    transform_gradient,
    transform_inputs,
    transform_outputs,
    transform_weights,
)

DEPTH = 128
"""Input channels whose weights are transformed together when there are few tiles."""

_plain = numba.njit(error_model="numpy")
_padded = _plain(padded)


@_plain
def _products(
    tiles: Any, V: Any, left: Any, V_step: Any, U: Any, right: Any, width: Any, M: Any, to: Any, M_step: Any,
    depth: Any, add: Any,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Multiply tiles of one plane with one panel of weights."""
    for t in range(0, tiles, ROWS):
        if width == 3:
            multiply_three(V, left + t * V_step, V_step, 1, U, right, 3 * LANES, M, to + t * M_step, M_step, depth, add)
        else:
            multiply_two(V, left + t * V_step, V_step, 1, U, right, 2 * LANES, M, to + t * M_step, M_step, depth, add)


@_plain
def _outputs(
    lo: Any, hi: Any, vector: Any, width: Any, M: Any, step: Any, plane: Any, stage: Any, b: Any, floor: Any, y: Any,
    result: Any, tiles: Any,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Transform the products M of one panel of outputs, the one that begins at `vector`."""
    for v in range(vector, min(vector + width, -(-result[0] // LANES))):
        at = (v - vector) * LANES
        transform_outputs(lo, hi, M, at, step, plane, stage, b, floor, y, result, tiles, v * LANES)


@_plain
def _sums(
    K: Any, C: Any, tiles: Any, room: Any, P: Any, P_plane: Any, V: Any, V_plane: Any, D: Any, at: Any, D_plane: Any,
    add: Any,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Multiply the errors of K outputs with the inputs of C channels: P [K/LANES][room][LANES], V in panels."""
    step = _padded(C)
    for p in range(36):
        v = 0
        while v < step // LANES:
            width = panel(step // LANES, v)[1]
            right = p * V_plane + v * LANES * room
            for k in range(0, K, ROWS):
                left, to = p * P_plane + k // LANES * LANES * room + k % LANES, at + p * D_plane + k * step + v * LANES
                if width == 3:
                    multiply_three(P, left, 1, LANES, V, right, 3 * LANES, D, to, step, tiles, add)
                else:
                    multiply_two(P, left, 1, LANES, V, right, 2 * LANES, D, to, step, tiles, add)
            v += width


@_plain
def _panels(
    lo: Any, hi: Any, channel: Any, x: Any, image: Any, tiles: Any, stage: Any, V: Any, room: Any, plane: Any
) -> None:  # pragma: no cover - compiled
    """Transform LANES channels of the tiles lo..hi to panels: [panel][tile][vectors of the panel]."""
    first, width = panel(_padded(image[0]) // LANES, channel // LANES)
    to = first * LANES * room + channel - first * LANES
    transform_inputs(lo, hi, x, image, tiles, channel, stage, V, to, width * LANES, plane)


# -- many tiles -------------------------------------------------------------------------------------------------------


@kernel
def all_weights(
    lo: int, hi: int, W: Any, depth_step: int, lane_step: int, outputs: int, turned: bool, stage: Any,
    U: Any, depth: int, plane: int,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Transform weights to the panels U; lo..hi counts vectors of outputs and, within each, `depth` input channels.

    The weights between input channel i and output o begin at i*depth_step + o*lane_step.
    """
    vectors = _padded(outputs) // LANES
    for item in range(lo, hi):
        v, i = item // depth, item % depth
        first, width = panel(vectors, v)
        at, to = i * depth_step + v * LANES * lane_step, (first * depth + i * width + v - first) * LANES
        lanes = max(min(outputs - v * LANES, LANES), 0)
        transform_weights(W, at, lanes, lane_step, turned, stage, U, to, plane)


@kernel
def convolve_tiles(
    lo: int, hi: int, x: Any, image: Any, U: Any, U_plane: int, b: Any, floor: float, y: Any, result: Any, tiles: Any,
    V: Any, V_step: int, V_plane: int, M: Any, M_plane: int, stage: Any,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Compute the tiles lo..hi with the transformed weights U, one panel of outputs after the other."""
    C, K = image[0], result[0]
    for channel in range(0, C, LANES):
        transform_inputs(lo, hi, x, image, tiles, channel, stage, V, channel, V_step, V_plane)
    vectors, v = _padded(K) // LANES, 0
    while v < vectors:
        width = panel(vectors, v)[1]
        for p in range(36):
            right = p * U_plane + v * LANES * C
            _products(hi - lo, V, p * V_plane, V_step, U, right, width, M, p * M_plane, 3 * LANES, C, False)
        _outputs(lo, hi, v, width, M, 3 * LANES, M_plane, stage, b, floor, y, result, tiles)
        v += width


@kernel
def correlate_tiles(
    lo: int, hi: int, x: Any, image: Any, dy: Any, result: Any, tiles: Any, room: int,
    V: Any, V_plane: int, P: Any, P_plane: int, D: Any, at: int, D_plane: int, stage: Any,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Sum the products of the tiles lo..hi, `room` of them at a time, into D [output][input channel]."""
    C, K = image[0], result[0]
    for start in range(lo, hi, room):
        stop = min(start + room, hi)
        for channel in range(0, C, LANES):
            _panels(start, stop, channel, x, image, tiles, stage, V, room, V_plane)
        for channel in range(0, K, LANES):
            transform_errors(start, stop, dy, result, tiles, channel, stage, P, channel * room, LANES, P_plane)
        _sums(K, C, stop - start, room, P, P_plane, V, V_plane, D, at, D_plane, start > lo)


@kernel
def all_gradients(
    lo: int, hi: int, D: Any, parts: int, part: int, plane: int, stage: Any, dW: Any, C: int
) -> None:  # pragma: no cover - compiled
    """Add up the `parts` of D for the outputs lo..hi, transform them, and add them to dW [K, C, 3, 3]."""
    for k in range(lo, hi):
        for channel in range(0, C, LANES):
            at = k * _padded(C) + channel
            for s in range(1, parts):
                for p in range(36):
                    for c in range(at + p * plane, at + p * plane + LANES):
                        D[c] += D[c + s * part]
            transform_gradient(D, at, plane, min(LANES, C - channel), stage, dW, (k * C + channel) * 9)


# -- few tiles --------------------------------------------------------------------------------------------------------


@kernel
def all_inputs(
    lo: int, hi: int, x: Any, image: Any, tiles: Any, V: Any, room: int, step: int, plane: int, in_panels: bool,
    stage: Any,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Transform the vectors lo..hi of channels of all tiles: to rows `step` apart, or to panels."""
    for channel in range(lo * LANES, hi * LANES, LANES):
        if in_panels:
            _panels(0, room, channel, x, image, tiles, stage, V, room, plane)
        else:
            transform_inputs(0, room, x, image, tiles, channel, stage, V, channel, step, plane)


@kernel
def convolve_outputs(
    vector: int, W: Any, depth_step: int, lane_step: int, turned: bool, V: Any, step: int, plane: int, C: int,
    b: Any, floor: float, y: Any, result: Any, count: int, tiles: Any, U: Any, U_plane: int, M: Any, M_plane: int,
    stage: Any,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Compute the outputs of all `count` tiles for the panel of outputs that begins at `vector`."""
    K = result[0]
    width = panel(_padded(K) // LANES, vector)[1]
    for start in range(0, C, DEPTH):
        stop = min(start + DEPTH, C)
        for v in range(vector, vector + width):
            lanes = max(min(K - v * LANES, LANES), 0)
            for i in range(start, stop):
                at, to = i * depth_step + v * LANES * lane_step, ((i - start) * width + v - vector) * LANES
                transform_weights(W, at, lanes, lane_step, turned, stage, U, to, U_plane)
        for p in range(36):
            left, right, to = p * plane + start, p * U_plane, p * M_plane
            _products(count, V, left, step, U, right, width, M, to, 3 * LANES, stop - start, start > 0)
    _outputs(0, count, vector, width, M, 3 * LANES, M_plane, stage, b, floor, y, result, tiles)


@kernel
def correlate_outputs(
    V: Any, V_plane: int, C: int, dy: Any, result: Any, count: int, tiles: Any, P: Any, P_plane: int,
    D: Any, D_plane: int, stage: Any, dW: Any, at: int,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Add the gradient of the weights of some outputs to dW, where they begin at `at`."""
    K = result[0]
    for channel in range(0, K, LANES):
        transform_errors(0, count, dy, result, tiles, channel, stage, P, channel * count, LANES, P_plane)
    _sums(K, C, count, count, P, P_plane, V, V_plane, D, 0, D_plane, False)
    for k in range(K):
        for channel in range(0, C, LANES):
            source, to = k * _padded(C) + channel, at + (k * C + channel) * 9
            transform_gradient(D, source, D_plane, min(LANES, C - channel), stage, dW, to)
