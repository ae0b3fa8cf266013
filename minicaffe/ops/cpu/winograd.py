"""Convolution with kernels of 3 x 3 in a quarter of the multiplications: memory, and division among threads.

Blocks depend on shapes only, and every sum is made within one: results do not depend on the number of threads. Working
memory is kept between calls. Errors are a few millionths of the largest value, as against a few ten-millionths of the
definition.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minicaffe.ops.convolution import Geometry
from minicaffe.ops.cpu import threads
from minicaffe.ops.cpu import winograd_kernels as kernels
from minicaffe.ops.cpu.gemm import ROWS, multiply, multiply_code, padded, panels
from minicaffe.ops.cpu.images import Finish, Part, by_group, parts, room
from minicaffe.ops.cpu.threads import ALONE, run, share
from minicaffe.ops.cpu.vector import LANES

Pair = Sequence[int]

# Tiles in a block, forwards and backwards.
TILES, LARGE = 64, 96
# A thread is worth while for so many vectors of tiles.
LEAST = 32
# With so many tiles, a thread takes a block of them through all steps; with fewer, threads share each step.
MANY = 4 * TILES
# With so few tiles, and so many vectors of outputs, a thread takes some outputs through all steps: transformed weights
# are more than the rest of the work, and so many numbers of them stay in a second-level cache.
FEW, FEW_VECTORS, TRANSFORMED = 64, 8, 1 << 17
# Products of so many vectors of outputs are made at a time.
VECTORS = 12
# With many tiles, the gradients of so many outputs are summed at a time; the inputs are transformed anew for each.
MANY_OUTPUTS = 256
# With many tiles, gradients are summed in so many parts if there are enough; each part is an array of its own.
PARTS = 4
# Planes are this much longer than they need be: the 36 vectors of a tile must not share one set of a cache.
SKEW = LANES


class Weights(NamedTuple):
    """The weights [K, C, 3, 3] of one group in one direction; `turned`: from outputs to inputs."""

    W: Any
    turned: bool

    @property
    def steps(self) -> tuple[int, int]:
        """How far apart the weights of neighbouring sources and of neighbouring targets lie."""
        return (self.W.shape[1] * 9, 9) if self.turned else (9, self.W.shape[1] * 9)


def conv(x: Any, W: Any, finish: Finish, g: Geometry, out: Any) -> None:
    """Write the convolution of x with W [K, C/group, 3, 3], finished, to `out`.

    All are C-contiguous float32; stride and dilation are 1, the padding at most 2.
    """
    for source, weights, last, target in zip(
        parts(x, g.group), by_group(W, g), finish.parts(g.group), parts(out, g.group), strict=True
    ):
        _convolve(source, Weights(weights, turned=False), last, g.pad, target)


def conv_backward_data(dy: Any, W: Any, g: Geometry, out: Any) -> None:
    """Write the gradient of `conv` with respect to x to `out`: the convolution of dy with the weights turned around."""
    none, back = Finish.of(out.shape[1] // g.group, None, None, False), [2 - p for p in g.pad]
    for errors, weights, target in zip(parts(dy, g.group), by_group(W, g), parts(out, g.group), strict=True):
        _convolve(errors, Weights(weights, turned=True), none, back, target)


def conv_backward_weights(x: Any, dy: Any, dW: Any, g: Geometry) -> None:
    """Add the gradient of `conv` with respect to W to `dW`."""
    for source, errors, gradient in zip(parts(x, g.group), parts(dy, g.group), by_group(dW, g), strict=True):
        C, K = source.channels, errors.channels
        D_plane = _rounded(K) * padded(C) + SKEW
        correlate = _correlate_blocks if _count(errors) > max(2 * K, MANY) else _correlate_steps
        D, pieces = correlate(source, errors, g.pad, D_plane)
        _add_gradient(D, pieces, D_plane, gradient.reshape(-1), K, C)


def _image(part: Part, *pad: int) -> tuple[int, ...]:
    """Return what kernels know of a part: channels, height and width, padding if any, where it starts, its stride."""
    return part.channels, *part.x.shape[2:], *pad, part.start, part.stride


def _tiles(part: Part) -> tuple[int, int]:
    """Return how many tiles of outputs there are down and across an image."""
    return -(-part.x.shape[2] // 4), -(-part.x.shape[3] // 4)


def _count(part: Part) -> int:
    """Return how many tiles of outputs all images have."""
    return len(part.x) * math.prod(_tiles(part))


def _stage() -> Any:
    return room("stage", threads.count() * 2 * kernels.STAGE)


def _vectors(channels: int) -> int:
    return -(-channels // LANES)


def _rounded(size: int, step: int = LANES) -> int:
    return -(-size // step) * step


def _convolve(source: Part, weights: Weights, finish: Finish, pad: Pair, target: Part) -> None:
    if _count(target) <= FEW and _vectors(target.channels) >= FEW_VECTORS:
        _convolve_few(source, weights, finish, pad, target)
        return
    C, K = source.channels, target.channels
    U_plane = C * padded(K) + SKEW
    U, W = room("planes", 36 * U_plane), weights.W.reshape(-1)
    run(
        kernels.transform_weights, C * padded(K) // LANES, 256,
        W, weights.steps, K, weights.turned, _stage(), U, C, U_plane,
    )  # fmt: skip
    convolve = _convolve_blocks if _count(target) >= MANY else _convolve_steps
    convolve(source, U, U_plane, finish, pad, target)


@lru_cache(maxsize=1)
def _codes() -> tuple[int, int, int]:
    """Return the codes of what `convolve_few` consists of."""
    none, pair, image = np.empty(0, np.float32), (0, 0), (0,) * 5
    weights = threads.code(kernels.transform_weights, none, pair, 0, False, none, none, 0, 0)
    finish = none, none, np.float32(0)
    outputs = threads.code(kernels.transform_outputs, pair, 0, none, 0, 0, none, finish, none, image, pair)
    return weights, multiply_code(), outputs


def _inputs(source: Part, pad: Pair, target: Part) -> tuple[Any, int, int]:
    """Transform all inputs, threads sharing the channels; return them, and their steps between planes and tiles."""
    C, tiles = source.channels, _count(target)
    step = _rounded(C) + SKEW
    plane = tiles * step + SKEW
    V = room("inputs", 36 * plane)
    run(
        kernels.transform_inputs, _vectors(C), LEAST // tiles,
        (0, tiles), source.flat, _image(source, *pad), _tiles(target), _stage(), V, 0, step, plane,
    )  # fmt: skip
    return V, plane, step


def _convolve_few(source: Part, weights: Weights, finish: Finish, pad: Pair, target: Part) -> None:
    C, K, tiles = source.channels, target.channels, _count(target)
    V, V_plane, V_step = _inputs(source, pad, target)
    vectors = 3 if _vectors(K) >= 8 * 3 else 2
    turns = math.ceil(36 * C * vectors * LANES / TRANSFORMED)
    most = math.ceil(C / turns)
    width = vectors * LANES
    U, M = (room(name, threads.count() * 36 * (size * width + LANES)) for name, size in (("U", most), ("M", tiles)))
    run(
        kernels.convolve_few, math.ceil(_vectors(K) / vectors), 1,
        _codes(), (C, K, tiles, vectors, most, V_plane, V_step),
        V, weights.W.reshape(-1), weights.steps, weights.turned,
        U, M, _stage(), finish[:3], target.flat, _image(target), _tiles(target),
    )  # fmt: skip


def _convolve_blocks(source: Part, U: Any, U_plane: int, finish: Finish, pad: Pair, target: Part) -> None:
    C, K = source.channels, target.channels
    pieces = math.ceil(_count(target) / TILES)
    edges = [min(_rounded(_count(target) * piece // pieces, ROWS), _count(target)) for piece in range(pieces + 1)]
    V_step = _rounded(C) + SKEW
    V_plane, M_plane = TILES * V_step + SKEW, TILES * VECTORS * LANES + SKEW

    def work(piece: int) -> None:
        lo, hi = edges[piece : piece + 2]
        V, M = room("V", 36 * V_plane), room("M", 36 * M_plane)
        kernels.transform_inputs(
            0, _vectors(C), ALONE, (lo, hi), source.flat, _image(source, *pad), _tiles(target), _stage(),
            V, 0, V_step, V_plane,
        )  # fmt: skip
        for first, last in panels(padded(K) // LANES, VECTORS):
            width = (last - first) * LANES
            multiply(
                0, 36, ALONE, (hi - lo, last - first, C), V, 0, (V_plane, LANES * V_step, V_step, 1),
                U, first * LANES * C, (U_plane, C), M, 0, (M_plane, width), False,
            )  # fmt: skip
            kernels.transform_outputs(
                0, min(last, _vectors(K)) - first, ALONE, (lo, hi), first, M, width, M_plane, _stage(), finish[:3],
                target.flat, _image(target), _tiles(target),
            )  # fmt: skip

    share(pieces, work)


def _convolve_steps(source: Part, U: Any, U_plane: int, finish: Finish, pad: Pair, target: Part) -> None:
    C, K, tiles = source.channels, target.channels, _count(target)
    V, V_plane, V_step = _inputs(source, pad, target)
    M_step = padded(K) + SKEW
    M_plane = tiles * M_step + SKEW
    M = room("products", 36 * M_plane)
    run(
        multiply, 36, 1,
        (tiles, padded(K) // LANES, C), V, 0, (V_plane, LANES * V_step, V_step, 1), U, 0, (U_plane, C),
        M, 0, (M_plane, M_step), False,
    )  # fmt: skip
    run(
        kernels.transform_outputs, _vectors(K), LEAST // tiles,
        (0, tiles), 0, M, M_step, M_plane, _stage(), finish[:3], target.flat, _image(target), _tiles(target),
    )  # fmt: skip


def _correlate_blocks(source: Part, errors: Part, pad: Pair, D_plane: int) -> tuple[Any, int]:
    """Sum the products of errors and inputs; return the planes of the sums, and how many parts there are to add up."""
    C, K, step = source.channels, errors.channels, padded(source.channels)
    chunks = math.ceil(K / MANY_OUTPUTS)
    pieces = max(min(PARTS // chunks, _count(errors) // LARGE), 1)
    V_plane, P_plane = LARGE * step + SKEW, LARGE * _rounded(min(K, MANY_OUTPUTS)) + SKEW
    D = room("planes", pieces * 36 * D_plane)

    def work(item: int) -> None:
        piece, k = item // chunks, item % chunks * MANY_OUTPUTS
        some = Part(errors.x, errors.first + k, min(MANY_OUTPUTS, K - k))
        V, P = room("V", 36 * V_plane), room("M", 36 * P_plane)
        begin, end = _count(errors) * piece // pieces, _count(errors) * (piece + 1) // pieces
        for lo in range(begin, end, LARGE):
            hi = min(lo + LARGE, end)
            kernels.transform_inputs(
                0, _vectors(C), ALONE, (lo, hi), source.flat, _image(source, *pad), _tiles(errors), _stage(),
                V, LARGE, 0, V_plane,
            )  # fmt: skip
            kernels.transform_errors(
                0, _vectors(some.channels), ALONE, (lo, hi), errors.flat, _image(some), _tiles(errors), _stage(),
                P, LARGE, P_plane,
            )  # fmt: skip
            multiply(
                0, 36, ALONE, (some.channels, step // LANES, hi - lo), P, 0, (P_plane, LANES * LARGE, 1, LANES),
                V, 0, (V_plane, LARGE), D, piece * 36 * D_plane + k * step, (D_plane, step), lo > begin,
            )  # fmt: skip

    share(pieces * chunks, work)
    return D, pieces


def _correlate_steps(source: Part, errors: Part, pad: Pair, D_plane: int) -> tuple[Any, int]:
    """As `_correlate_blocks`."""
    C, K, tiles, step = source.channels, errors.channels, _count(errors), padded(source.channels)
    V_plane, P_plane = tiles * step + SKEW, tiles * _rounded(K) + SKEW
    V, P, D = room("inputs", 36 * V_plane), room("products", 36 * P_plane), room("planes", 36 * D_plane)
    run(
        kernels.transform_inputs, _vectors(C), LEAST // tiles,
        (0, tiles), source.flat, _image(source, *pad), _tiles(errors), _stage(), V, tiles, 0, V_plane,
    )  # fmt: skip
    run(
        kernels.transform_errors, _vectors(K), LEAST // tiles,
        (0, tiles), errors.flat, _image(errors), _tiles(errors), _stage(), P, tiles, P_plane,
    )  # fmt: skip
    run(
        multiply, 36, 1,
        (K, step // LANES, tiles), P, 0, (P_plane, LANES * tiles, 1, LANES), V, 0, (V_plane, tiles),
        D, 0, (D_plane, step), False,
    )  # fmt: skip
    return D, 1


def _add_gradient(D: Any, pieces: int, D_plane: int, dW: Any, K: int, C: int) -> None:
    run(
        kernels.transform_gradient, K, max(8192 // C, 1),
        D, pieces, 36 * D_plane, D_plane, _stage(), dW, C,
    )  # fmt: skip
