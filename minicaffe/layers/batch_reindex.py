"""BatchReindex: pick items of a batch by number, in any order, any number of times.

bottom[0]  x, N x ...
bottom[1]  M indices in [0, N), one axis; numbers with a fraction are cut off
top[0]     y, M x ...: y[i] = x[index[i]]

Gradient: dx[n] = Σ of dy[i] where index[i] = n, 0 for items not picked. The indices have none: being asked for it is an
error. Source: Caffe's batch_reindex_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register


@register("BatchReindex")
class BatchReindex(Layer):
    """Gather items."""

    bottoms = 2
    tops = 1
    in_place = False
    no_force_backward = (1,)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, index = bottom
        self.check(len(x.shape) >= 1, "needs a bottom[0] of 1 axis or more", bottom)
        self.check(len(index.shape) == 1, "needs indices of 1 axis in bottom[1]", bottom)
        top[0].reshape(*index.shape, *x.shape[1:])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        items = bottom[0].shape[0]
        index = bottom[1].array.astype(np.int64)
        outside = index[(index < 0) | (index >= items)].tolist()
        if outside:
            self.fail(f"index {outside[0]} in bottom[1] is outside the {items} items of bottom[0]", bottom)
        self.index = index
        top[0].array[...] = bottom[0].array[index]

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.no_gradient(propagate_down, 1)
        if not propagate_down[0]:
            return
        dx, dy = bottom[0].diff_array, top[0].diff_array
        dx[...] = 0
        for n, dy_n in zip(self.index.tolist(), dy, strict=True):
            dx[n] += dy_n
