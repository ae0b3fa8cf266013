"""ReLU: y = x where x > 0, negative_slope · x elsewhere.

bottom[0]  x, any shape
top[0]     y, the shape of x; may be the bottom itself
relu_param negative_slope: slope a below zero (default 0). `engine` chooses no other arithmetic.

Gradient: dx = dy where x > 0, a · dy where x <= 0, 0 where x is NaN. It is read off y, whose sign is that of x unless
a < 0; then x itself is needed. Source: Caffe's relu_layer; Nair and Hinton, 2010.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register
from minicaffe.layers.elementwise import Elementwise


@register("ReLU", v1="RELU")
class ReLU(Elementwise):
    """Rectifier, leaky if asked for."""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.slope: float = self.param.relu_param.negative_slope
        self.reads_x = self.slope < 0

    @property
    def plain(self) -> bool:
        """Whether y is simply 0 below 0: what other layers can do on their way."""
        return self.slope == 0

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        self.ops.rectify(x, self.slope, y)

    def gradient(self, x: np.ndarray, y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        self.ops.rectify_backward(x if self.reads_x else y, dy, self.slope, dx)


def only_relu(followers: Sequence[Layer]) -> bool:
    """Whether these layers are one ReLU without a slope."""
    return len(followers) == 1 and isinstance(followers[0], ReLU) and followers[0].plain


def rectifier_slope(x: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return 1 where x > 0, `a` (of x's dtype, broadcast to x) where x <= 0, 0 at NaN."""
    slope = (x <= 0) * a
    slope += x > 0
    return slope
