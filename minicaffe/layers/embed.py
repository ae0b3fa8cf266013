"""Embed: looks up a learned vector for every whole number, y = W[x] + b.

bottom[0]  x, any shape: numbers from 0 to input_dim - 1
top[0]     y, shape of x, then num_output
blobs      W, input_dim x num_output; then b, num_output, unless `bias_term: false`
embed_param  num_output, input_dim, bias_term (default true), weight_filler, bias_filler

The same as InnerProduct on one-hot vectors. Gradient: every dy is added to the row of W it came from; x has none. A
number out of range is an error here, where Caffe checks only in debug builds. Fractions are cut off. Source: Caffe's
embed_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register


@register("Embed")
class Embed(Layer):
    """Rows of a table."""

    bottoms = 1
    tops = 1
    in_place = False
    no_force_backward = (0,)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.embed_param
        self.check(param.num_output > 0, "embed_param needs a num_output greater than 0")
        self.check(param.input_dim > 0, "embed_param needs an input_dim greater than 0")
        self.add_param((param.input_dim, param.num_output), param.weight_filler)
        if param.bias_term:
            self.add_param((param.num_output,), param.bias_filler)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        top[0].reshape(*bottom[0].shape, self.param.embed_param.num_output)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x = bottom[0].array.reshape(-1)
        rows = self.param.embed_param.input_dim
        known = (x > -1) & (x < rows)
        if not bool(known.all()):
            i = int(known.argmin())
            self.fail(
                f"number {float(x[i]):g} at position {i} is out of range: input_dim {rows} allows 0 to {rows - 1}"
            )
        self.index = x.astype(self.ops.xp.int64)
        y = top[0].array.reshape(len(x), top[0].shape[-1])
        y[...] = self.blobs[0].array[self.index]
        if len(self.blobs) > 1:
            y += self.blobs[1].array

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.no_gradient(propagate_down)
        dy = top[0].diff_array.reshape(len(self.index), top[0].shape[-1])
        if self.learns(0):
            self.ops.add_rows(dy, self.index, self.blobs[0].diff_array)
        if len(self.blobs) > 1 and self.learns(1):
            db = self.blobs[1].diff_array
            db += dy.sum(axis=0)
