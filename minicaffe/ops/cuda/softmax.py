"""Softmax on a GPU: a block of threads for each row, or a thread for each column."""

from __future__ import annotations

import math
from typing import Any

from minicaffe.ops import softmax as definition
from minicaffe.ops.arrays import array_module
from minicaffe.ops.cuda.launch import MOST_BLOCKS, launch, suits

THREADS = 128  # as in softmax.cu


def softmax(x: Any, axis: int, out: Any = None) -> Any:
    """As `minicaffe.ops.softmax.softmax`."""
    y = array_module(x).empty_like(x) if out is None else out
    if not suits(x, y):
        return definition.softmax(x, axis, out)
    _launch("forward", x.shape, axis, x, y)
    return y


def softmax_backward(y: Any, dy: Any, axis: int, out: Any = None) -> Any:
    """As `minicaffe.ops.softmax.softmax_backward`."""
    dx = array_module(y).empty_like(y) if out is None else out
    if not suits(y, dy, dx):
        return definition.softmax_backward(y, dy, axis, out)
    _launch("backward", y.shape, axis, y, dy, dx)
    return dx


def _launch(which: str, shape: tuple[int, ...], axis: int, *arrays: Any) -> None:
    axis %= len(shape)
    outer, C, inner = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
    if inner == 1:
        blocks = min(outer, MOST_BLOCKS)
        launch("softmax", f"{which}_rows", outer * C, *arrays, outer, C, threads=THREADS, blocks=blocks)
    else:
        launch("softmax", f"{which}_columns", outer * inner, *arrays, outer, C, inner)
