"""Tile: a blob repeated along one axis.

bottom[0]   x, any shape with that axis
top[0]      y, `tiles` times the bottom's size along `axis`: x after x
tile_param  axis (default 1), tiles (required)

Gradient: dx = Σ of the tiles of dy. Source: Caffe's tile_layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register


@register("Tile")
class Tile(Layer):
    """Repeat."""

    bottoms = 1
    tops = 1
    in_place = False

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.tiles: int = self.param.tile_param.tiles
        self.check(self.tiles > 0, f"tiles: {self.tiles} must be given, and be 1 or more")

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        axis = self.axis(bottom[0], self.param.tile_param.axis)
        shape = bottom[0].shape
        top[0].reshape(*shape[:axis], shape[axis] * self.tiles, *shape[axis + 1 :])
        self.outer, self.inner = math.prod(shape[:axis]), math.prod(shape[axis:])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x = bottom[0].array.reshape(self.outer, 1, self.inner)
        top[0].array.reshape(self.outer, self.tiles, self.inner)[...] = x

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            dy = top[0].diff_array.reshape(self.outer, self.tiles, self.inner)
            dy.sum(axis=1, out=bottom[0].diff_array.reshape(self.outer, self.inner))
