"""Reshape: the same numbers, in another shape.

bottom[0]      any shape
top[0]         the bottom's data and diff, in the bottom's own memory
reshape_param  shape; axis (default 0), num_axes (default −1: all that follow)

`shape` replaces the axes of the bottom in [start, start + num_axes), start being `axis`, or counted from behind so
that −1 is after the last axis: `axis: -1 num_axes: 0` appends. In `shape`, 0 copies the size of the bottom's axis
start + i, where i is its place in `shape`; −1, at most once, is whatever makes the counts equal; anything else is a
size. Source: Caffe's reshape_layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register
from minicaffe.layers.fork_fields import refuse


class View(Layer):
    """A layer whose top is its bottom's memory in another shape."""

    bottoms = 1
    tops = 1
    in_place = False

    def new_shape(self, bottom: Blob) -> tuple[int, ...]:
        """Return the shape of the top: that of the bottom, to be overridden."""
        return bottom.shape

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape = self.new_shape(bottom[0])
        before, after = bottom[0].count, math.prod(shape)
        self.check(before == after, f"shape {written(shape)} = {after} cannot hold {before} numbers", bottom)
        top[0].reshape(*shape)
        top[0].share_data(bottom[0])
        top[0].share_diff(bottom[0])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Nothing: the top is the bottom."""

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Nothing: the top's diff is the bottom's."""


def written(shape: Sequence[int]) -> str:
    """Return `2 × 3 × 4`."""
    return " × ".join(str(size) for size in shape) or "()"


@register("Reshape")
class Reshape(View):
    """Change the shape."""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        refuse(self, self.param.reshape_param, pixelshuffler="moving channels into space is no reshaping")
        dims = list(self.param.reshape_param.shape.dim)
        self.check(dims.count(-1) <= 1, f"shape {dims} has more than one -1: only one size can be worked out")
        self.check(min(dims, default=0) >= -1, f"shape {dims} has a size below -1")
        self.check(self.param.reshape_param.num_axes >= -1, "num_axes must be -1 (all that follow axis), 0 or more")

    def new_shape(self, bottom: Blob) -> tuple[int, ...]:
        start, stop = self.replaced(bottom)
        dims = list(self.param.reshape_param.shape.dim)
        for i, dim in enumerate(dims):
            if dim == 0:
                axis = start + i
                self.check(axis < len(bottom.shape), f"the 0 in place {i} of shape {dims} copies axis {axis}", [bottom])
                dims[i] = bottom.shape[axis]
        if -1 in dims:
            dims[dims.index(-1)] = self.inferred(bottom, bottom.shape[start:stop], dims)
        return (*bottom.shape[:start], *dims, *bottom.shape[stop:])

    def inferred(self, bottom: Blob, replaced: Sequence[int], dims: Sequence[int]) -> int:
        """Return what stands for the −1 in `dims` so that they hold as many numbers as the sizes they replace."""
        others = [dim for dim in dims if dim != -1]
        if 0 in others:
            # An axis of size 0, copied: it stands on both sides and cancels out.
            replaced, others = [dim or 1 for dim in replaced], [dim or 1 for dim in others]
        whole, known = math.prod(replaced), math.prod(others)
        self.check(
            whole % known == 0,
            f"shape {list(dims)}: no size in place of -1 makes it hold {written(replaced)} = {whole} numbers, because "
            f"{written(others)} = {known} does not divide {whole}",
            [bottom],
        )
        return whole // known

    def replaced(self, bottom: Blob) -> tuple[int, int]:
        """Return the first and last + 1 of the axes that `shape` replaces."""
        param = self.param.reshape_param
        axes = len(bottom.shape)
        start = param.axis if param.axis >= 0 else axes + param.axis + 1
        self.check(0 <= start <= axes, f"axis {param.axis} is out of range for a blob of {axes} axes", [bottom])
        stop = axes if param.num_axes == -1 else start + param.num_axes
        self.check(stop <= axes, f"axis {start} + num_axes {param.num_axes} reach beyond the {axes} axes", [bottom])
        return start, stop
