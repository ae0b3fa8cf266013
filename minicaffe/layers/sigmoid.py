"""Sigmoid: y = 1 / (1 + e^−x), computed as ½ tanh(x / 2) + ½, which never overflows.

bottom[0]  x, any shape
top[0]     y in (0, 1), the shape of x; may be the bottom itself

Gradient: dx = dy · y · (1 − y). Source: Caffe's sigmoid_layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.layer import register
from minicaffe.layers.elementwise import Elementwise


@register("Sigmoid", v1="SIGMOID")
class Sigmoid(Elementwise):
    """Logistic function."""

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        sigmoid(self.ops.xp, x, y)

    def gradient(self, x: np.ndarray, y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        slope = 1 - y
        slope *= y
        self.ops.xp.multiply(dy, slope, out=dx)


def sigmoid(xp: Any, x: np.ndarray, y: np.ndarray) -> None:
    """Write 1 / (1 + e^−x) into `y`, which may be `x`."""
    xp.multiply(x, 0.5, out=y)
    xp.tanh(y, out=y)
    y *= 0.5
    y += 0.5
