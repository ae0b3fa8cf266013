"""Concat: blobs joined along one axis.

bottom[0], bottom[1], ...  one or more, alike in all axes but the one they are joined along
top[0]                     their numbers one after the other along `axis`
concat_param               axis (default 1), or its older name concat_dim

Gradient: each bottom gets its part of dy. A single bottom and the top are one memory, data and diff.
Source: Caffe's concat_layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register


@register("Concat", v1="CONCAT")
class Concat(Layer):
    """Join."""

    backward_reads = ()
    bottoms = (1, None)
    tops = 1
    in_place = False

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        axis = axis_or_dim(self, bottom[0], self.param.concat_param, "concat_dim")
        first = bottom[0].shape
        for blob in bottom[1:]:
            alike = len(blob.shape) == len(first) and all(
                size == first[i] for i, size in enumerate(blob.shape) if i != axis
            )
            self.check(alike, f"needs bottoms alike in all axes but axis {axis}", bottom)
        self.sizes = [blob.shape[axis] for blob in bottom]
        self.at_axis = axis
        top[0].reshape(*first[:axis], sum(self.sizes), *first[axis + 1 :])
        if len(bottom) == 1:
            top[0].share_data(bottom[0])
            top[0].share_diff(bottom[0])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if len(bottom) == 1:
            return
        y = top[0].array
        for blob, part in zip(bottom, parts(self.at_axis, self.sizes), strict=True):
            y[part] = blob.array

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if len(bottom) == 1:
            return
        for i, part in enumerate(parts(self.at_axis, self.sizes)):
            if propagate_down[i]:
                bottom[i].diff_array[...] = top[0].diff_array[part]


def axis_or_dim(layer: Layer, blob: Blob, param: Any, older_name: str) -> int:
    """Return the axis that `param` names as `axis` or by its older name, which counts from the front only."""
    if not param.HasField(older_name):
        return layer.axis(blob, param.axis)
    layer.check(not param.HasField("axis"), f"axis and {older_name} are names of one thing: keep axis")
    return layer.axis(blob, getattr(param, older_name), older_name)


def parts(axis: int, sizes: Iterable[int]) -> Iterator[tuple[slice, ...]]:
    """Yield the index of each of the parts of `sizes` that lie one after the other along `axis`."""
    for start, stop in pairwise(accumulate(sizes, initial=0)):
        yield (slice(None),) * axis + (slice(start, stop),)
