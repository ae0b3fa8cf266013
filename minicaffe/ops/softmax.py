"""Softmax along one axis: y = exp(x - max x) / sum of exp(x - max x)."""

from __future__ import annotations

from typing import Any

from minicaffe.ops.arrays import array_module


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
