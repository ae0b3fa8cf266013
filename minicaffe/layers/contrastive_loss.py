"""ContrastiveLoss: pulls similar pairs together and pushes dissimilar ones a margin apart.

bottom[0]  a, N x C (x 1 x 1)
bottom[1]  b, same shape
bottom[2]  similar, N of them: a pair is similar unless the number, cut off towards zero, is 0
top[0]     loss, a scalar: with d = |a - b|, sum(d^2 if similar else max(margin - d, 0)^2) / (2 N);
           `legacy_version: true` has max(margin - d^2, 0) for dissimilar pairs

Gradient of a (b has the opposite), times loss weight / N: a - b if similar; -(margin - d) / (d + 1e-4) (a - b) if
dissimilar and nearer than the margin, the 1e-4 being Caffe's guard against d = 0; -(a - b) while margin > d^2 in the
legacy version.
Source: Hadsell, Chopra and LeCun, "Dimensionality reduction by learning an invariant mapping" (2006); the CPU code of
Caffe's contrastive_loss_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.loss import LossLayer

DISTANCE_GUARD = 1e-4


@register("ContrastiveLoss", v1="CONTRASTIVE_LOSS")
class ContrastiveLoss(LossLayer):
    """Squared distance of similar pairs, squared shortfall of the margin of dissimilar ones."""

    bottoms = 3
    no_force_backward = (2,)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.contrastive_loss_param
        self.margin = float(param.margin)
        self.legacy = bool(param.legacy_version)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().reshape(bottom, top)
        a, b, similar = bottom
        self.check(
            a.count == b.count and a.shape[1:2] == b.shape[1:2] and set(a.shape[2:] + b.shape[2:]) <= {1},
            "bottom[0] and bottom[1] must both have the shape N x C (or N x C x 1 x 1)",
            bottom,
        )
        self.check(similar.count == a.shape[0], "bottom[2] must hold one number for every pair", bottom)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        xp = self.ops.xp
        N = bottom[0].shape[0]
        self.difference = (bottom[0].array.reshape(-1) - bottom[1].array.reshape(-1)).reshape(N, -1 if N else 0)
        self.similar = xp.trunc(bottom[2].array.reshape(N)) != 0
        squared = (self.difference**2).sum(axis=1)
        self.distance = xp.sqrt(squared)
        self.shortfall = xp.maximum(self.margin - (squared if self.legacy else self.distance), 0)
        apart = self.shortfall if self.legacy else self.shortfall**2
        top[0].array[...] = xp.where(self.similar, squared, apart).sum() / (2 * self.items(bottom))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.no_gradient(propagate_down, 2)
        xp = self.ops.xp
        pull = xp.sign(self.shortfall) if self.legacy else self.shortfall / (self.distance + DISTANCE_GUARD)
        scale = xp.where(self.similar, 1, -pull) * (self.loss_weight(top) / self.items(bottom))
        da = self.difference * scale[:, None]
        for blob, wanted, sign in zip(bottom[:2], propagate_down, (1, -1), strict=False):
            if wanted:
                xp.multiply(da, sign, out=blob.diff_array.reshape(da.shape))
