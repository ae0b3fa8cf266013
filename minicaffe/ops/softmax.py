"""Softmax along one axis, y = exp(x - max x) / sum of exp(x - max x), and the loss of what it gives to class labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.ops.arrays import array_module

SMALLEST = float(np.finfo(np.float32).tiny)  # stands in for a probability below it


def softmax(x: Any, axis: int, out: Any = None) -> Any:
    """Return the softmax of x along `axis`, in `out` (which may be x itself) when given."""
    xp = array_module(x)
    y = xp.subtract(x, x.max(axis=axis, keepdims=True), out=out)
    xp.exp(y, out=y)
    y /= y.sum(axis=axis, keepdims=True)
    return y


def softmax_backward(y: Any, dy: Any, axis: int, out: Any = None) -> Any:
    """Return the gradient with respect to x, y * (dy - sum of dy*y), in `out` (which may be dy) when given."""
    xp = array_module(y)
    dx = xp.subtract(dy, (dy * y).sum(axis=axis, keepdims=True), out=out)
    dx *= y
    return dx


def log_loss(p: Any, labels: Any, ignored: Any = None) -> Any:
    """Return the sum of -log max(p, 2^-126) over the probabilities that p [outer, C, inner] gives to `labels` [outer,
    inner], int64 in [0, C). Places where `ignored`, booleans, is true count nothing."""
    xp = array_module(p)
    picked = xp.take_along_axis(p, labels[:, None], axis=1)[:, 0]
    loss = -xp.log(xp.maximum(picked, SMALLEST))
    if ignored is not None:
        loss[ignored] = 0
    return loss.sum()


def log_loss_backward(p: Any, labels: Any, ignored: Any, scale: Any, dx: Any) -> None:
    """Write to `dx` the gradient of scale * log_loss with respect to what p is the softmax of: scale (p - 1 at the
    label), 0 where `ignored`. `scale` is a number, or an array of one."""
    xp = array_module(p)
    outer, C, inner = p.shape
    dx[...] = p
    at_label = (xp.arange(outer)[:, None] * C + labels) * inner + xp.arange(inner)
    dx.reshape(-1)[at_label] -= 1
    dx *= scale
    if ignored is not None:
        dx.swapaxes(1, 2)[ignored] = 0
