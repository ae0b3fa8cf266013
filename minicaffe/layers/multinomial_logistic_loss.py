"""MultinomialLogisticLoss: the loss of probabilities that some earlier layer already normalised.

bottom[0]  probabilities p, N x C (or N x ..., all numbers of an item are its classes)
bottom[1]  labels in [0, C), N of them
top[0]     loss, a scalar: -sum(log(max(p[label], 1e-20))) / N

Gradient: -loss weight / (N max(p[label], 1e-20)) at the label, 0 elsewhere. SoftmaxWithLoss on scores is more stable.
Source: Caffe's multinomial_logistic_loss_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.loss import LossLayer, read_labels

LOG_FLOOR = 1e-20


class OneLabelLoss(LossLayer):
    """Base of the losses with one class label for each item and all numbers of an item as its classes."""

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().reshape(bottom, top)
        N = bottom[0].shape[0]
        self.classes = bottom[0].count // max(1, N)
        self.check(
            bottom[1].count == N,
            f"one label is needed for each of the {N} items: bottom[1] has {bottom[1].count}",
            bottom,
        )

    def by_class(self, bottom: Sequence[Blob], values: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Return `values`, shaped like bottom[0], as a view N x C, and the index of every item's label in it."""
        N = bottom[0].shape[0]
        labels = read_labels(self, bottom, self.classes, (N,)).index
        return values.reshape(N, self.classes), (self.ops.xp.arange(N), labels)


@register("MultinomialLogisticLoss", v1="MULTINOMIAL_LOGISTIC_LOSS")
class MultinomialLogisticLoss(OneLabelLoss):
    """Minus the mean logarithm of the probability of the label."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        xp = self.ops.xp
        p, at_label = self.by_class(bottom, bottom[0].array)
        top[0].array[...] = -xp.log(xp.maximum(p[at_label], LOG_FLOOR)).sum() / self.items(bottom)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.no_gradient(propagate_down, 1)
        if not propagate_down[0]:
            return
        p, at_label = self.by_class(bottom, bottom[0].array)
        dp = bottom[0].diff_array.reshape(p.shape)
        dp[...] = 0
        dp[at_label] = -self.loss_weight(top) / self.items(bottom) / self.ops.xp.maximum(p[at_label], LOG_FLOOR)
