"""ROIPooling: whatever the size of a box, its largest activations on a grid of fixed size.

bottom[0]  x, N x C x H x W
bottom[1]  rois, R x 5 (or R x 5 x 1 x 1): number of the image in the batch, then x1 y1 x2 y2 in input pixels, inclusive
top[0]     y, R x C x pooled_h x pooled_w
roi_pooling_param  pooled_h, pooled_w (both needed), spatial_scale (default 1: feature map size over input size),
           pad_ratio (MS-CNN; default 0: grows the box on every side by this part of its size)

Coordinates times spatial_scale are rounded half away from zero; the box is at least one pixel wide and high, and its
cells overlap where it does not divide evenly. A cell that lies outside the map gives 0.
Gradient: dx takes dy where the cell found its maximum, the first one in row-major order, always in the same order of
addition. A box that ends before it begins is pooled but passes no gradient back, as in the forks. rois have no
gradient; asked for, it is zero. The place of a maximum is not stored but found again in backward: thousands of
proposals that are only ranked cost no memory. An image number outside the batch, or a roi that is not finite, is an
error. Source: Girshick, "Fast R-CNN" (2015); roi_pooling_layer of its fork of Caffe, which runs backward only on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.blob import Blob
from minicaffe.errors import NetError
from minicaffe.layer import Layer, register
from minicaffe.layers.fork_fields import refuse


@register("ROIPooling")
class ROIPooling(Layer):
    """Maximum over a grid laid on every box."""

    backward_reads = ("bottom",)
    bottoms = 2
    tops = 1
    in_place = False
    no_force_backward = (1,)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.roi_pooling_param
        refuse(self, param, pooled_size="write pooled_h and pooled_w")
        self.pooled = (param.pooled_h, param.pooled_w)
        self.check(min(self.pooled) > 0, f"pooled_h {param.pooled_h} and pooled_w {param.pooled_w} must be above 0")
        self.scale: float = param.spatial_scale

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.check(len(bottom[0].shape) == 4, "bottom[0] must have 4 axes: N x C x H x W", bottom)
        shape = bottom[1].shape
        expected = len(shape) >= 2 and shape[1] == 5 and all(size == 1 for size in shape[2:])
        self.check(expected, "bottom[1] must be rois, R x 5: (image, x1, y1, x2, y2)", bottom)
        top[0].reshape(shape[0], bottom[0].shape[1], *self.pooled)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        try:
            self.ops.roi_pool(bottom[0].array, self.rois(bottom[1]), self.pooled, self.scale, top[0].array)
        except NetError as problem:
            self.fail(str(problem), bottom)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        x = bottom[0]
        if propagate_down[0]:
            self.ops.roi_pool_backward(x.array, self.rois(bottom[1]), top[0].diff_array, self.scale, x.diff_array)
        if propagate_down[1]:
            bottom[1].diff_array[...] = 0

    def rois(self, blob: Blob) -> Any:
        """Return the rois, R x 5, grown by pad_ratio."""
        rois = blob.array.reshape(blob.shape[0], 5)
        ratio = self.param.roi_pooling_param.pad_ratio
        if ratio:
            pad = (rois[:, 3:] - rois[:, 1:3] + 1) * ratio
            rois = self.ops.xp.concatenate((rois[:, :1], rois[:, 1:3] - pad, rois[:, 3:] + pad), axis=1)
        return rois
