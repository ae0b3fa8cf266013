"""InfogainLoss: a softmax loss in which a matrix H says how much each mistake costs.

bottom[0]  scores, outer x C x inner around `infogain_loss_param.axis` (default 1)
bottom[1]  labels in [0, C), outer * inner of them
bottom[2]  optional: H, C * C numbers; else they are read from the BlobProto file `infogain_loss_param.source`
top[0]     loss, a scalar: -sum over places and classes c of H[label, c] log(max(p[c], 1e-20)) / norm
top[1]     optional: the probabilities p; no gradient comes back through it

Gradient: (p * sum(H[label]) - H[label]) * loss weight / norm, 0 where the label is ignored. H the identity makes it
SoftmaxWithLoss. The old switch `loss_param.normalize` is refused, as in Caffe; write `normalization`. Loss weights of
two tops: as SoftmaxWithLoss. Source: Caffe's infogain_loss_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.data.paths import resolve
from minicaffe.layer import register
from minicaffe.layers.softmax_loss import ProbabilityLoss

LOG_FLOOR = 1e-20


@register("InfogainLoss", v1="INFOGAIN_LOSS")
class InfogainLoss(ProbabilityLoss):
    """Cross entropy of a softmax against the rows of an information gain matrix."""

    bottoms = (2, 3)
    no_force_backward = (1, 2)

    def class_axis(self) -> int:
        return self.param.infogain_loss_param.axis

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().setup(bottom, top)
        self.check(
            not self.param.loss_param.HasField("normalize"),
            "takes 'normalization', not the older 'normalize': write loss_param { normalization: VALID } for true, "
            "BATCH_SIZE for false",
        )
        self.matrix = None if len(bottom) > 2 else self._read_matrix()

    def _read_matrix(self) -> np.ndarray:
        source = self.param.infogain_loss_param.source
        self.check(bool(source), "needs its matrix: a third bottom, or a file in infogain_loss_param { source: ... }")
        path = resolve(source, [self.setting.folder], f"{self.where}: matrix file")
        from minicaffe.proto.wire import read_blobproto

        return self.ops.xp.asarray(read_blobproto(path), self.setting.dtype).reshape(-1)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().reshape(bottom, top)
        classes = self.shape[1]
        numbers = bottom[2].count if self.matrix is None else self.matrix.size
        self.check(
            numbers == classes**2,
            f"the matrix must have {classes} x {classes} = {classes**2} numbers, one row a class: it has {numbers}",
            bottom,
        )

    def _rows(self, bottom: Sequence[Blob]) -> np.ndarray:
        """Return H[label] for every label, outer x C x inner, zero where it is ignored."""
        classes = self.shape[1]
        H = (bottom[2].array if self.matrix is None else self.matrix).reshape(classes, classes)
        rows = self.ops.xp.moveaxis(H[self.labels.index], 2, 1)
        self.labels.clear_ignored(rows)
        return rows

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        xp = self.ops.xp
        p = self.predict(bottom)
        self.rows = self._rows(bottom)
        top[0].array[...] = -(self.rows * xp.log(xp.maximum(p, LOG_FLOOR))).sum() / self.norm

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.no_gradient(propagate_down, 1, 2)
        if not propagate_down[0]:
            return
        p = self.prob.array.reshape(self.shape)
        dx = bottom[0].diff_array.reshape(self.shape)
        dx[...] = p * self.rows.sum(axis=1, keepdims=True) - self.rows
        dx *= self.loss_weight(top) / self.norm
        self.labels.clear_ignored(dx)
