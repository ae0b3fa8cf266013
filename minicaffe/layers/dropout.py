"""Dropout: zero each number with probability p = dropout_ratio, and make up for it by scaling the others.

bottom[0]      x, any shape
top[0]         y, the shape of x; may be the bottom itself
dropout_param  dropout_ratio p in [0, 1) (default 0.5); scale_train (default true; Fast R-CNN's fork of Caffe);
               sample_weights_test (default false; SegNet's fork)

|                    | TRAIN               | TEST         |
|--------------------|---------------------|--------------|
| scale_train: true  | y = x · m / (1 − p) | y = x        |
| scale_train: false | y = x · m           | y = x (1 − p)|

with a mask m of zeros and ones, drawn anew in every forward; the gradient multiplies dy by what x was multiplied by.
The layer's own phase decides; `sample_weights_test: true` keeps it dropping in TEST. In TEST a top of its own gets a
copy of x: a layer working in place on it must not reach what others read. Source: Caffe's dropout_layer; Srivastava
et al., 2014.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.elementwise import Elementwise
from minicaffe.phase import TRAIN


@register("Dropout", v1="DROPOUT")
class Dropout(Elementwise):
    """Random zeros while training."""

    mask: np.ndarray | None = None

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.dropout_param
        self.ratio: float = param.dropout_ratio
        self.check(0 <= self.ratio < 1, f"dropout_ratio: {self.ratio:g} must be at least 0 and less than 1")
        self.drops = self.phase == TRAIN or param.sample_weights_test
        if self.drops:
            self.factor = 1 / (1 - self.ratio) if param.scale_train else 1.0
        else:
            self.factor = 1.0 if param.scale_train else 1 - self.ratio

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        if not self.drops:
            self.scale(x, y)
            return
        if self.mask is None or self.mask.shape != x.shape:
            self.mask = self.ops.xp.empty(x.shape, bool)
        self.ops.dropout(x, self.stream().bit_generator, self.ratio, self.factor, self.mask, y)

    def gradient(self, x: np.ndarray, y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        if self.drops:
            self.ops.masked(dy, self.mask, self.factor, dx)
        else:
            self.scale(dy, dx)

    def scale(self, x: np.ndarray, y: np.ndarray) -> None:
        """Write x · factor into `y`, which may be `x`."""
        if self.factor != 1:
            self.ops.xp.multiply(x, self.factor, out=y)
        elif not self.ops.xp.may_share_memory(x, y):
            y[...] = x
