"""Crop: a window of one blob, as large as another.

bottom[0]   x, any shape
bottom[1]   the reference: only its shape counts
top[0]      x, with the reference's sizes in the axes from `axis` on, starting at `offset`; earlier axes are kept whole
crop_param  axis (default 2), offset (none: 0; one: for all the axes; else one for each of them)

Gradient: dx = dy within the window, 0 outside; the reference's is 0. Source: Caffe's crop_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register


@register("Crop")
class Crop(Layer):
    """Cut out a window."""

    bottoms = 2
    tops = 1
    in_place = False

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, reference = bottom
        axes = len(x.shape)
        axis = self.axis(x, self.param.crop_param.axis)
        self.check(len(reference.shape) >= axes, f"needs a bottom[1] of {axes} axes, like bottom[0]", bottom)
        offsets = self.offsets(bottom, axes - axis)
        window = []
        for i, offset in enumerate(offsets, start=axis):
            self.check(
                offset + reference.shape[i] <= x.shape[i],
                f"axis {i}: offset {offset} + size {reference.shape[i]} exceed {x.shape[i]}, the size of bottom[0]",
                bottom,
            )
            window.append(slice(offset, offset + reference.shape[i]))
        self.window = (slice(None),) * axis + tuple(window)
        top[0].reshape(*x.shape[:axis], *reference.shape[axis:axes])

    def offsets(self, bottom: Sequence[Blob], count: int) -> list[int]:
        """Return the offset in each of the `count` axes that are cropped."""
        given = list(self.param.crop_param.offset)
        self.check(
            len(given) in {0, 1, count},
            f"offset is given {len(given)} times; give it once for all, or once for each of the {count} axes cropped",
            bottom,
        )
        return given if len(given) == count else (given or [0]) * count

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        top[0].array[...] = bottom[0].array[self.window]

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            dx = bottom[0].diff_array
            dx[...] = 0
            dx[self.window] = top[0].diff_array
        if propagate_down[1] and bottom[1].has_diff:
            bottom[1].diff_array[...] = 0
