"""Swish: y = x · σ(βx), σ being the sigmoid.

bottom[0]    x, any shape
top[0]       y, the shape of x; may be the bottom itself
swish_param  beta (default 1)

Gradient: dx = dy · (βy + σ(βx) · (1 − βy)). Caffe stores σ(βx); here it is computed again from x, which takes no memory
except in place. Source: Caffe's swish_layer; Ramachandran et al., 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.elementwise import Elementwise
from minicaffe.layers.sigmoid import sigmoid


@register("Swish")
class Swish(Elementwise):
    """Sigmoid-weighted linear unit."""

    reads_x = True

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.beta: float = self.param.swish_param.beta

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        self.ops.xp.multiply(x, self.gate(x), out=y)

    def gradient(self, x: np.ndarray, y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        scaled = y * self.beta
        slope = 1 - scaled
        slope *= self.gate(x)
        slope += scaled
        self.ops.xp.multiply(dy, slope, out=dx)

    def gate(self, x: np.ndarray) -> np.ndarray:
        """Return σ(βx)."""
        gate = x * self.beta
        sigmoid(self.ops.xp, gate, gate)
        return gate
