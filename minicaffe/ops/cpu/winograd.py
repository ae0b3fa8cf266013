"""Convolution with kernels of 3 x 3 in a quarter of the multiplications: memory, and division among threads.

Blocks depend on shapes only, and every sum is made within one: results do not depend on the number of threads. Working
memory is kept between calls. Errors are a few millionths of the largest value, as against a few ten-millionths of the
definition.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicaffe.ops.cpu import winograd_kernels as kernels
from minicaffe.ops.cpu.gemm import ROWS, padded, panel
from minicaffe.ops.cpu.images import Part, parts, room
from minicaffe.ops.cpu.threads import share, split
from minicaffe.ops.cpu.vector import LANES
from minicaffe.ops.cpu.winograd_transforms import STAGE

Pair = Sequence[int]

# Tiles in a block, forwards and backwards.
TILES, LARGE = 64, 96
# With many tiles, the gradients of so many outputs are summed at a time; the inputs are transformed anew for each.
MANY_OUTPUTS = 256
# With few tiles, of so many, so that the sums stay near the processor.
FEW_OUTPUTS = 64
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


def conv(x: Any, W: Any, b: Any, pad: Pair, group: int, out: Any, relu: bool = False) -> None:
    """Write the convolution of x with W [K, C/group, 3, 3], plus b unless it is None, to `out`; rectified if `relu`.

    All are C-contiguous float32; stride and dilation are 1, the padding at most 2.
    """
    biases = [np.empty(0, x.dtype)] * group if b is None else np.split(b, group)
    for source, weights, bias, target in zip(
        parts(x, group), np.split(W, group), biases, parts(out, group), strict=True
    ):
        _convolve(source, Weights(weights, turned=False), bias, 0.0 if relu else -np.inf, pad, target)


def conv_backward_data(dy: Any, W: Any, pad: Pair, group: int, out: Any) -> None:
    """Write the gradient of `conv` with respect to x to `out`: the convolution of dy with the weights turned around."""
    none, back = np.empty(0, dy.dtype), [2 - p for p in pad]
    for errors, weights, target in zip(parts(dy, group), np.split(W, group), parts(out, group), strict=True):
        _convolve(errors, Weights(weights, turned=True), none, -np.inf, back, target)


def conv_backward_weights(x: Any, dy: Any, dW: Any, pad: Pair, group: int) -> None:
    """Add the gradient of `conv` with respect to W to `dW`."""
    for source, errors, gradient in zip(parts(x, group), parts(dy, group), np.split(dW, group), strict=True):
        correlate = _correlate_few if _count(errors) <= 2 * errors.channels else _correlate_many
        correlate(source, errors, pad, gradient.reshape(-1))


def _convolve(source: Part, weights: Weights, b: Any, floor: float, pad: Pair, target: Part) -> None:
    convolve = _convolve_few if 2 * _count(target) <= target.channels else _convolve_many
    convolve(source, weights, b, floor, pad, target)


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
    return room("stage", 2 * STAGE)


def _rounded(size: int, step: int = LANES) -> int:
    return -(-size // step) * step


def _convolve_many(source: Part, weights: Weights, b: Any, floor: float, pad: Pair, target: Part) -> None:
    C, K = source.channels, target.channels
    U_plane = C * padded(K) + SKEW
    U, W = room("planes", 36 * U_plane), weights.W.reshape(-1)
    split(
        C * padded(K) // LANES,
        256,
        lambda lo, hi: kernels.all_weights(lo, hi, W, *weights.steps, K, weights.turned, _stage(), U, C, U_plane),
    )
    pieces = math.ceil(_count(target) / TILES)
    edges = [min(_rounded(_count(target) * piece // pieces, ROWS), _count(target)) for piece in range(pieces + 1)]
    V_step = _rounded(C) + SKEW
    V_plane, M_plane = TILES * V_step + SKEW, TILES * 3 * LANES + SKEW

    def work(piece: int) -> None:
        kernels.convolve_tiles(
            edges[piece], edges[piece + 1], source.flat, _image(source, *pad), U, U_plane, b, floor,
            target.flat, _image(target), _tiles(target), room("V", 36 * V_plane), V_step, V_plane,
            room("M", 36 * M_plane), M_plane, _stage(),
        )  # fmt: skip

    share(pieces, work)


def _correlate_many(source: Part, errors: Part, pad: Pair, dW: Any) -> None:
    C, K = source.channels, errors.channels
    chunks = math.ceil(K / MANY_OUTPUTS)
    parts = max(min(PARTS // chunks, _count(errors) // LARGE), 1)
    step = padded(C)
    D_plane = _rounded(K) * step + SKEW
    V_plane, P_plane = LARGE * step + SKEW, LARGE * _rounded(min(K, MANY_OUTPUTS)) + SKEW
    D = room("planes", parts * 36 * D_plane)

    def work(item: int) -> None:
        part, k = item // chunks, item % chunks * MANY_OUTPUTS
        some = Part(errors.x, errors.first + k, min(MANY_OUTPUTS, K - k))
        kernels.correlate_tiles(
            _count(errors) * part // parts, _count(errors) * (part + 1) // parts, source.flat, _image(source, *pad),
            some.flat, _image(some), _tiles(some), LARGE, room("V", 36 * V_plane), V_plane,
            room("M", 36 * P_plane), P_plane, D, part * 36 * D_plane + k * step, D_plane, _stage(),
        )  # fmt: skip

    share(parts * chunks, work)
    split(
        K,
        max(8192 // C, 1),
        lambda lo, hi: kernels.all_gradients(lo, hi, D, parts, 36 * D_plane, D_plane, _stage(), dW, C),
    )


def _all_inputs(source: Part, target: Part, pad: Pair, in_panels: bool) -> tuple[Any, int, int]:
    """Transform all inputs; return the planes, and how far apart their rows (unless in panels) and they are."""
    C = source.channels
    step = padded(C) if in_panels else _rounded(C) + SKEW
    plane = _rounded(_count(target), ROWS) * step + SKEW
    V = room("planes", 36 * plane)

    def work(vector: int) -> None:
        kernels.all_inputs(
            vector, vector + 1, source.flat, _image(source, *pad), _tiles(target), V, _count(target), step, plane,
            in_panels, _stage(),
        )  # fmt: skip

    share(math.ceil(C / LANES), work)
    return V, step, plane


def _convolve_few(source: Part, weights: Weights, b: Any, floor: float, pad: Pair, target: Part) -> None:
    C, vectors = source.channels, padded(target.channels) // LANES
    V, step, plane = _all_inputs(source, target, pad, in_panels=False)
    firsts = sorted({panel(vectors, v)[0] for v in range(vectors)})
    U_plane = min(C, kernels.DEPTH) * 3 * LANES + SKEW
    M_plane = _rounded(_count(target), ROWS) * 3 * LANES + SKEW
    W = weights.W.reshape(-1)

    def work(item: int) -> None:
        kernels.convolve_outputs(
            firsts[item], W, *weights.steps, weights.turned, V, step, plane, C, b, floor,
            target.flat, _image(target), _count(target), _tiles(target),
            room("U", 36 * U_plane), U_plane, room("M", 36 * M_plane), M_plane, _stage(),
        )  # fmt: skip

    share(len(firsts), work)


def _correlate_few(source: Part, errors: Part, pad: Pair, dW: Any) -> None:
    C, K = source.channels, errors.channels
    V, step, V_plane = _all_inputs(source, errors, pad, in_panels=True)
    P_plane, D_plane = _count(errors) * FEW_OUTPUTS + SKEW, FEW_OUTPUTS * step + SKEW

    def work(item: int) -> None:
        k = item * FEW_OUTPUTS
        some = Part(errors.x, errors.first + k, min(FEW_OUTPUTS, K - k))
        kernels.correlate_outputs(
            V, V_plane, C, some.flat, _image(some), _count(some), _tiles(some), room("U", 36 * P_plane), P_plane,
            room("M", 36 * D_plane), D_plane, _stage(), dW, k * C * 9,
        )  # fmt: skip

    share(math.ceil(K / FEW_OUTPUTS), work)
