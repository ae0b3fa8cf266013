"""PReLU: ReLU whose slope below zero is learned, one per channel.

bottom[0]  x, N x C x ... (2 axes or more)
top[0]     y = max(x, 0) + a · min(x, 0), the shape of x; may be the bottom itself
blobs[0]   a, shape (C,), or a scalar with `channel_shared: true`; 0.25 unless `filler` says otherwise

Gradient: dx = dy where x > 0, a · dy elsewhere; da = Σ dy · min(x, 0), over each channel or over everything.
Learned slopes may be negative, so in place a copy of x is kept, as Caffe does.
Source: Caffe's prelu_layer; He et al., 2015.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.elementwise import Elementwise
from minicaffe.layers.relu import rectifier_slope
from minicaffe.proto import schema


@register("PReLU")
class PReLU(Elementwise):
    """Rectifier with learned slopes."""

    reads_x = True

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.prelu_param
        self.check(len(bottom[0].shape) >= 2, "needs a bottom of 2 axes or more: axis 1 holds the channels", bottom)
        filler = param.filler if param.HasField("filler") else schema.FillerParameter(type="constant", value=0.25)
        self.shared: bool = param.channel_shared
        self.add_param(() if self.shared else bottom[0].shape[1:2], filler)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        channels = self.blobs[0].count
        self.check(
            self.shared or bottom[0].shape[1:2] == (channels,), f"has slopes for {channels} channels on axis 1", bottom
        )
        super().reshape(bottom, top)

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        xp = self.ops.xp
        below = xp.minimum(x, 0)
        below *= self.slopes(x)
        xp.maximum(x, 0, out=y)
        y += below

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if self.learns(0):
            x, dy = self.x(bottom), top[0].diff_array
            outer, channels = (1, 1) if self.shared else x.shape[:2]
            frame = (outer, channels, math.prod(x.shape) // max(outer * channels, 1))
            _, da = self.ops.channel_sums(dy.reshape(frame), self.ops.xp.minimum(x, 0).reshape(frame))
            total = self.blobs[0].diff_array
            total += da.reshape(self.blobs[0].shape)
        super().backward(top, propagate_down, bottom)

    def gradient(self, x: np.ndarray, y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        self.ops.xp.multiply(dy, rectifier_slope(x, self.slopes(x)), out=dx)

    def slopes(self, x: np.ndarray) -> np.ndarray:
        """Return the slopes shaped so that they broadcast along axis 1 of `x`."""
        return self.blobs[0].array.reshape(-1, *[1] * (x.ndim - 2))
