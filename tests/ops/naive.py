"""The operations as their formulas read: Python loops over single numbers, to compare everything else with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from minicaffe.ops.arrays import LOWEST

Ints = Sequence[int]


def windows(
    size: Ints, positions: Ints, kernel: Ints, stride: Ints, pad: Ints, dilation: Ints
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """Yield output position, tap and input element of every pair that lies inside the input."""
    for o in itertools.product(*map(range, positions)):
        for k in itertools.product(*map(range, kernel)):
            i = tuple(a * s - p + b * d for a, b, s, p, d in zip(o, k, stride, pad, dilation, strict=True))
            if all(0 <= a < n for a, n in zip(i, size, strict=True)):
                yield o, k, i


def columns(x: np.ndarray, positions: Ints, kernel: Ints, stride: Ints, pad: Ints, dilation: Ints) -> np.ndarray:
    """Return [C, *kernel, N, *positions]."""
    N, C = x.shape[:2]
    col = np.zeros((C, *kernel, N, *positions), x.dtype)
    for o, k, i in windows(x.shape[2:], positions, kernel, stride, pad, dilation):
        for n, c in itertools.product(range(N), range(C)):
            col[(c, *k, n, *o)] = x[(n, c, *i)]
    return col


def conv(
    x: np.ndarray, W: np.ndarray, positions: Ints, stride: Ints, pad: Ints, dilation: Ints, group: int
) -> np.ndarray:
    """Return [N, O, *positions], without bias."""
    N, outputs, each = len(x), len(W), W.shape[1]
    y = np.zeros((N, outputs, *positions), x.dtype)
    for o, k, i in windows(x.shape[2:], positions, W.shape[2:], stride, pad, dilation):
        for n, out, c in itertools.product(range(N), range(outputs), range(each)):
            y[(n, out, *o)] += W[(out, c, *k)] * x[(n, out // (outputs // group) * each + c, *i)]
    return y


def pool_max(x: np.ndarray, positions: Ints, kernel: Ints, stride: Ints, pad: Ints) -> tuple[np.ndarray, np.ndarray]:
    """Return y and mask."""
    y = np.full((*x.shape[:2], *positions), LOWEST, x.dtype)
    mask = np.full(y.shape, -1, np.int32)
    for o, _, (h, w) in windows(x.shape[2:], positions, kernel, stride, pad, (1, 1)):
        for n, c in itertools.product(range(x.shape[0]), range(x.shape[1])):
            if x[n, c, h, w] > y[(n, c, *o)]:
                y[(n, c, *o)] = x[n, c, h, w]
                mask[(n, c, *o)] = h * x.shape[3] + w
    return y, mask


def pool_ave(x: np.ndarray, positions: Ints, kernel: Ints, stride: Ints, pad: Ints) -> np.ndarray:
    """Return y; windows wholly outside give 0."""
    y = np.zeros((*x.shape[:2], *positions), x.dtype)
    for (i, j), _, (h, w) in windows(x.shape[2:], positions, kernel, stride, pad, (1, 1)):
        counts = [
            min(at * s - p + k, n + p) - (at * s - p)
            for at, s, p, k, n in zip((i, j), stride, pad, kernel, x.shape[2:], strict=True)
        ]
        y[:, :, i, j] += x[:, :, h, w] / (counts[0] * counts[1])
    return y


def lrn_across(x: np.ndarray, size: int, alpha: float, beta: float, k: float) -> np.ndarray:
    """Return y."""
    reach, y = (size - 1) // 2, np.empty_like(x)
    for c in range(x.shape[1]):
        near = x[:, max(0, c - reach) : c + reach + 1]
        y[:, c] = x[:, c] / (k + alpha / size * (near**2).sum(axis=1)) ** beta
    return y


def half_away(value: float) -> int:
    """Return `value` rounded as C's `round` does."""
    return int(np.floor(value + 0.5)) if value >= 0 else -int(np.floor(-value + 0.5))


def roi_cells(
    roi: Ints, pooled: tuple[int, int], scale: float, H: int, W: int
) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Yield i, j and the pixels of every cell, in row-major order."""
    x1, y1, x2, y2 = (half_away(float(v) * scale) for v in roi[1:])
    steps = [max(y2 - y1 + 1, 1) / pooled[0], max(x2 - x1 + 1, 1) / pooled[1]]
    for i, j in itertools.product(range(pooled[0]), range(pooled[1])):
        spans = []
        for at, step, start, size in ((i, steps[0], y1, H), (j, steps[1], x1, W)):
            ends = int(np.floor(at * step)) + start, int(np.ceil((at + 1) * step)) + start
            spans.append(range(min(max(ends[0], 0), size), min(max(ends[1], 0), size)))
        yield i, j, list(itertools.product(*spans))


def roi_pool(
    x: np.ndarray, rois: np.ndarray, pooled: tuple[int, int], scale: float, dy: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return y, and dx for this dy."""
    y, dx = np.zeros(dy.shape), np.zeros(x.shape)
    for r, roi in enumerate(rois):
        x1, y1, x2, y2 = (half_away(float(v) * scale) for v in roi[1:])
        for i, j, pixels in roi_cells(roi, pooled, scale, *x.shape[2:]):
            for c in range(x.shape[1] if pixels else 0):
                values = [x[int(roi[0]), c, h, w] for h, w in pixels]
                y[r, c, i, j] = max(values)
                h, w = pixels[values.index(max(values))]
                if x1 <= w <= x2 and y1 <= h <= y2:
                    dx[int(roi[0]), c, h, w] += dy[r, c, i, j]
    return y, dx
