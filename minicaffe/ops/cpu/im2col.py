"""im2col and col2im of images with two spatial axes, whole rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.ops import im2col as definition
from minicaffe.ops.cpu.kernel import called, integers, kernel, suits
from minicaffe.ops.cpu.team import divide
from minicaffe.ops.cpu.threads import run

# Below this many elements a thread costs more than it saves.
ELEMENTS = 1 << 19

inside = called(definition.inside)
"""`minicaffe.ops.im2col.inside`, for kernels."""


def im2col(
    x: Any, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], dilation: Sequence[int], out: Any
) -> None:
    """As `minicaffe.ops.im2col.im2col`."""
    if x.ndim != 4 or not suits(x, out):
        definition.im2col(x, kernel, stride, pad, dilation, out)
        return
    numbers = integers(x.shape, out.shape[2:], kernel, stride, pad, dilation)
    flat_x, flat_col = x.reshape(-1), out.reshape(-1)
    least = ELEMENTS // max(out[0].size, 1) if len(out) else 1
    run(_im2col, len(out), least + 1, flat_x, flat_col, numbers)


def col2im(
    col: Any, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], dilation: Sequence[int], out: Any
) -> None:
    """As `minicaffe.ops.im2col.col2im`."""
    if out.ndim != 4 or not suits(col, out):
        definition.col2im(col, kernel, stride, pad, dilation, out)
        return
    numbers = integers(out.shape, col.shape[2:], kernel, stride, pad, dilation)
    flat_col, flat_x = col.reshape(-1), out.reshape(-1)
    least = ELEMENTS * out.shape[1] // max(col.size, 1)
    run(_col2im, out.shape[1], least + 1, flat_col, flat_x, numbers)


# Unsigned indices spare a test for negative ones, without which the inner loops become copies of whole vectors.


@kernel
def _im2col(lo: int, hi: int, team: Any, x: Any, col: Any, numbers: Any) -> None:
    if divide(lo, hi, team):
        return
    N, C, H, W, h, w, kh, kw, sh, sw, ph, pw, dh, dw = numbers
    for row in range(lo, hi):
        c, ky, kx = row // (kh * kw), row // kw % kh, row % kw
        first, last = inside(kx * dw - pw, sw, W, w)
        for n in range(N):
            for i in range(h):
                y = i * sh - ph + ky * dh
                to = np.uintp(((row * N + n) * h + i) * w)
                if y < 0 or y >= H:
                    for j in range(np.uintp(w)):
                        col[to + j] = 0
                    continue
                for j in range(np.uintp(first)):
                    col[to + j] = 0
                start = to + np.uintp(first)
                source = np.uintp(((n * C + c) * H + y) * W + first * sw + kx * dw - pw)
                if sw == 1:
                    for j in range(np.uintp(last - first)):
                        col[start + j] = x[source + j]
                else:
                    for j in range(np.uintp(last - first)):
                        col[start + j] = x[source + j * np.uintp(sw)]
                for j in range(np.uintp(last), np.uintp(w)):
                    col[to + j] = 0


@kernel
def _col2im(lo: int, hi: int, team: Any, col: Any, x: Any, numbers: Any) -> None:
    if divide(lo, hi, team):
        return
    N, C, H, W, h, w, kh, kw, sh, sw, ph, pw, dh, dw = numbers
    for row in range(lo * kh * kw, hi * kh * kw):
        c, ky, kx = row // (kh * kw), row // kw % kh, row % kw
        first, last = inside(kx * dw - pw, sw, W, w)
        top, bottom = inside(ky * dh - ph, sh, H, h)
        for n in range(N):
            for i in range(top, bottom):
                source = np.uintp(((row * N + n) * h + i) * w + first)
                to = np.uintp(((n * C + c) * H + i * sh - ph + ky * dh) * W + first * sw + kx * dw - pw)
                if sw == 1:
                    for j in range(np.uintp(last - first)):
                        x[to + j] += col[source + j]
                else:
                    for j in range(np.uintp(last - first)):
                        x[to + j * np.uintp(sw)] += col[source + j]
