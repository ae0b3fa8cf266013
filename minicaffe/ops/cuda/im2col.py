"""im2col and col2im on a GPU, for up to three spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.ops import im2col as definition
from minicaffe.ops.cuda.launch import launch, suits

AXES = 3


def im2col(
    x: Any, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], dilation: Sequence[int], out: Any
) -> None:
    """As `minicaffe.ops.im2col.im2col`."""
    if len(kernel) > AXES or not suits(x, out):
        definition.im2col(x, kernel, stride, pad, dilation, out)
        return
    count = out.size // max(_taps(kernel), 1)
    launch("im2col", "im2col", count, x, out, *_geometry(x, kernel, stride, pad, dilation, out))


def col2im(
    col: Any, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], dilation: Sequence[int], out: Any
) -> None:
    """As `minicaffe.ops.im2col.col2im`."""
    if len(kernel) > AXES or not suits(col, out):
        definition.col2im(col, kernel, stride, pad, dilation, out)
        return
    launch("im2col", "col2im", out.size, col, out, *_geometry(out, kernel, stride, pad, dilation, col))


def _taps(kernel: Sequence[int]) -> int:
    taps = 1
    for k in kernel:
        taps *= int(k)
    return taps


def _geometry(x: Any, kernel: Any, stride: Any, pad: Any, dilation: Any, col: Any) -> list[int]:
    """Return N, C, then three numbers each: size of x, kernel, stride, pad, dilation, positions."""
    groups = [(x.shape[2:], 1), (kernel, 1), (stride, 1), (pad, 0), (dilation, 1), (col.shape[2:], 1)]
    numbers = [x.shape[0], x.shape[1]]
    for group, neutral in groups:
        numbers += [neutral] * (AXES - len(group)) + [int(number) for number in group]
    return numbers
