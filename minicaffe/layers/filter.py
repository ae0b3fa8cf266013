"""Filter: keep some of the items of a batch.

bottom[0], ...  one or more blobs of N items each
bottom[last]    the selector: N numbers (axes after the first of size 1); items where it is not 0 are kept
top[i]          the kept items of bottom[i]; none at all gives a top of 0 items

While the net is being built nothing is known of the selector's values and all N items are taken to stay.
Gradient: dx = dy at the items kept, 0 at the others. The selector has none: being asked for it is an error.
Source: Caffe's filter_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register


@register("Filter")
class Filter(Layer):
    """Keep the items that the last bottom selects."""

    bottoms = (2, None)
    tops = (1, None)
    in_place = False
    no_force_backward = (-1,)
    kept: np.ndarray | None = None

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.check(
            len(top) == len(bottom) - 1,
            f"has {len(bottom)} bottoms and {len(top)} tops; it needs a top for each bottom but the last, the selector",
            bottom,
        )

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        *blobs, selector = bottom
        items = selector.shape[:1]
        self.check(len(items) == 1 and selector.count == items[0], "needs a selector of one number an item", bottom)
        self.check(
            all(blob.shape[:1] == items for blob in blobs),
            f"needs bottoms of {items[0]} items, like the selector",
            bottom,
        )
        if self.kept is None:
            self.keep(self.ops.xp.arange(items[0]), bottom, top)
        else:
            self.select(bottom, top)

    def select(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Read the selector, and shape the tops by it."""
        self.keep(self.ops.xp.flatnonzero(bottom[-1].array), bottom, top)

    def keep(self, indices: np.ndarray, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Keep the items with these `indices`."""
        self.kept = indices
        for x, y in zip(bottom[:-1], top, strict=True):
            y.reshape(len(indices), *x.shape[1:])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.select(bottom, top)
        for x, y in zip(bottom[:-1], top, strict=True):
            y.array[...] = x.array[self.kept]

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.no_gradient(propagate_down, len(bottom) - 1)
        for x, y, wanted in zip(bottom[:-1], top, propagate_down[:-1], strict=True):
            if wanted:
                dx = x.diff_array
                dx[...] = 0
                dx[self.kept] = y.diff_array
