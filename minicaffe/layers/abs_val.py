"""AbsVal: y = |x|.

bottom[0]  x, any shape
top[0]     y, the shape of x; may be the bottom itself (Caffe aborts there; here a copy of x is kept)

Gradient: dx = dy · sign(x), 0 at 0. Source: Caffe's absval_layer.
"""

from __future__ import annotations

import numpy as np

from minicaffe.layer import register
from minicaffe.layers.elementwise import Elementwise


@register("AbsVal", v1="ABSVAL")
class AbsVal(Elementwise):
    """Absolute value."""

    reads_x = True

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        self.ops.xp.abs(x, out=y)

    def gradient(self, x: np.ndarray, y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        self.ops.xp.multiply(dy, self.ops.xp.sign(x), out=dx)
