"""InnerProduct: the fully connected layer, y = x Wᵀ + b.

bottom[0]  x; the axes before `axis` together are the M rows, the others the K inputs of each
top[0]     y, shape of x before `axis`, then num_output
blobs      W, num_output x K, or K x num_output with `transpose: true`; then b, num_output, unless `bias_term: false`
inner_product_param  num_output, axis (default 1, may be negative), transpose (default false: changes only how W is
           stored, and so what fillers see as its fan-in), bias_term, weight_filler, bias_filler

Gradient: dx = dy W, dW += dyᵀ x, db += Σ dy. The number of rows may change from one forward to the next, K may not.
Source: Caffe's inner_product_layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register
from minicaffe.layers.fork_fields import refuse
from minicaffe.layers.relu import only_relu


@register("InnerProduct", v1="INNER_PRODUCT")
class InnerProduct(Layer):
    """Fully connected layer."""

    backward_reads = ("bottom",)
    bottoms = 1
    tops = 1
    in_place = False

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.inner_product_param
        refuse(self, param, relu="write a ReLU layer after this one")
        self.outputs: int = param.num_output
        self.check(self.outputs > 0, "inner_product_param needs a num_output greater than 0")
        self.inputs = math.prod(bottom[0].shape[self.axis(bottom[0], param.axis) :])
        shape = (self.inputs, self.outputs) if param.transpose else (self.outputs, self.inputs)
        self.add_param(shape, param.weight_filler)
        if param.bias_term:
            self.add_param((self.outputs,), param.bias_filler)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape = bottom[0].shape
        axis = self.axis(bottom[0], self.param.inner_product_param.axis)
        inputs = math.prod(shape[axis:])
        self.check(inputs == self.inputs, f"expects {self.inputs} inputs from axis {axis} on, found {inputs}", bottom)
        self.rows = math.prod(shape[:axis])
        top[0].reshape(*shape[:axis], self.outputs)

    @property
    def W(self) -> Any:
        """The weights, num_output x K however they are stored."""
        W = self.blobs[0].array
        return W.T if self.param.inner_product_param.transpose else W

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.forward_with((), bottom, top)

    def absorbs(self, followers: Sequence[Layer]) -> bool:
        return only_relu(followers)

    def forward_with(self, followers: Sequence[Layer], bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, y = bottom[0].array.reshape(self.rows, self.inputs), top[0].array.reshape(self.rows, self.outputs)
        self.ops.matmul(x, self.W.T, y, self.blobs[1].array if len(self.blobs) > 1 else None, bool(followers))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        x, dy = bottom[0].array.reshape(self.rows, self.inputs), top[0].diff_array.reshape(self.rows, self.outputs)
        if self.learns(0):
            transpose = self.param.inner_product_param.transpose
            self.ops.add_matmul(x.T if transpose else dy.T, dy if transpose else x, self.blobs[0].diff_array)
        if len(self.blobs) > 1 and self.learns(1):
            db = self.blobs[1].diff_array
            db += dy.sum(axis=0)
        if propagate_down[0]:
            self.ops.matmul(dy, self.W, bottom[0].diff_array.reshape(self.rows, self.inputs))
