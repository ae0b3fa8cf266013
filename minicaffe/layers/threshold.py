"""Threshold: y = 1 where x > threshold, else 0.

bottom[0]        x, any shape
top[0]           y, the shape of x; may be the bottom itself
threshold_param  threshold (default 0)

No gradient: being asked for one is an error, and `force_backward` passes it by, where Caffe aborts. Source: Caffe's
threshold_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.elementwise import Elementwise


@register("Threshold", v1="THRESHOLD")
class Threshold(Elementwise):
    """Step function."""

    no_force_backward = (0,)

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        self.ops.xp.greater(x, self.param.threshold_param.threshold, out=y)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.no_gradient(propagate_down)
