"""Convolution of each channel by itself (as many groups as channels): directly, without columns.

Every weight is one multiplication and addition for a whole row of outputs. There is nothing to share among outputs, so
a matrix product has nothing to offer. All arrays are C-contiguous float32 with two spatial axes.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from minicaffe.ops.convolution import Geometry
from minicaffe.ops.cpu.im2col import inside
from minicaffe.ops.cpu.images import Finish
from minicaffe.ops.cpu.kernel import integers, kernel
from minicaffe.ops.cpu.team import divide
from minicaffe.ops.cpu.threads import run

# Below this many multiplications a thread costs more than it saves.
PRODUCTS = 1 << 19


def conv(x: Any, W: Any, finish: Finish, g: Geometry, out: Any) -> None:
    """Write the convolution of x with W, finished, to `out`."""
    flat, weights, y, numbers = x.reshape(-1), W.reshape(-1), out.reshape(-1), _numbers(x, out, g)
    planes = out.shape[0] * out.shape[1]
    run(_conv, planes, _least(out, g), flat, weights, *finish[:3], y, numbers)


def conv_backward_data(dy: Any, W: Any, g: Geometry, out: Any) -> None:
    """As `minicaffe.ops.convolution.conv_backward_data`."""
    errors, weights, x, numbers = dy.reshape(-1), W.reshape(-1), out.reshape(-1), _numbers(out, dy, g)
    planes = out.shape[0] * out.shape[1]
    run(_conv_backward_data, planes, _least(dy, g), errors, weights, x, numbers)


def conv_backward_weights(x: Any, dy: Any, dW: Any, g: Geometry) -> None:
    """As `minicaffe.ops.convolution.conv_backward_weights`."""
    flat, errors, gradient, numbers = x.reshape(-1), dy.reshape(-1), dW.reshape(-1), _numbers(x, dy, g)
    least = max(_least(dy, g) // len(x), 1)
    run(_conv_backward_weights, len(dW), least, flat, errors, gradient, numbers)


def _numbers(x: Any, y: Any, g: Geometry) -> tuple[int, ...]:
    return integers(x.shape, y.shape[1:], g.kernel, g.stride, g.pad, g.dilation)


def _least(y: Any, g: Geometry) -> int:
    """Return how many planes are worth a thread."""
    return PRODUCTS // (y.shape[2] * y.shape[3] * g.kernel[0] * g.kernel[1]) + 1


@kernel
def _conv(lo: int, hi: int, team: Any, x: Any, W: Any, gain: Any, b: Any, floor: Any, y: Any, numbers: Any) -> None:
    if divide(lo, hi, team):
        return
    _, C, H, width, K, h, w, kh, kw, sh, sw, ph, pw, dh, dw = numbers
    for plane in range(lo, hi):
        n, k = plane // K, plane % K
        c = k // (K // C)
        for i in range(h):
            to = np.uintp((plane * h + i) * w)
            for j in range(np.uintp(w)):
                y[to + j] = 0
            for ky in range(kh):
                row = i * sh - ph + ky * dh
                if row < 0 or row >= H:
                    continue
                for kx in range(kw):
                    first, last = inside(kx * dw - pw, sw, width, w)
                    value = W[(k * kh + ky) * kw + kx]
                    source = np.uintp(((n * C + c) * H + row) * width + first * sw + kx * dw - pw)
                    if sw == 1:
                        for j in range(np.uintp(last - first)):
                            y[to + np.uintp(first) + j] += value * x[source + j]
                    else:
                        for j in range(np.uintp(last - first)):
                            y[to + np.uintp(first) + j] += value * x[source + j * np.uintp(sw)]
            for j in range(np.uintp(w)):
                value = y[to + j] * gain[k] + b[k]
                y[to + j] = floor if value < floor else value  # a comparison that NaN passes


@kernel
def _conv_backward_data(lo: int, hi: int, team: Any, dy: Any, W: Any, x: Any, numbers: Any) -> None:
    if divide(lo, hi, team):
        return
    _, C, H, width, K, h, w, kh, kw, sh, sw, ph, pw, dh, dw = numbers
    for plane in range(lo, hi):
        n, c = plane // C, plane % C
        for p in range(np.uintp(H * width)):
            x[np.uintp(plane * H * width) + p] = 0
        for k in range(c * (K // C), (c + 1) * (K // C)):
            for i in range(h):
                for ky in range(kh):
                    row = i * sh - ph + ky * dh
                    if row < 0 or row >= H:
                        continue
                    for kx in range(kw):
                        first, last = inside(kx * dw - pw, sw, width, w)
                        value = W[(k * kh + ky) * kw + kx]
                        source = np.uintp(((n * K + k) * h + i) * w + first)
                        to = np.uintp((plane * H + row) * width + first * sw + kx * dw - pw)
                        if sw == 1:
                            for j in range(np.uintp(last - first)):
                                x[to + j] += value * dy[source + j]
                        else:
                            for j in range(np.uintp(last - first)):
                                x[to + j * np.uintp(sw)] += value * dy[source + j]


@numba.njit(error_model="numpy", fastmath={"reassoc", "contract"})
def _dot(x: Any, at: Any, step: Any, dy: Any, to: Any, count: Any) -> Any:
    """Sum products along a row, in lanes."""
    total = np.float32(0)
    if step == 1:
        for j in range(np.uintp(count)):
            total += x[np.uintp(at) + j] * dy[np.uintp(to) + j]
    else:
        for j in range(np.uintp(count)):
            total += x[np.uintp(at) + j * np.uintp(step)] * dy[np.uintp(to) + j]
    return total


@kernel
def _conv_backward_weights(lo: int, hi: int, team: Any, x: Any, dy: Any, dW: Any, numbers: Any) -> None:
    if divide(lo, hi, team):
        return
    N, C, H, width, K, h, w, kh, kw, sh, sw, ph, pw, dh, dw = numbers
    for k in range(lo, hi):
        c = k // (K // C)
        for ky in range(kh):
            top, bottom = inside(ky * dh - ph, sh, H, h)
            for kx in range(kw):
                first, last = inside(kx * dw - pw, sw, width, w)
                total = np.float32(0)
                for n in range(N):
                    for i in range(top, bottom):
                        source = ((n * C + c) * H + i * sh - ph + ky * dh) * width + first * sw + kx * dw - pw
                        total += _dot(x, source, sw, dy, ((n * K + k) * h + i) * w + first, last - first)
                dW[(k * kh + ky) * kw + kx] += total
