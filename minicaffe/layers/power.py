"""Power: y = (shift + scale · x) ^ power.

bottom[0]    x, any shape
top[0]       y, the shape of x; may be the bottom itself
power_param  power (default 1), scale (1), shift (0)

Where power · scale = 0, y is the constant shift ^ power, or 1 if power = 0 (also for shift = 0). A negative base
under a power that is not whole gives NaN, as in Caffe.

Gradient: dx = dy · power · scale · (shift + scale · x) ^ (power − 1), computed as power · scale · y / (shift + scale
· x) except for powers 0, 1 and 2. At a base of exactly 0 Caffe's 0 / 0 gives NaN; here it is the limit: 0 above power
1, infinite below. In place a copy of x is kept, where Caffe's gradient would be wrong. Source: Caffe's power_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.elementwise import Elementwise


@register("Power", v1="POWER")
class Power(Elementwise):
    """Affine function raised to a power."""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.power_param
        self.power: float = param.power
        self.scale: float = param.scale
        self.shift: float = param.shift
        self.constant = self.power * self.scale == 0
        self.reads_x = not self.constant and self.power != 1

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        xp = self.ops.xp
        if self.constant:
            y[...] = np.power(np.float64(self.shift), self.power)
            return
        self.base(x, y)
        if self.power == 2:
            xp.square(y, out=y)
        elif self.power != 1:
            xp.power(y, self.power, out=y)

    def gradient(self, x: np.ndarray, y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        xp = self.ops.xp
        slope = self.power * self.scale
        if self.constant or self.power == 1:
            xp.multiply(dy, slope, out=dx)
            return
        base = self.base(x, xp.empty_like(x))
        if self.power == 2:
            base *= slope
        else:
            at_zero = base == 0
            xp.divide(y, base, out=base)
            base *= slope
            base[at_zero] = slope * np.power(np.float64(0), self.power - 1)
        xp.multiply(dy, base, out=dx)

    def base(self, x: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Write shift + scale · x into `out`, which may be `x`, and return it."""
        self.ops.xp.multiply(x, self.scale, out=out)
        if self.shift != 0:
            out += self.shift
        return out
