"""Parameter: a learned blob as a top, to be used like any other.

top[0]           the parameter's data, in the parameter's own memory
blobs[0]         the parameter, zero at first: there is no filler in the definition
parameter_param  shape

Gradient: the top's diff is added to the parameter's. Caffe makes them one memory, where every backward overwrites
what the last one left: the same after a single one, but with iter_size it forgets all but the last. Source: Caffe's
parameter_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register


@register("Parameter")
class Parameter(Layer):
    """A blob that learns."""

    bottoms = 0
    tops = 1

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        dims = list(self.param.parameter_param.shape.dim)
        self.check(min(dims, default=0) >= 0, f"shape {dims} has a negative size")
        self.add_param(dims)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        top[0].reshape_like(self.blobs[0])
        top[0].share_data(self.blobs[0])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Nothing: the top is the parameter."""

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if self.learns(0) and top[0].has_diff:
            total = self.blobs[0].diff_array
            total += top[0].diff_array
