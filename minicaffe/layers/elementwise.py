"""The base of layers that treat every number alone: y = f(x), dx = dy · f′(x).

bottom[0]  x, any shape
top[0]     y, the shape of x; may be the bottom itself

A layer of this family overrides `function` and `gradient`. Caffe lets all of them but AbsVal work in place, but there
a gradient that reads x finds y instead and comes out wrong. Here such a layer sets `reads_x`, and working in place it
keeps a copy of x: the gradient is right, at the price of one array. Overflow and invalid operands give inf and NaN
without a warning.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import Layer


class Elementwise(Layer):
    """y = x, to be overridden."""

    bottoms = 1
    tops = 1
    reads_x: bool = False  # whether `gradient` reads x; a layer whose parameters decide sets it in `setup`
    kept_x: np.ndarray | None = None

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        """Write f(x) into `y`, which may be `x`."""
        y[...] = x

    def gradient(self, x: np.ndarray, y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        """Write dy · f′(x) into `dx`, which may be `dy`. `x` may only be read where `reads_x` is set."""
        dx[...] = dy

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        top[0].reshape_like(bottom[0])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        overwritten = self.reads_x and top[0].shares_data_with(bottom[0])
        self.kept_x = keep(bottom[0].array, self.kept_x) if overwritten else None
        with np.errstate(all="ignore"):
            self.function(with_axis(self.x(bottom)), with_axis(top[0].array))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            arrays = self.x(bottom), top[0].array, top[0].diff_array, bottom[0].diff_array
            with np.errstate(all="ignore"):
                self.gradient(*map(with_axis, arrays))

    def x(self, bottom: Sequence[Blob]) -> np.ndarray:
        """Return x as it was before `forward`."""
        return bottom[0].array if self.kept_x is None else self.kept_x


def with_axis(x: np.ndarray) -> np.ndarray:
    """Return `x`, or a view of one axis if it has none: NumPy turns results without axes into plain numbers."""
    return x if x.ndim else x.reshape(1)


def keep(x: np.ndarray, memory: np.ndarray | None = None) -> np.ndarray:
    """Return a copy of `x`, made in `memory` where that fits."""
    if memory is None or memory.shape != x.shape or memory.dtype != x.dtype:
        return x.copy()
    memory[...] = x
    return memory
