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

import math
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
        self.mask = self.draw_mask(x.shape) if self.drops else None
        self.apply(x, y)

    def gradient(self, x: np.ndarray, y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        self.apply(dy, dx)

    def apply(self, x: np.ndarray, y: np.ndarray) -> None:
        """Write x · mask · factor into `y`, which may be `x`."""
        xp = self.ops.xp
        if self.mask is not None:
            xp.multiply(x, self.mask, out=y)
            if self.factor != 1:
                y *= self.factor
        elif self.factor != 1:
            xp.multiply(x, self.factor, out=y)
        elif not xp.may_share_memory(x, y):
            y[...] = x

    def draw_mask(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return booleans, False with probability `ratio`: a random 32-bit number each, two from every draw."""
        size = math.prod(shape)
        bits = self.stream().bit_generator.random_raw((size + 1) // 2).view(np.uint32)[:size]
        return self.ops.xp.asarray(bits >= np.uint32(round(self.ratio * 2**32))).reshape(shape)
