"""SoftmaxWithLoss: softmax and multinomial logistic loss in one, numerically stable.

bottom[0]  scores, S = outer x C x inner around `softmax_param.axis` (default 1)
bottom[1]  labels in [0, C), outer * inner of them in any shape with the same first axis
top[0]     loss, a scalar: -sum(log(max(p[label], 1.18e-38))) / norm over the labels that are not `ignore_label`
top[1]     optional: the probabilities p, shape S; no gradient comes back through it

Gradient: (p - onehot(label)) * loss weight / norm, 0 where the label is ignored. norm: `loss_param.normalization`, by
default the number of labels not ignored (see `Normalizer`).

Caffe aborts on two tops unless two loss weights are written; here a missing weight of top[0] is 1 and of top[1] is 0.
Source: Caffe's softmax_loss_layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.fork_fields import refuse
from minicaffe.layers.loss import Labels, LossLayer, Normalizer, ignore_label, read_labels


class ProbabilityLoss(LossLayer):
    """Base of the losses on a softmax: p along one axis of bottom[0], and one label at every place along the others."""

    tops = (1, 2)
    shape: tuple[int, int, int]  # outer, C, inner
    labels: Labels
    norm: float

    def class_axis(self) -> int:
        """Return the axis of bottom[0] that counts classes, as the prototxt gives it."""
        return self.param.softmax_param.axis

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.loss_param
        refuse(self, param, label_smoothing="the target is the label alone")
        refuse(
            self, param, weight_by_label_freqs="an InfogainLoss whose matrix has the weights as its diagonal does it"
        )
        self.ignore = ignore_label(param)
        self.normalizer = Normalizer(param)
        self.prob = top[1] if len(top) > 1 else self.blob("prob")

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().reshape(bottom, top)
        x = bottom[0].shape
        axis = self.axis(bottom[0], self.class_axis())
        outer, inner = prod(x[:axis]), prod(x[axis + 1 :])
        self.shape = (outer, x[axis], inner)
        self.check(x[axis] > 0, f"bottom[0] has no classes along axis {axis}", bottom)
        self.check(
            bottom[1].count == outer * inner,
            f"{outer * inner} labels are needed, one for every place of bottom[0] outside its class axis {axis}: "
            f"bottom[1] has {bottom[1].count}",
            bottom,
        )
        self.prob.reshape(*x)

    def predict(self, bottom: Sequence[Blob]) -> np.ndarray:
        """Fill in the probabilities, the labels and the divisor; return p, outer x C x inner."""
        outer, classes, inner = self.shape
        axis = self.axis(bottom[0], self.class_axis())
        self.ops.softmax(bottom[0].array, axis, out=self.prob.array)
        self.labels = read_labels(self, bottom, classes, (outer, inner), self.ignore)
        self.norm = self.normalizer(outer, outer * inner, self.labels.valid)
        return self.prob.array.reshape(self.shape)


@register("SoftmaxWithLoss", v1="SOFTMAX_LOSS")
class SoftmaxWithLoss(ProbabilityLoss):
    """Cross entropy of a softmax against class labels."""

    backward_reads = ("top",)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        p = self.predict(bottom)
        top[0].array[...] = self.ops.log_loss(p, self.labels.index, self.labels.ignored) / self.norm

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.no_gradient(propagate_down, 1)
        if not propagate_down[0]:
            return
        p, dx = self.prob.array.reshape(self.shape), bottom[0].diff_array.reshape(self.shape)
        scale = self.loss_weight(top) / self.norm
        self.ops.log_loss_backward(p, self.labels.index, self.labels.ignored, scale, dx)
