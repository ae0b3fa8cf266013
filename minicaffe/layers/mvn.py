"""MVN: mean-variance normalisation, every channel of every item by itself.

bottom[0]  x, N x C x H x W (fewer axes count as 1)
top[0]     y, always of 4 axes; may be the bottom itself
mvn_param  normalize_variance (default true), across_channels (default false: each item as a whole if true), eps (1e-9)

y = x − mean, then y /= √variance + eps with the biased variance. Gradient: dx = (dy − mean(dy) − y · mean(dy · y)) /
(√variance + eps), or dx = dy − mean(dy) where the variance is left alone. The former is Caffe's, exact as far as eps
is small beside √variance. Source: Caffe's mvn_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register
from minicaffe.layers.channels import column


@register("MVN", v1="MVN")
class MVN(Layer):
    """Zero mean, unit variance."""

    bottoms = 1
    tops = 1

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x = bottom[0]
        self.check(len(x.shape) <= 4, "needs a bottom of at most 4 axes", bottom)
        top[0].reshape(x.num, x.channels, x.height, x.width)
        groups = x.num if self.param.mvn_param.across_channels else x.num * x.channels
        self.frame = (1, groups, top[0].count // max(groups, 1))

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, y = bottom[0].array.reshape(self.frame), top[0].array.reshape(self.frame)
        param = self.param.mvn_param
        self.ops.xp.subtract(x, self.mean(x), out=y)
        if param.normalize_variance:
            self.divisor = self.mean(y, y) ** 0.5 + param.eps
            y /= self.divisor

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        xp = self.ops.xp
        dy, dx = top[0].diff_array.reshape(self.frame), bottom[0].diff_array.reshape(self.frame)
        if not self.param.mvn_param.normalize_variance:
            xp.subtract(dy, self.mean(dy), out=dx)
            return
        y = top[0].array.reshape(self.frame)
        through_statistics = y * self.mean(dy, y)
        through_statistics += self.mean(dy)
        xp.subtract(dy, through_statistics, out=dx)
        dx /= self.divisor

    def mean(self, x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
        """Return the mean of x, or of x · y, over each group, as a column."""
        sums, dots = self.ops.channel_sums(x, y)
        return column(sums if y is None else dots) / max(self.frame[2], 1)
