"""Local response normalisation across channels, on some neighbouring pixels of all channels at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minicaffe.ops import lrn as definition
from minicaffe.ops.cpu.kernel import inline, kernel, suits
from minicaffe.ops.cpu.team import divide
from minicaffe.ops.cpu.threads import run

# So many neighbouring pixels make a tile: all channels of one stay within a second-level cache.
PIXELS = 256
# Below this many elements a thread costs more than it saves.
ELEMENTS = 1 << 15


def lrn_across(x: Any, size: int, alpha: float, beta: float, k: float, y: Any, scale: Any) -> None:
    """As `minicaffe.ops.lrn.lrn_across`."""
    if not suits(x, y, scale):
        definition.lrn_across(x, size, alpha, beta, k, y, scale)
        return
    shape = x.shape[0], x.shape[1], math.prod(x.shape[2:])
    flat = tuple(array.reshape(shape) for array in (x, y, scale))
    numbers = tuple(map(x.dtype.type, (alpha / size, beta, k)))
    _tiles(_across, shape, *flat, (size - 1) // 2, numbers)


def lrn_across_backward(x: Any, y: Any, scale: Any, dy: Any, size: int, alpha: float, beta: float, dx: Any) -> None:
    """As `minicaffe.ops.lrn.lrn_across_backward`."""
    if not suits(x, y, scale, dy, dx):
        definition.lrn_across_backward(x, y, scale, dy, size, alpha, beta, dx)
        return
    shape = x.shape[0], x.shape[1], math.prod(x.shape[2:])
    flat = tuple(array.reshape(shape) for array in (x, y, scale, dy, dx))
    numbers = tuple(map(x.dtype.type, (2 * alpha * beta / size, beta)))
    _tiles(_across_backward, shape, *flat, (size - 1) // 2, numbers)


def _tiles(kernel: Any, shape: tuple[int, int, int], *arguments: Any) -> None:
    """Run a kernel on all tiles of all images, in threads."""
    N, C, pixels = shape
    run(kernel, N * math.ceil(pixels / PIXELS), ELEMENTS // max(C * PIXELS, 1) + 1, *arguments)


@inline
def _power(base: Any, beta: Any) -> Any:
    """Return base to the power -beta: for 3/4, which everyone uses, with square roots, many times faster."""
    return np.sqrt(np.sqrt(base)) / base if beta == 0.75 else base**-beta


@kernel
def _across(lo: int, hi: int, team: Any, x: Any, y: Any, scale: Any, reach: int, numbers: Any) -> None:
    if divide(lo, hi, team):
        return
    share, beta, k = numbers
    C, pixels = x.shape[1:]
    tiles = (pixels + PIXELS - 1) // PIXELS
    for tile in range(lo, hi):
        n, start = tile // tiles, tile % tiles * PIXELS
        span = np.uintp(min(PIXELS, pixels - start))
        for c in range(C):
            s, out, own = scale[n, c, start:], y[n, c, start:], x[n, c, start:]
            s[:span] = 0
            for d in range(max(0, c - reach), min(C, c + reach + 1)):
                v = x[n, d, start:]
                for j in range(span):
                    s[j] += v[j] * v[j]
            for j in range(span):
                s[j] = s[j] * share + k
                out[j] = _power(s[j], beta) * own[j]


@kernel
def _across_backward(
    lo: int, hi: int, team: Any, x: Any, y: Any, scale: Any, dy: Any, dx: Any, reach: int, numbers: Any
) -> None:
    if divide(lo, hi, team):
        return
    share, beta = numbers
    C, pixels = x.shape[1:]
    tiles = (pixels + PIXELS - 1) // PIXELS
    ratio = np.empty((C, PIXELS), x.dtype)
    for tile in range(lo, hi):
        n, start = tile // tiles, tile % tiles * PIXELS
        span = np.uintp(min(PIXELS, pixels - start))
        for c in range(C):
            g, out, s, r = dy[n, c, start:], y[n, c, start:], scale[n, c, start:], ratio[c]
            for j in range(span):
                r[j] = g[j] * out[j] / s[j]
        for c in range(C):
            g, own, s, to = dy[n, c, start:], x[n, c, start:], scale[n, c, start:], dx[n, c, start:]
            to[:span] = 0
            for d in range(max(0, c - reach), min(C, c + reach + 1)):
                r = ratio[d]
                for j in range(span):
                    to[j] += r[j]
            for j in range(span):
                to[j] = g[j] * _power(s[j], beta) - to[j] * own[j] * share
