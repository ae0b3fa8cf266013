"""Flatten: some axes made one.

bottom[0]      any shape with those axes
top[0]         the bottom's data and diff, in the bottom's own memory, with the axes from `axis` to `end_axis` made one
flatten_param  axis (default 1), end_axis (default −1, the last)

Source: Caffe's flatten_layer.
"""

from __future__ import annotations

import math

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.reshape import View


@register("Flatten", v1="FLATTEN")
class Flatten(View):
    """Make several axes one."""

    def new_shape(self, bottom: Blob) -> tuple[int, ...]:
        param = self.param.flatten_param
        start, end = self.axis(bottom, param.axis), self.axis(bottom, param.end_axis, "end_axis")
        self.check(start <= end, f"axis {param.axis} comes after end_axis {param.end_axis}", [bottom])
        shape = bottom.shape
        return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])
