"""Reduction: the last axes of a blob made one number.

bottom[0]        x, any shape
top[0]           y, the axes of x before `axis`; a scalar for axis 0
reduction_param  operation (default SUM), axis (default 0, may count from behind), coeff (default 1)

| operation | y                  | gradient                |
|-----------|--------------------|-------------------------|
| SUM       | coeff · Σ x        | dx = coeff · dy         |
| ASUM      | coeff · Σ abs(x)   | dx = coeff · dy sign(x) |
| SUMSQ     | coeff · Σ x²       | dx = coeff · dy · 2x    |
| MEAN      | coeff · Σ x / D    | dx = coeff · dy / D     |

each over the D numbers of the axes from `axis` on. Source: Caffe's reduction_layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register
from minicaffe.layers.channels import column
from minicaffe.proto import schema


@register("Reduction")
class Reduction(Layer):
    """Sum, sum of magnitudes, sum of squares, or mean."""

    bottoms = 1
    tops = 1
    in_place = False

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.operation = schema.ReductionParameter.ReductionOp.Name(self.param.reduction_param.operation)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.reduction_param
        shape = bottom[0].shape
        axis = self.axis(bottom[0], param.axis) if shape or param.axis else 0
        top[0].reshape(*shape[:axis])
        self.frame = (1, top[0].count, math.prod(shape[axis:]))
        self.coeff = param.coeff / max(self.frame[2], 1) if self.operation == "MEAN" else param.coeff

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        xp = self.ops.xp
        x = bottom[0].array.reshape(self.frame)
        if self.operation == "SUMSQ":
            _, total = self.ops.channel_sums(x, x)
        else:
            total, _ = self.ops.channel_sums(xp.abs(x) if self.operation == "ASUM" else x)
        xp.multiply(total.reshape(top[0].shape), self.coeff, out=top[0].array)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        xp = self.ops.xp
        x, dx = bottom[0].array.reshape(self.frame), bottom[0].diff_array.reshape(self.frame)
        scaled = column(top[0].diff_array * self.coeff)
        if self.operation == "ASUM":
            xp.multiply(xp.sign(x), scaled, out=dx)
        elif self.operation == "SUMSQ":
            xp.multiply(x, 2 * scaled, out=dx)
        else:
            dx[...] = scaled
