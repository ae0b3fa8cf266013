"""Log: y = log_base(shift + scale · x).

bottom[0]  x, any shape
top[0]     y, the shape of x; may be the bottom itself
log_param  base (default −1, meaning e; else > 0 and not 1), scale (1), shift (0)

Gradient: dx = dy · (scale / ln(base)) / (shift + scale · x); in place a copy of x is kept, where Caffe's gradient
would be wrong. An argument of 0 gives −inf, below 0 NaN. Source: Caffe's log_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.elementwise import Elementwise


@register("Log")
class Log(Elementwise):
    """Logarithm to any base."""

    reads_x = True

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.log_param
        base = param.base
        self.check(base == -1 or (base > 0 and base != 1), f"base: {base:g} must be > 0 and not 1, or -1 for e")
        self.scale: float = param.scale
        self.shift: float = param.shift
        self.factor = 1.0 if base == -1 else float(1 / np.log(base))

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        self.argument(x, y)
        self.ops.xp.log(y, out=y)
        if self.factor != 1:
            y *= self.factor

    def gradient(self, x: np.ndarray, y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        xp = self.ops.xp
        xp.divide(dy, self.argument(x, xp.empty_like(x)), out=dx)
        if self.scale * self.factor != 1:
            dx *= self.scale * self.factor

    def argument(self, x: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Write shift + scale · x into `out`, which may be `x`, and return it."""
        self.ops.xp.multiply(x, self.scale, out=out)
        if self.shift != 0:
            out += self.shift
        return out
