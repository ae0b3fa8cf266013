"""BNLL: binomial normal log likelihood, y = log(1 + eˣ), the softplus.

bottom[0]  x, any shape
top[0]     y > 0, the shape of x; may be the bottom itself

Computed as max(x, 0) + log(1 + e^−|x|), which never overflows. Gradient: dx = dy · eˣ / (1 + eˣ), read off y as
dy · (1 − e^−y), so that it is right in place too, where Caffe's is not. Source: Caffe's bnll_layer.
"""

from __future__ import annotations

import numpy as np

from minicaffe.layer import register
from minicaffe.layers.elementwise import Elementwise


@register("BNLL", v1="BNLL")
class BNLL(Elementwise):
    """Softplus."""

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        xp = self.ops.xp
        tail = xp.abs(x)
        xp.negative(tail, out=tail)
        xp.exp(tail, out=tail)
        xp.log1p(tail, out=tail)
        xp.maximum(x, 0, out=y)
        y += tail

    def gradient(self, x: np.ndarray, y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        xp = self.ops.xp
        slope = xp.expm1(-y)
        xp.negative(slope, out=slope)
        xp.multiply(dy, slope, out=dx)
