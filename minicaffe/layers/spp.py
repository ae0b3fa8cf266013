"""SPP: spatial pyramid pooling, so many numbers from a map of any size.

bottom[0]  x, N x C x H x W
top[0]     y, N x (C * (1 + 4 + 16 + ...)): level i pools the map on a grid of 2^i x 2^i windows, and the levels, each
           flattened, lie one after the other. With pyramid_height 1 Caffe does not flatten: N x C x 1 x 1.
spp_param  pyramid_height (needed): how many levels; pool MAX (default), AVE or STOCHASTIC. `engine` chooses nothing
           here.

Level i has, along each axis of size n, a kernel of k = ceil(n / 2^i), which is its stride too, and a pad of half of
what k * 2^i is more than n, rounded up. On maps too small for the grid that pad is as large as the kernel, and the
level is refused. Source: Caffe's spp_layer; He et al., "Spatial pyramid pooling in deep convolutional networks" (2014).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register
from minicaffe.layers.pooling import Pool


@register("SPP")
class SPP(Layer):
    """Pooling on several grids at once."""

    bottoms = 1
    tops = 1
    in_place = False

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.height: int = self.param.spp_param.pyramid_height
        self.check(self.height > 0, "spp_param needs a pyramid_height greater than 0")
        self.size: tuple[int, ...] = ()

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.check(len(bottom[0].shape) == 4, "needs a bottom with 4 axes: N x C x H x W", bottom)
        N, C, *size = bottom[0].shape
        if tuple(size) != self.size:
            self.levels = [self.level(2**i, size) for i in range(self.height)]
            self.size = tuple(size)
        grids = [pool.output_size(bottom[0]) for pool in self.levels]
        self.shapes = [(N, C, *grid) for grid in grids]
        if self.height == 1:
            top[0].reshape(*self.shapes[0])
        else:
            top[0].reshape(N, sum(C * h * w for h, w in grids))

    def level(self, bins: int, size: Sequence[int]) -> Pool:
        """Return the pooling of a map of this size on a grid of bins x bins."""
        kernel = tuple(-(-n // bins) for n in size)
        pad = tuple((k * bins - n + 1) // 2 for k, n in zip(kernel, size, strict=True))
        fits = all(p < k for p, k in zip(pad, kernel, strict=True))
        self.check(
            fits, f"a grid of {bins} x {bins} does not fit on a map of {size[0]} x {size[1]}: lower pyramid_height"
        )
        return Pool(self, self.param.spp_param.pool, kernel, kernel, pad)  # type: ignore[arg-type]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        for pool, shape, part in zip(self.levels, self.shapes, self.parts(top[0].array), strict=True):
            y = self.ops.xp.empty(shape, part.dtype)
            pool.forward(bottom[0].array, y)
            part[...] = y.reshape(part.shape)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        total = bottom[0].diff_array
        total[...] = 0
        dx = self.ops.xp.empty_like(total)
        for pool, shape, part in zip(self.levels, self.shapes, self.parts(top[0].diff_array), strict=True):
            pool.backward(part.reshape(shape), dx)
            total += dx

    def parts(self, y: Any) -> list[Any]:
        """Return what each level has of y, N x its numbers."""
        flat, start, parts = y.reshape(len(y), math.prod(y.shape[1:])), 0, []
        for _, C, h, w in self.shapes:
            parts.append(flat[:, start : start + C * h * w])
            start += C * h * w
        return parts
