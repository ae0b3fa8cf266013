"""Stand-ins for the Python layers of published nets: they give tops of the shapes the published layers give."""

from __future__ import annotations

from typing import Any

import yaml

import minicaffe

ROIS, SIDE = 2, 224
SHAPES = {
    "data": (1, 3, SIDE, SIDE),
    "im_info": (1, 3),
    "gt_boxes": (1, 5),
    "rois": (ROIS, 5),
    "rpn_rois": (ROIS, 5),
    "scores": (ROIS, 1),
    "labels": (ROIS,),
}


class ByTopName(minicaffe.Layer):
    """Every top has the shape its name promises, with one more ending or none; `bbox_...` is 4 numbers a class."""

    def setup(self, bottom: Any, top: Any) -> None:
        # Some of the published texts name Python's own types, which a safe reader of YAML refuses.
        self.classes = yaml.safe_load(self.param_str.replace("!!python/tuple", "") or "{}").get("num_classes", 21)

    def reshape(self, bottom: Any, top: Any) -> None:
        for name, blob in zip(self.param.top, top, strict=True):
            known = [known for known in SHAPES if name.startswith(known)]
            blob.reshape(*(SHAPES[known[0]] if known else (ROIS, 4 * self.classes)))

    def forward(self, bottom: Any, top: Any) -> None:
        """Leave zeros."""


class RoIDataLayer(ByTopName):
    pass


class OHEMDataLayer(ByTopName):
    pass


class ProposalLayer(ByTopName):
    pass


class ProposalTargetLayer(ByTopName):
    pass


class AnchorTargetLayer(minicaffe.Layer):
    """Labels and targets of the anchors, A at each place of the map of scores (1, 2A, H, W)."""

    def reshape(self, bottom: Any, top: Any) -> None:
        _, scores, height, width = bottom[0].shape
        top[0].reshape(1, 1, scores // 2 * height, width)
        for blob in top[1:]:
            blob.reshape(1, 2 * scores, height, width)

    def forward(self, bottom: Any, top: Any) -> None:
        """Leave zeros."""


class EuclideanLossLayer(minicaffe.Layer):
    """The loss of the Python-layer example: half the mean squared distance."""

    def reshape(self, bottom: Any, top: Any) -> None:
        top[0].reshape(1)

    def forward(self, bottom: Any, top: Any) -> None:
        top[0].data[...] = ((bottom[0].data - bottom[1].data) ** 2).sum() / bottom[0].num / 2
