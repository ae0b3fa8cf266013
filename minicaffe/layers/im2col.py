"""Im2col: the windows that a convolution would see, each as a column of channels.

bottom[0]  x, batch... x C x spatial axes, at least one
top[0]     y, batch... x C * (elements of the kernel) x positions: channel c of y holds, in the order channel, kernel
           row, kernel column, what tap and channel of x it is; positions are counted as in Convolution
convolution_param  kernel_size, stride, pad, dilation, axis (see conv_geometry)

Gradient: every input collects the dy of all places it was copied to. Source: Caffe's im2col_layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register
from minicaffe.layers.conv_geometry import read_geometry


@register("Im2col", v1="IM2COL")
class Im2col(Layer):
    """Windows as columns."""

    bottoms = 1
    tops = 1
    in_place = False

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.geometry = read_geometry(self, bottom[0])
        self.check(len(self.geometry.kernel) > 0, "its bottom needs a spatial axis after the channels", bottom)
        self.channels = bottom[0].shape[self.geometry.axis]

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        axis, shape = self.geometry.axis, bottom[0].shape
        self.geometry.check_input(self, self.channels, bottom)
        sizes = self.geometry.output_sizes(shape[axis + 1 :])
        self.geometry.check(self, sizes, bottom)
        top[0].reshape(*shape[:axis], self.channels * math.prod(self.geometry.kernel), *sizes)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        _, *geometry = self.geometry
        for x, y in zip(self.geometry.framed(bottom[0].array), self.geometry.framed(top[0].array), strict=True):
            self.ops.im2col(x[None], *geometry, y[:, None])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        _, *geometry = self.geometry
        bottom[0].diff_array[...] = 0
        images = self.geometry.framed(bottom[0].diff_array)
        for dx, dy in zip(images, self.geometry.framed(top[0].diff_array), strict=True):
            self.ops.col2im(dy[:, None], *geometry, dx[None])
