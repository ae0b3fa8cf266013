"""Accuracy: how often the label's score is among the best.

bottom[0]  scores, outer x C x inner around `accuracy_param.axis` (default 1)
bottom[1]  labels in [0, C), outer * inner of them; those equal to `ignore_label` do not count
top[0]     the share of labels that are right, a scalar; 0 when none counts
top[1]     optional: the same for every class, C numbers; 0 for a class without labels

A label is right if at most `top_k` (default 1) scores, its own included, are as large as its score: **ties count
against it**, so equal scores everywhere are wrong. A score that is NaN counts as larger, hence a net that has diverged
is never right (Caffe calls it right). No gradient: asking for one is an error, and `force_backward` passes it by.
Source: Caffe's accuracy_layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register
from minicaffe.layers.loss import ignore_label, read_labels


@register("Accuracy", v1="ACCURACY")
class Accuracy(Layer):
    """Share of labels within the `top_k` largest scores."""

    bottoms = 2
    tops = (1, 2)
    in_place = False
    no_force_backward = (0, 1)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.accuracy_param
        self.top_k = int(param.top_k)
        self.ignore = ignore_label(param)
        self.check(self.top_k > 0, "accuracy_param { top_k } must be at least 1")

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x = bottom[0].shape
        axis = self.axis(bottom[0], self.param.accuracy_param.axis)
        outer, inner = prod(x[:axis]), prod(x[axis + 1 :])
        self.shape = (outer, x[axis], inner)
        self.check(
            bottom[1].count == outer * inner,
            f"{outer * inner} labels are needed, one for every place of bottom[0] outside its class axis {axis}: "
            f"bottom[1] has {bottom[1].count}",
            bottom,
        )
        self.check(
            self.top_k <= x[axis],
            f"accuracy_param {{ top_k: {self.top_k} }} is more than the {x[axis]} classes along axis {axis}",
            bottom,
        )
        top[0].reshape()
        if len(top) > 1:
            top[1].reshape(x[axis])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        xp = self.ops.xp
        outer, classes, inner = self.shape
        scores = bottom[0].array.reshape(self.shape)
        labels = read_labels(self, bottom, classes, (outer, inner), self.ignore)
        own = xp.take_along_axis(scores, labels.index[:, None], axis=1)
        right = (~(scores < own)).sum(axis=1) <= self.top_k
        labels.clear_ignored(right)
        top[0].array[...] = right.sum() / max(1, labels.valid)
        if len(top) > 1:
            counted = xp.ones_like(right)
            labels.clear_ignored(counted)
            total, found = (
                xp.bincount(labels.index.ravel(), each.ravel().astype(np.float64), minlength=classes)
                for each in (counted, right)
            )
            top[1].array[...] = found / xp.maximum(total, 1)
