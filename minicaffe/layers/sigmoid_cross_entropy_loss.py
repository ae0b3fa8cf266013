"""SigmoidCrossEntropyLoss: every number of bottom[0] is a yes or no of its own.

bottom[0]  scores x, any shape
bottom[1]  targets t, usually in [0, 1], as many
top[0]     loss, a scalar: sum(max(x, 0) - x t + log(1 + exp(-|x|))) / norm

Gradient: (sigmoid(x) - t) * loss weight / norm. Elements whose target, cut off towards zero, is `ignore_label` count
nowhere: with `ignore_label: 0` that includes a target of 0.7. norm: by default BATCH_SIZE, the items along axis 0;
VALID and FULL count elements (see `Normalizer`).

Source: Caffe's sigmoid_cross_entropy_loss_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.loss import LossLayer, Normalizer, ignore_label


@register("SigmoidCrossEntropyLoss", v1="SIGMOID_CROSS_ENTROPY_LOSS")
class SigmoidCrossEntropyLoss(LossLayer):
    """Cross entropy of independent sigmoids against targets of the same shape."""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.ignore = ignore_label(self.param.loss_param)
        self.normalizer = Normalizer(self.param.loss_param, default="BATCH_SIZE")

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().reshape(bottom, top)
        self.check(
            bottom[0].count == bottom[1].count,
            f"every score needs its target: bottom[0] has {bottom[0].count} numbers, bottom[1] {bottom[1].count}",
            bottom,
        )

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        xp = self.ops.xp
        x = bottom[0].array
        t = bottom[1].array.reshape(x.shape)
        loss = xp.maximum(x, 0) - x * t + xp.log1p(xp.exp(-abs(x)))
        ignored = 0
        if self.ignore is not None:
            at = xp.trunc(t) == self.ignore
            loss[at] = 0
            ignored = int(at.sum())
        self.norm = self.normalizer(x.shape[0], x.size, x.size - ignored)
        top[0].array[...] = loss.sum() / self.norm

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.no_gradient(propagate_down, 1)
        if not propagate_down[0]:
            return
        xp = self.ops.xp
        x, dx = bottom[0].array, bottom[0].diff_array
        t = bottom[1].array.reshape(x.shape)
        e = xp.exp(-abs(x))  # sigmoid(x) without overflow on either side
        dx[...] = xp.where(x < 0, e, 1) / (1 + e) - t
        dx *= self.loss_weight(top) / self.norm
        if self.ignore is not None:
            dx[xp.trunc(t) == self.ignore] = 0
