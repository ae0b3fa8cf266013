"""Slice: one blob cut into several along one axis.

bottom[0]            any shape with that axis
top[0], top[1], ...  its parts, in order
slice_param          axis (default 1), or its older name slice_dim; slice_point: where each part after the first begins,
                     one fewer than tops (none: equal parts)

Gradient: dx is the tops' diffs, joined. A single top and the bottom are one memory, data and diff.
Source: Caffe's slice_layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register
from minicaffe.layers.concat import axis_or_dim, parts


@register("Slice", v1="SLICE")
class Slice(Layer):
    """Cut."""

    bottoms = 1
    tops = (1, None)
    in_place = False

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        axis = axis_or_dim(self, bottom[0], self.param.slice_param, "slice_dim")
        shape = bottom[0].shape
        self.at_axis = axis
        self.sizes = self.part_sizes(bottom, len(top))
        for blob, size in zip(top, self.sizes, strict=True):
            blob.reshape(*shape[:axis], size, *shape[axis + 1 :])
        if len(top) == 1:
            top[0].share_data(bottom[0])
            top[0].share_diff(bottom[0])

    def part_sizes(self, bottom: Sequence[Blob], count: int) -> list[int]:
        """Return the sizes of `count` parts along the axis, from the slice points or equal."""
        whole = bottom[0].shape[self.at_axis]
        points = list(self.param.slice_param.slice_point)
        if not points:
            self.check(whole % count == 0, f"cannot cut axis {self.at_axis} into {count} equal parts", bottom)
            return [whole // count] * count
        self.check(
            len(points) == count - 1,
            f"slice_point is given {len(points)} times for {count} tops; {count} parts have {count - 1} cuts",
            bottom,
        )
        sizes = [stop - start for start, stop in pairwise([0, *points, whole])]
        self.check(
            min(sizes) > 0,
            f"slice points {points} must be increasing and leave something of axis {self.at_axis}, of size {whole}, "
            "to each of the tops",
            bottom,
        )
        return sizes

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if len(top) == 1:
            return
        x = bottom[0].array
        for blob, part in zip(top, parts(self.at_axis, self.sizes), strict=True):
            blob.array[...] = x[part]

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if len(top) == 1 or not propagate_down[0]:
            return
        dx = bottom[0].diff_array
        for blob, part in zip(top, parts(self.at_axis, self.sizes), strict=True):
            dx[part] = blob.diff_array if blob.has_diff else 0
