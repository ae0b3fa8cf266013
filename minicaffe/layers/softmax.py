"""Softmax: y = exp(x) / Σ exp(x) along one axis, the largest x being taken from all first so that nothing overflows.

bottom[0]  x, any shape with the axis
top[0]     y, shape of x; may be the bottom itself
softmax_param  axis (default 1, may be negative). `engine` chooses no other arithmetic.

Gradient: dx = y (dy - Σ dy y), the sum along the axis. Source: Caffe's softmax_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register


@register("Softmax", v1="SOFTMAX")
class Softmax(Layer):
    """Normalised exponentials."""

    bottoms = 1
    tops = 1

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.along = self.axis(bottom[0], self.param.softmax_param.axis, "softmax_param axis")
        self.check(bottom[0].shape[self.along] > 0, f"axis {self.along} holds nothing to choose from", bottom)
        top[0].reshape_like(bottom[0])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.ops.softmax(bottom[0].array, self.along, out=top[0].array)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            self.ops.softmax_backward(top[0].array, top[0].diff_array, self.along, out=bottom[0].diff_array)
