"""EuclideanLoss: half the mean squared distance.

bottom[0]  a, N x ...
bottom[1]  b, N x ..., as many numbers an item
top[0]     loss, a scalar: sum((a - b)^2) / (2 N)

Gradient: da = (a - b) * loss weight / N, db = -da; both bottoms have one, so either may be the target.
Source: Caffe's euclidean_loss_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.loss import LossLayer


@register("EuclideanLoss", v1="EUCLIDEAN_LOSS")
class EuclideanLoss(LossLayer):
    """Sum of squared differences over twice the number of items."""

    no_force_backward = ()

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().reshape(bottom, top)
        self.check(bottom[0].count == bottom[1].count, "both bottoms must hold equally many numbers an item", bottom)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        a = bottom[0].array.reshape(-1)
        self.difference = a - bottom[1].array.reshape(-1)
        top[0].array[...] = self.difference.dot(self.difference) / (2 * self.items(bottom))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        scale = self.loss_weight(top) / self.items(bottom)
        for blob, wanted, sign in zip(bottom, propagate_down, (1, -1), strict=True):
            if wanted:
                self.ops.xp.multiply(self.difference, sign * scale, out=blob.diff_array.reshape(-1))
