"""ArgMax: which numbers are the largest, and how large they are.

bottom[0]     x, N x ... or any shape with `axis`
top[0]        the indices of the top_k largest, as numbers, the largest first
argmax_param  out_max_val (default false), top_k k (default 1), axis (default: every item as a whole)

| axis  | out_max_val | top[0]                                                                                    |
|-------|-------------|-------------------------------------------------------------------------------------------|
| unset | false       | N x 1 x k: indices into the flattened item                                                |
| unset | true        | N x 2 x k: indices, then values                                                           |
| set   | false       | the bottom's shape, with k indices along `axis`                                           |
| set   | true        | the same with values instead                                                              |

Without `axis` the top has as many axes as the bottom, at least 3, further ones of size 1. Of equal numbers the one
with the larger index counts as larger. No gradient: being asked for one is an error, and `force_backward` passes it by,
where Caffe aborts. Source: Caffe's argmax_layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register


@register("ArgMax", v1="ARGMAX")
class ArgMax(Layer):
    """Indices of the largest numbers."""

    bottoms = 1
    tops = 1
    in_place = False
    no_force_backward = (0,)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.argmax_param
        x = bottom[0]
        if param.HasField("axis"):
            axis = self.axis(x, param.axis)
            size, shape = x.shape[axis], (*x.shape[:axis], param.top_k, *x.shape[axis + 1 :])
            self.frame = (math.prod(x.shape[:axis]), size, math.prod(x.shape[axis + 1 :]))
        else:
            self.check(len(x.shape) >= 1, "needs a bottom of 1 axis or more", bottom)
            size = math.prod(x.shape[1:])
            ones = (1,) * (len(x.shape) - 3)
            shape = (x.shape[0], 2 if param.out_max_val else 1, param.top_k, *ones)
            self.frame = (x.shape[0], size, 1)
        self.check(1 <= param.top_k <= size, f"top_k: {param.top_k} must lie between 1 and {size}", bottom)
        top[0].reshape(*shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.argmax_param
        xp = self.ops.xp
        x = bottom[0].array.reshape(self.frame)
        indices = self.largest(x, param.top_k)
        if not param.out_max_val:
            top[0].array[...] = indices.reshape(top[0].shape)
            return
        values = xp.take_along_axis(x, indices, axis=1)
        if param.HasField("axis"):
            top[0].array[...] = values.reshape(top[0].shape)
        else:
            y = top[0].array.reshape(-1, 2, param.top_k)
            y[:, 0], y[:, 1] = indices[:, :, 0], values[:, :, 0]

    def largest(self, x: np.ndarray, k: int) -> np.ndarray:
        """Return the indices along axis 1 of the `k` largest, descending, the larger index first among equals."""
        xp = self.ops.xp
        backwards = x[:, ::-1]
        if k == 1:
            found = xp.expand_dims(backwards.argmax(axis=1), 1)
        else:
            found = xp.argsort(-backwards, axis=1, kind="stable")[:, :k]
        return x.shape[1] - 1 - found
