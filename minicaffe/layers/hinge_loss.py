"""HingeLoss: one against all, each class with a margin of 1.

bottom[0]  scores x, N x C (all numbers of an item are its classes)
bottom[1]  labels in [0, C), N of them
top[0]     loss, a scalar: with m = max(0, 1 + d x), d = -1 at the label and +1 elsewhere,
           sum(m) / N for `norm: L1` (default), sum(m^2) / N for `norm: L2`

Gradient: d sign(m) * loss weight / N for L1, 2 d m * loss weight / N for L2.
Source: Caffe's hinge_loss_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.multinomial_logistic_loss import OneLabelLoss
from minicaffe.proto import schema


@register("HingeLoss", v1="HINGE_LOSS")
class HingeLoss(OneLabelLoss):
    """Sum of the margins violated, or of their squares."""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.squared = self.param.hinge_loss_param.norm == schema.HingeLossParameter.L2

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        m = bottom[0].array.copy()
        by_class, at_label = self.by_class(bottom, m)
        by_class[at_label] *= -1
        m += 1
        self.ops.xp.maximum(m, 0, out=m)
        self.margins = m
        top[0].array[...] = ((m * m) if self.squared else m).sum() / self.items(bottom)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.no_gradient(propagate_down, 1)
        if not propagate_down[0]:
            return
        dx = bottom[0].diff_array
        dx[...] = 2 * self.margins if self.squared else self.ops.xp.sign(self.margins)
        by_class, at_label = self.by_class(bottom, dx)
        by_class[at_label] *= -1
        dx *= self.loss_weight(top) / self.items(bottom)
