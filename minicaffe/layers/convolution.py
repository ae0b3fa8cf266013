"""Convolution: every output is a weighted sum over a window of the input and all channels of its group, plus a bias.

bottom[i]  x, batch... x C x spatial axes; all bottoms have the same shape
top[i]     y, batch... x num_output x positions, (size + 2 pad - d(k - 1) - 1) / stride + 1 of them along each spatial
           axis
blobs      W, num_output x C/group x kernel; then b, num_output, unless `bias_term: false`
convolution_param  num_output, kernel_size, stride, pad, dilation, axis (see conv_geometry), group (default 1),
           bias_term, weight_filler, bias_filler. `engine: CAFFE` is this definition product for product, any other
           engine the fastest algorithm for the shape (`ops.conv_algorithm`), on a GPU cuDNN's. `force_nd_im2col`
           chooses nothing.

A cross-correlation: the kernel is not flipped. Group g maps the g-th part of the channels to the g-th part of the
outputs. No spatial axes at all is a fully connected layer. The same W and b serve all bottoms, and their gradients add
up. Source: Caffe's base_conv_layer and conv_layer; groups: Krizhevsky et al., 2012; dilation: Yu and Koltun, 2016.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register
from minicaffe.layers.batch_norm import BatchNorm
from minicaffe.layers.conv_geometry import Ints, read_geometry
from minicaffe.layers.relu import ReLU, only_relu
from minicaffe.layers.scale import scale_among


@register("Convolution", v1="CONVOLUTION")
class Convolution(Layer):
    """N-dimensional convolution with groups and dilation."""

    backward_reads = ("bottom",)
    bottoms = (1, None)
    tops = (1, None)
    equal_counts = True
    in_place = False

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.convolution_param
        self.ops = self.ops.with_engine(param.engine)
        self.geometry = read_geometry(self, bottom[0])
        self.channels, self.outputs, self.group = bottom[0].shape[self.geometry.axis], param.num_output, param.group
        self.check(self.outputs > 0, "convolution_param needs a num_output greater than 0")
        self.check(self.channels > 0, f"its bottom has no channels at axis {self.geometry.axis}", bottom)
        self.check(
            self.group > 0 and self.channels % self.group == 0 and self.outputs % self.group == 0,
            f"group {self.group} must divide both its {self.channels} input channels and num_output {self.outputs}",
            bottom,
        )
        self.add_param(self.weight_shape(), param.weight_filler)
        if param.bias_term:
            self.add_param((self.outputs,), param.bias_filler)

    def weight_shape(self) -> Ints:
        return (self.outputs, self.channels // self.group, *self.geometry.kernel)

    def output_sizes(self, sizes: Sequence[int]) -> Ints:
        return self.geometry.output_sizes(sizes)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.geometry.check_input(self, self.channels, bottom)
        axis, shape = self.geometry.axis, bottom[0].shape
        sizes = self.output_sizes(shape[axis + 1 :])
        self.geometry.check(self, sizes, bottom)
        for blob in top:
            blob.reshape(*shape[:axis], self.outputs, *sizes)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.forward_with((), bottom, top)

    def absorbs(self, followers: Sequence[Layer]) -> bool:
        """BatchNorm with global statistics, Scale and ReLU, each if it is there: one factor and addend a channel."""
        if type(self).apply is not Convolution.apply:
            return False
        first, *others = followers
        if self.geometry.axis == 1 and isinstance(first, BatchNorm) and first.use_global:
            return not others or first.absorbs(others)
        return only_relu(followers)

    def forward_with(self, followers: Sequence[Layer], bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        norm = followers[0] if followers and isinstance(followers[0], BatchNorm) else None
        scale = scale_among(followers)
        if norm is not None and scale is not None and scale.reads_x(top):
            # Its backward needs what stands between the layers.
            self.forward(bottom, top)
            norm.forward_with(followers[1:], top, top)
            return
        W, gain = self.blobs[0].array, None
        b = self.blobs[1].array if len(self.blobs) > 1 else None
        if norm is not None:
            gain, shift = norm.affine(scale, top)
            b = shift if b is None else b * gain + shift
        rectify = len(followers) > 0 and isinstance(followers[-1], ReLU)
        for x, y in zip(bottom, top, strict=True):
            x_framed, y_framed = self.geometry.framed(x.array), self.geometry.framed(y.array)
            if followers:
                self.ops.conv(x_framed, W, b, *self.passing, y_framed, rectify, gain)
            else:
                self.apply(x_framed, W, b, y_framed)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        W = self.blobs[0]
        for wanted, x, y in zip(propagate_down, bottom, top, strict=True):
            dy = self.geometry.framed(y.diff_array)
            if len(self.blobs) > 1 and self.learns(1):
                flat = dy.reshape(*dy.shape[:2], math.prod(dy.shape[2:]))
                db = self.blobs[1].diff_array
                db += self.ops.channel_sums(flat)[0]
            if self.learns(0):
                self.weights_gradient(self.geometry.framed(x.array), dy, W.diff_array)
            if wanted:
                self.input_gradient(dy, W.array, self.geometry.framed(x.diff_array))

    def algorithm(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> str:
        """Return the algorithm of forward; where they differ, those of the gradients of the input and weights too."""
        x = self.geometry.framed(bottom[0].array)
        found = self.ops.conv_algorithm(x.shape, self.blobs[0].shape, *self.passing, x.dtype)
        return "/".join(dict.fromkeys(found.values()))

    @property
    def passing(self) -> tuple[Ints, Ints, Ints, int]:
        """How the kernel passes over the image: stride, pad, dilation, group."""
        return (*self.geometry[2:], self.group)

    def apply(self, x: Any, W: Any, b: Any, y: Any) -> None:
        """Write the output for x [N, C, *S] to `y`."""
        self.ops.conv(x, W, b, *self.passing, y)

    def weights_gradient(self, x: Any, dy: Any, dW: Any) -> None:
        """Add the gradient of the weights to `dW`."""
        self.ops.conv_backward_weights(x, dy, dW, *self.passing)

    def input_gradient(self, dy: Any, W: Any, dx: Any) -> None:
        """Write the gradient of the input to `dx`."""
        self.ops.conv_backward_data(dy, W, *self.passing, dx)
