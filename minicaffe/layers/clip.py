"""Clip: y = x confined to [min, max].

bottom[0]   x, any shape
top[0]      y, the shape of x; may be the bottom itself
clip_param  min, max (both required)

Gradient: dx = dy where min <= x <= max, both ends included, else 0; in place a copy of x is kept, where Caffe's
gradient would be wrong. Source: Caffe's clip_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.elementwise import Elementwise


@register("Clip")
class Clip(Elementwise):
    """Confine to an interval."""

    reads_x = True

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.clip_param
        self.check(param.HasField("min") and param.HasField("max"), "clip_param needs both min and max")
        self.low: float = param.min
        self.high: float = param.max
        self.check(self.low <= self.high, f"min: {self.low:g} is greater than max: {self.high:g}")

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        self.ops.xp.clip(x, self.low, self.high, out=y)

    def gradient(self, x: np.ndarray, y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        inside = x >= self.low
        inside &= x <= self.high
        self.ops.xp.multiply(dy, inside, out=dx)
