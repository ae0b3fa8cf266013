"""LRN: local response normalisation, dividing every activation by a power of the squares around it.

bottom[0]  x, N x C x H x W
top[0]     y, shape of x
lrn_param  local_size n (default 5, odd), alpha α (1), beta β (0.75), k (1), norm_region (ACROSS_CHANNELS). `engine`
           chooses no other arithmetic.

ACROSS_CHANNELS: y = x s^-β with s = k + α/n Σ x² over the n channels around the own one, as far as they exist.
WITHIN_CHANNEL: y = x s^-β with s = 1 + α/n² Σ x² over the n x n pixels around, as far as they lie in the image; **k is
ignored**, and it is always n² that is divided by. In Caffe this region is a net of Split, Power, Pooling and Eltwise
layers.

Gradient: dx = dy s^-β - 2βx times the sum of dy y / s with the same weights over the same neighbours.
Source: Caffe's lrn_layer; Krizhevsky et al., 2012.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register
from minicaffe.layers.fork_fields import refuse


@register("LRN", v1="LRN")
class LRN(Layer):
    """Local response normalisation, across channels or within each."""

    bottoms = 1
    tops = 1
    in_place = False
    scale: Any = None  # s of the last forward

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.lrn_param
        refuse(self, param, fuse_type="write a Pooling layer after this one")
        self.size, self.alpha, self.beta, self.k = param.local_size, param.alpha, param.beta, param.k
        self.check(self.size % 2 == 1, f"lrn_param {{ local_size: {self.size} }} must be odd: it is centred")
        self.within = param.norm_region == param.WITHIN_CHANNEL
        pad = (self.size - 1) // 2
        self.window = (self.size, self.size), (1, 1), (pad, pad)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.check(len(bottom[0].shape) == 4, "needs a bottom with 4 axes: N x C x H x W", bottom)
        top[0].reshape_like(bottom[0])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, y = bottom[0].array, top[0].array
        if self.scale is None or self.scale.shape != x.shape:
            self.scale = self.ops.xp.empty_like(x)
        if not self.within:
            self.ops.lrn_across(x, self.size, self.alpha, self.beta, self.k, y, self.scale)
            return
        self.ops.pool_ave(x * x, *self.window, self.scale)
        self.scale *= self.alpha
        self.scale += 1
        self.ops.xp.power(self.scale, -self.beta, out=y)
        y *= x

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        x, y, dy, dx = bottom[0].array, top[0].array, top[0].diff_array, bottom[0].diff_array
        if not self.within:
            self.ops.lrn_across_backward(x, y, self.scale, dy, self.size, self.alpha, self.beta, dx)
            return
        self.ops.pool_ave_backward(dy * y / self.scale, *self.window, dx)
        dx *= x
        dx *= -2 * self.alpha * self.beta
        dx += dy * self.ops.xp.power(self.scale, -self.beta)
