"""Pooling on a GPU: a thread for each output, and in backward for each input, which gathers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.ops import pooling as definition
from minicaffe.ops.cuda.launch import launch, suits

Pair = Sequence[int]


def pool_max(x: Any, kernel: Pair, stride: Pair, pad: Pair, y: Any, mask: Any) -> None:
    """As `minicaffe.ops.pooling.pool_max`."""
    if not _suits(x, y, mask=mask):
        definition.pool_max(x, kernel, stride, pad, y, mask)
        return
    launch("pooling", "max_forward", y.size, x, y, mask, *_window(x, y, kernel, stride, pad))


def pool_max_backward(dy: Any, mask: Any, kernel: Pair, stride: Pair, pad: Pair, dx: Any) -> None:
    """As `minicaffe.ops.pooling.pool_max_backward`."""
    if not _suits(dy, dx, mask=mask):
        definition.pool_max_backward(dy, mask, kernel, stride, pad, dx)
        return
    launch("pooling", "max_backward", dx.size, dy, mask, dx, *_window(dx, dy, kernel, stride, pad))


def pool_ave(x: Any, kernel: Pair, stride: Pair, pad: Pair, y: Any) -> None:
    """As `minicaffe.ops.pooling.pool_ave`."""
    if not suits(x, y):
        definition.pool_ave(x, kernel, stride, pad, y)
        return
    launch("pooling", "ave_forward", y.size, x, y, *_window(x, y, kernel, stride, pad))


def pool_ave_backward(dy: Any, kernel: Pair, stride: Pair, pad: Pair, dx: Any) -> None:
    """As `minicaffe.ops.pooling.pool_ave_backward`."""
    if not suits(dy, dx):
        definition.pool_ave_backward(dy, kernel, stride, pad, dx)
        return
    launch("pooling", "ave_backward", dx.size, dy, dx, *_window(dx, dy, kernel, stride, pad))


def pool_stochastic(x: Any, kernel: Pair, stride: Pair, pad: Pair, draws: Any, y: Any, mask: Any) -> None:
    """As `minicaffe.ops.pooling.pool_stochastic`."""
    if not _suits(x, y, mask=mask) or draws.dtype != np.float64 or not draws.flags.c_contiguous:
        definition.pool_stochastic(x, kernel, stride, pad, draws, y, mask)
        return
    launch("pooling", "stochastic_forward", y.size, x, draws, y, mask, *_window(x, y, kernel, stride, pad))


def pool_expected(x: Any, kernel: Pair, stride: Pair, pad: Pair, y: Any) -> None:
    """As `minicaffe.ops.pooling.pool_expected`."""
    if not suits(x, y):
        definition.pool_expected(x, kernel, stride, pad, y)
        return
    launch("pooling", "expected_forward", y.size, x, y, *_window(x, y, kernel, stride, pad))


def _suits(*arrays: Any, mask: Any) -> bool:
    return suits(*arrays) and mask.dtype == np.int32 and mask.flags.c_contiguous


def _window(x: Any, y: Any, kernel: Pair, stride: Pair, pad: Pair) -> list[int]:
    """Return the number of planes, then two numbers each: size of x and of y, kernel, stride, pad."""
    groups = x.shape[2:], y.shape[2:], kernel, stride, pad
    return [x.shape[0] * x.shape[1], *(int(number) for group in groups for number in group)]
