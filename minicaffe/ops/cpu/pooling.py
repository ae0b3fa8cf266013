"""Maximum and average pooling, plane by plane, a row of outputs at a time: the inner loops run along the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.ops import pooling as definition
from minicaffe.ops.arrays import LOWEST
from minicaffe.ops.cpu.im2col import inside
from minicaffe.ops.cpu.kernel import inline, integers, kernel, suits
from minicaffe.ops.cpu.team import divide
from minicaffe.ops.cpu.threads import run

Pair = Sequence[int]

# Below this many elements read a thread costs more than it saves.
ELEMENTS = 1 << 16
# While a row is being pooled: nothing found yet. Less than any index, of which those of padding are negative.
NOTHING = -(1 << 30)
# A row of fewer outputs is pooled one output after the other.
NARROW = 16


def _numbers(x: Any, y: Any, kernel: Pair, stride: Pair, pad: Pair) -> tuple[int, ...]:
    return integers(x.shape[2:], y.shape[2:], kernel, stride, pad)


def _planes(kernel: Any, x: Any, *arguments: Any) -> None:
    """Run a kernel on all planes of x, in threads."""
    N, C, H, W = x.shape
    run(kernel, N * C, ELEMENTS // max(H * W, 1) + 1, *arguments)


def pool_max(x: Any, kernel: Pair, stride: Pair, pad: Pair, y: Any, mask: Any) -> None:
    """As `minicaffe.ops.pooling.pool_max`."""
    if not suits(x, y, mask):
        definition.pool_max(x, kernel, stride, pad, y, mask)
        return
    numbers = _numbers(x, y, kernel, stride, pad)
    flat = x.reshape(-1), y.reshape(-1), mask.reshape(-1)
    _planes(_max, x, *flat, x.dtype.type(LOWEST), numbers)


def pool_max_backward(dy: Any, mask: Any, kernel: Pair, stride: Pair, pad: Pair, dx: Any) -> None:
    """As `minicaffe.ops.pooling.pool_max_backward`."""
    if not suits(dy, mask, dx):
        definition.pool_max_backward(dy, mask, kernel, stride, pad, dx)
        return
    sizes = dx[0, 0].size if dx.size else 0, dy[0, 0].size if dy.size else 0
    flat = dy.reshape(-1), mask.reshape(-1), dx.reshape(-1)
    _planes(_max_backward, dx, *flat, *sizes)


def pool_ave(x: Any, kernel: Pair, stride: Pair, pad: Pair, y: Any) -> None:
    """As `minicaffe.ops.pooling.pool_ave`."""
    if not suits(x, y):
        definition.pool_ave(x, kernel, stride, pad, y)
        return
    numbers = _numbers(x, y, kernel, stride, pad)
    flat = x.reshape(-1), y.reshape(-1)
    _planes(_ave, x, *flat, numbers)
    y /= definition.divisor(x, kernel, stride, pad, y)


def pool_ave_backward(dy: Any, kernel: Pair, stride: Pair, pad: Pair, dx: Any) -> None:
    """As `minicaffe.ops.pooling.pool_ave_backward`."""
    if not suits(dy, dx):
        definition.pool_ave_backward(dy, kernel, stride, pad, dx)
        return
    numbers = _numbers(dx, dy, kernel, stride, pad)
    flat = (dy / definition.divisor(dx, kernel, stride, pad, dy)).reshape(-1), dx.reshape(-1)
    _planes(_ave_backward, dx, *flat, numbers)


@kernel
def _max(lo: int, hi: int, team: Any, x: Any, y: Any, mask: Any, lowest: Any, numbers: Any) -> None:
    if divide(lo, hi, team):
        return
    h, w, sw = numbers[2], numbers[3], numbers[7]
    for row in range(lo * h, hi * h):
        if w < NARROW or sw > 2:
            _max_by_element(row // h, row % h, x, y, mask, lowest, numbers)
        elif sw == 1:
            _max_by_row(row // h, row % h, x, y, mask, lowest, numbers, np.uintp(1))
        else:
            _max_by_row(row // h, row % h, x, y, mask, lowest, numbers, np.uintp(2))


@inline
def _max_by_element(plane: Any, i: Any, x: Any, y: Any, mask: Any, lowest: Any, numbers: Any) -> None:
    """Pool row i one output after the other."""
    H, W, h, w, kh, kw, sh, sw, ph, pw = numbers
    for j in range(w):
        best, picked = lowest, -1
        for row in range(max(i * sh - ph, 0), min(i * sh - ph + kh, H)):
            for index in range(row * W + max(j * sw - pw, 0), row * W + min(j * sw - pw + kw, W)):
                value = x[np.uintp(plane * H * W + index)]
                better = value > best
                best = value if better else best
                picked = index if better else picked
        to = np.uintp((plane * h + i) * w + j)
        y[to] = best
        mask[to] = picked


@inline
def _max_by_row(plane: Any, i: Any, x: Any, y: Any, mask: Any, lowest: Any, numbers: Any, step: Any) -> None:
    """Pool row i with one element of all its windows at a time: vector instructions, where `step` is a constant."""
    H, W, h, w, kh, kw, sh, sw, ph, pw = numbers
    to = np.uintp((plane * h + i) * w)
    y[to : to + np.uintp(w)] = lowest
    mask[to : to + np.uintp(w)] = NOTHING
    for row in range(max(i * sh - ph, 0), min(i * sh - ph + kh, H)):
        for kx in range(kw):
            first, last = inside(kx - pw, sw, W, w)
            start = to + np.uintp(first)
            at = np.uintp((plane * H + row) * W + first * sw + kx - pw)
            tap = np.int32(row * W + kx - pw)  # the index but for j * sw, which comes last
            for j in range(np.uintp(last - first)):
                value, best, old = x[at + j * step], y[start + j], mask[start + j]
                y[start + j] = value if value > best else best
                # Bits, since the compiler would make a choice a jump, and which way it goes cannot be foreseen.
                mask[start + j] = np.int32(old ^ ((old ^ tap) & np.int32(-(value > best))))
    for j in range(np.uintp(w)):
        mask[to + j] = np.int32(mask[to + j] + np.int32(j) * np.int32(sw)) if mask[to + j] != NOTHING else -1


@kernel
def _max_backward(lo: int, hi: int, team: Any, dy: Any, mask: Any, dx: Any, size: int, outputs: int) -> None:
    if divide(lo, hi, team):
        return
    dx[lo * size : hi * size] = 0
    for plane in range(lo, hi):
        for j in range(plane * outputs, (plane + 1) * outputs):
            if mask[j] >= 0:
                dx[plane * size + mask[j]] += dy[j]


@kernel
def _ave(lo: int, hi: int, team: Any, x: Any, y: Any, numbers: Any) -> None:
    if divide(lo, hi, team):
        return
    H, W, h, w, kh, kw, sh, sw, ph, pw = numbers
    y[lo * h * w : hi * h * w] = 0
    for i in range(lo * h, hi * h):
        top = i % h * sh - ph
        if w < NARROW:
            for j in range(w):
                begin, end = max(j * sw - pw, 0), min(j * sw - pw + kw, W)
                total = y[i * w + j]
                for row in range(max(top, 0), min(top + kh, H)):
                    at = np.uintp((i // h * H + row) * W + begin)
                    for q in range(np.uintp(max(end - begin, 0))):
                        total += x[at + q]
                y[i * w + j] = total
            continue
        for row in range(max(top, 0), min(top + kh, H)):
            for kx in range(kw):
                first, last = inside(kx - pw, sw, W, w)
                to = np.uintp(i * w + first)
                at = np.uintp((i // h * H + row) * W + first * sw + kx - pw)
                for j in range(np.uintp(last - first)):
                    y[to + j] += x[at + j * np.uintp(sw)]


@kernel
def _ave_backward(lo: int, hi: int, team: Any, share: Any, dx: Any, numbers: Any) -> None:
    if divide(lo, hi, team):
        return
    H, W, h, w, kh, kw, sh, sw, ph, pw = numbers
    dx[lo * H * W : hi * H * W] = 0
    for i in range(lo * h, hi * h):
        top = i % h * sh - ph
        if w < NARROW:
            for j in range(w - 1, -1, -1):
                begin, end = max(j * sw - pw, 0), min(j * sw - pw + kw, W)
                value = share[i * w + j]
                for row in range(max(top, 0), min(top + kh, H)):
                    to = np.uintp((i // h * H + row) * W + begin)
                    for q in range(np.uintp(max(end - begin, 0))):
                        dx[to + q] += value
            continue
        for row in range(max(top, 0), min(top + kh, H)):
            for kx in range(kw):
                first, last = inside(kx - pw, sw, W, w)
                at = np.uintp(i * w + first)
                to = np.uintp((i // h * H + row) * W + first * sw + kx - pw)
                for j in range(np.uintp(last - first)):
                    dx[to + j * np.uintp(sw)] += share[at + j]
