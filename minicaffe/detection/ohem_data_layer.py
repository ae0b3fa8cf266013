"""OHEMDataLayer: hands on, of all the regions that a readonly tower has scored, those with the highest loss.

bottoms, R regions, C classes:
bottom[0]  cls_prob_readonly, R x C: probabilities
bottom[1]  bbox_pred_readonly, R x 4C
bottom[2]  rois, R x 5: (image in the batch, x1, y1, x2, y2) in pixels of the network's input
bottom[3]  labels, R: classes, 0 is background
bottom[4]  bbox_targets, R x 4C; bottom[5] bbox_inside_weights and bottom[6] bbox_outside_weights alike
tops, K <= min(R, TRAIN.BATCH_SIZE) regions, the highest loss first:
top[0..4]  rois, labels, bbox_targets, bbox_inside_weights, bbox_outside_weights: those rows of bottoms 2 to 6

`param_str` is YAML: `'num_classes': 21`, or with configuration keys for this layer alone
`{num_classes: 21, TRAIN: {BATCH_SIZE: 64}}`. Those that count: TRAIN.BATCH_SIZE, for all images of the batch together;
TRAIN.OHEM_USE_NMS and TRAIN.OHEM_NMS_THRESH, suppression, see `minicaffe.detection.ohem`; TRAIN.BBOX_REG, without which
there are only bottoms 0 to 3 and tops 0 and 1. It has no gradient: every bottom needs `propagate_down: false`. K is
known only after a forward pass; until then the tops have one row.
Source: the layer of that name in the code published with Shrivastava et al. 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.detection.layer_settings import settings
from minicaffe.detection.ohem import hard_examples, roi_losses
from minicaffe.layer import Layer
from minicaffe.ops.arrays import as_numpy

NAMES = (
    "cls_prob_readonly", "bbox_pred_readonly", "rois", "labels", "bbox_targets", "bbox_inside_weights",
    "bbox_outside_weights",
)  # fmt: skip


class OHEMDataLayer(Layer):
    """Keeps the regions of highest loss."""

    bottoms = (4, 7)
    tops = (2, 5)
    in_place = False

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.cfg, self.num_classes = settings(self)
        regress = self.cfg.TRAIN.BBOX_REG
        self.names = NAMES if regress else NAMES[:4]
        self.check(
            len(bottom) == len(self.names) and len(top) == len(self.names) - 2,
            f"takes the {len(self.names)} bottoms {', '.join(self.names)} and gives {len(self.names) - 2} tops while "
            f"TRAIN.BBOX_REG is {regress}; here are {len(bottom)} bottoms and {len(top)} tops",
            bottom,
        )
        self.check(not self.cfg.TRAIN.HAS_RPN, "mines given proposals, not those of an RPN: set TRAIN.HAS_RPN to False")
        for blob, columns in zip(top, ((5,), (), *[(4 * self.num_classes,)] * 3), strict=False):
            blob.reshape(1, *columns)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        R, C = bottom[2].shape[0] if bottom[2].shape else 0, self.num_classes
        self.check(R > 0, "there are no regions to choose from", bottom)
        sizes = (C, 4 * C, 5, 1, 4 * C, 4 * C, 4 * C)
        for i, (name, blob, size) in enumerate(zip(self.names, bottom, sizes, strict=False)):
            expected = f"({R},)" if size == 1 else f"({R}, {size})"
            self.check(
                blob.count == R * size and blob.shape[:1] == (R,),
                f"bottom[{i}] must be {name}, of shape {expected} for {R} regions and num_classes {C}",
                bottom,
            )

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        arrays = [blob.array.reshape(len(blob.array), -1) for blob in bottom]
        prob, pred, rois, labels, *regression = arrays
        labels = labels[:, 0]
        self._check_labels(as_numpy(labels))
        train = self.cfg.TRAIN
        losses = roi_losses(prob, pred, labels, *regression, ops=self.ops)
        suppress = train.OHEM_NMS_THRESH if train.OHEM_USE_NMS else None
        hard = hard_examples(losses, rois, labels, train.BATCH_SIZE, suppress, self.ops)
        for source, blob in zip(bottom[2:], top, strict=True):
            blob.reshape(len(hard), *source.shape[1:])
            blob.array[...] = source.array[hard]

    def _check_labels(self, labels: np.ndarray) -> None:
        wrong = ~((labels >= 0) & (labels < self.num_classes))
        if wrong.any():
            i = int(wrong.argmax())
            self.fail(f"region {i} has the label {labels[i]:g}, but num_classes is {self.num_classes}")
