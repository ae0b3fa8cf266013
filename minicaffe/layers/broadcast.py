"""The base of Scale and Bias: a small blob b laid along some axes of x and repeated over the others.

bottom[0]  x, any shape
bottom[1]  b, if there is a second bottom; then b is not learned
top[0]     the shape of x; may be bottom[0] itself

b covers the axes of x from `axis` on: `num_axes` of them (−1: all that follow, 0: none, b is a scalar) when it is
learned, as many as it has when it is a bottom. Every array is seen as (outer, D, inner), b as (D, 1), D being the
count of b.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import Layer


class Broadcast(Layer):
    """What Scale and Bias share: where b lies in x, and sums over everything else."""

    bottoms = (1, 2)
    tops = 1
    frame: tuple[int, int, int]  # outer, D, inner

    def learned_shape(self, x: Blob, param: Any) -> tuple[int, ...]:
        """Return the shape of a learned b, from the `axis` and `num_axes` of `param`."""
        self.check(param.num_axes >= -1, f"num_axes: {param.num_axes} must be -1 (all from axis on), 0 or more")
        if param.num_axes == 0:
            return ()
        axis = self.axis(x, param.axis)
        if param.num_axes == -1:
            return x.shape[axis:]
        self.check(
            axis + param.num_axes <= len(x.shape),
            f"axis: {param.axis} and num_axes: {param.num_axes} reach beyond the {len(x.shape)} axes of the bottom",
            [x],
        )
        return x.shape[axis : axis + param.num_axes]

    def lay_out(self, bottom: Sequence[Blob], b: Blob, axis: int) -> None:
        """Check that `b` fits bottom[0] from `axis` on, and set `frame`."""
        x = bottom[0]
        start = self.axis(x, axis) if b.shape else 0
        covered = x.shape[start : start + len(b.shape)]
        self.check(
            covered == b.shape,
            f"what is laid along axis {start} on has shape {b.shape}, but the bottom has {covered} there",
            bottom,
        )
        self.frame = (math.prod(x.shape[:start]), b.count, math.prod(x.shape[start + len(b.shape) :]))

    def framed(self, x: np.ndarray) -> np.ndarray:
        """Return a view of `x` as (outer, D, inner)."""
        return x.reshape(self.frame)

    def gradient_of_b(self, dy: np.ndarray, b: Blob) -> np.ndarray:
        """Return, in the shape of `b`, the sums of dy over all axes that b does not cover."""
        sums, _ = self.ops.channel_sums(self.framed(dy))
        return sums.reshape(b.shape)
