"""Softmax on a GPU, a block of threads for each row or a thread for each column, and its loss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

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


def log_loss(p: Any, labels: Any, ignored: Any = None) -> Any:
    """As `minicaffe.ops.softmax.log_loss`."""
    if not _suits_labels(p, labels, ignored):
        return definition.log_loss(p, labels, ignored)
    losses = array_module(p).empty(labels.shape, p.dtype)
    launch("softmax", "log_losses", losses.size, p, labels, *_ignoring(p, ignored, losses))
    return losses.sum()


def log_loss_backward(p: Any, labels: Any, ignored: Any, scale: Any, dx: Any) -> None:
    """As `minicaffe.ops.softmax.log_loss_backward`."""
    if not _suits_labels(p, labels, ignored, dx):
        definition.log_loss_backward(p, labels, ignored, scale, dx)
        return
    factor = array_module(p).empty(1, p.dtype)
    factor[...] = scale
    launch("softmax", "log_loss_backward", dx.size, p, labels, *_ignoring(p, ignored, factor, dx))


def _suits_labels(p: Any, labels: Any, ignored: Any, *more: Any) -> bool:
    masks = [labels] if ignored is None else [labels, ignored]
    return suits(p, *more) and labels.dtype == np.int64 and all(each.flags.c_contiguous for each in masks)


def _ignoring(p: Any, ignored: Any, *arrays: Any) -> tuple[Any, ...]:
    """Return the arguments of both kernels after the labels."""
    mask = array_module(p).empty(1, np.bool_) if ignored is None else ignored
    return mask, *arrays, *p.shape, int(ignored is not None)


def _launch(which: str, shape: tuple[int, ...], axis: int, *arrays: Any) -> None:
    axis %= len(shape)
    outer, C, inner = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
    if inner == 1:
        blocks = min(outer, MOST_BLOCKS)
        launch("softmax", f"{which}_rows", outer * C, *arrays, outer, C, threads=THREADS, blocks=blocks)
    else:
        launch("softmax", f"{which}_columns", outer * inner, *arrays, outer, C, inner)
