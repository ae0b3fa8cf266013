"""TanH: y = tanh(x).

bottom[0]  x, any shape
top[0]     y in (−1, 1), the shape of x; may be the bottom itself

Gradient: dx = dy · (1 − y²). Source: Caffe's tanh_layer.
"""

from __future__ import annotations

import numpy as np

from minicaffe.layer import register
from minicaffe.layers.elementwise import Elementwise


@register("TanH", v1="TANH")
class TanH(Elementwise):
    """Hyperbolic tangent."""

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        self.ops.xp.tanh(x, out=y)

    def gradient(self, x: np.ndarray, y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        slope = y * y
        self.ops.xp.subtract(1, slope, out=slope)
        self.ops.xp.multiply(dy, slope, out=dx)
