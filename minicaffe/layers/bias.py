"""Bias: y = x + β, β being broadcast along the axes of x that it does not have.

bottom[0]   x, any shape
bottom[1]   β, optional; else it is learned
top[0]      y, the shape of x; may be bottom[0] itself
blobs[0]    β where there is one bottom: x.shape[axis : axis + num_axes]; 0 unless `filler` says otherwise
bias_param  axis (default 1), num_axes (default 1; −1: to the end, 0: a scalar; two bottoms: as many as β has), filler

Gradient: dx = dy; dβ = Σ dy over the other axes. Source: Caffe's bias_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.broadcast import Broadcast
from minicaffe.layers.channels import column


@register("Bias")
class Bias(Broadcast):
    """Add a broadcast blob."""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if len(bottom) == 1:
            param = self.param.bias_param
            self.add_param(self.learned_shape(bottom[0], param), param.filler)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.lay_out(bottom, self.beta(bottom), self.param.bias_param.axis)
        top[0].reshape_like(bottom[0])

    def beta(self, bottom: Sequence[Blob]) -> Blob:
        """Return what is added: the second bottom, or the parameter."""
        return bottom[1] if len(bottom) > 1 else self.blobs[0]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        beta = column(self.beta(bottom).array)
        self.ops.xp.add(self.framed(bottom[0].array), beta, out=self.framed(top[0].array))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        dy = top[0].diff_array
        if len(bottom) > 1:
            if propagate_down[1]:
                bottom[1].diff_array[...] = self.gradient_of_b(dy, bottom[1])
        elif self.learns(0):
            db = self.blobs[0].diff_array
            db += self.gradient_of_b(dy, self.blobs[0])
        if propagate_down[0] and not top[0].shares_diff_with(bottom[0]):
            bottom[0].diff_array[...] = dy
