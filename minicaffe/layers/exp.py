"""Exp: y = base ^ (shift + scale · x).

bottom[0]  x, any shape
top[0]     y, the shape of x; may be the bottom itself
exp_param  base (default −1, meaning e; else > 0), scale (1), shift (0)

Computed as exp(ln(base) · scale · x) · base ^ shift. Gradient: dx = dy · y · ln(base) · scale.
Source: Caffe's exp_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.elementwise import Elementwise


@register("Exp", v1="EXP")
class Exp(Elementwise):
    """Exponential function to any base."""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.exp_param
        self.check(param.base > 0 or param.base == -1, f"base: {param.base:g} must be > 0, or -1 for e")
        log_base = 1.0 if param.base == -1 else float(np.log(param.base))
        self.inner = log_base * param.scale
        with np.errstate(over="ignore"):
            self.outer = float(np.exp(log_base * param.shift))

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        xp = self.ops.xp
        if self.inner == 1:
            xp.exp(x, out=y)
        else:
            xp.multiply(x, self.inner, out=y)
            xp.exp(y, out=y)
        if self.outer != 1:
            y *= self.outer

    def gradient(self, x: np.ndarray, y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        self.ops.xp.multiply(dy, y, out=dx)
        if self.inner != 1:
            dx *= self.inner
