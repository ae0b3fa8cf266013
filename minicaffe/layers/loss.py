"""What all losses share: a scalar top that is made when left out, class labels, and what the sum is divided by.

Source: Caffe's loss_layer, and the normalisation of its softmax_loss_layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import Count, Layer
from minicaffe.proto import schema


class LossLayer(Layer):
    """Base of the losses: bottom[0] predictions, bottom[1] targets with as many items, top[0] one number without axes.

    The loss weight of top[0], 1 unless the prototxt says otherwise, is its diff; backward multiplies by it.
    """

    bottoms: ClassVar[Count] = 2
    tops: ClassVar[Count] = 1
    auto_top = True
    in_place = False
    no_force_backward: ClassVar[tuple[int, ...]] = (1,)
    default_loss_weights = (1.0,)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.check(
            bottom[0].shape[:1] == bottom[1].shape[:1] != (),
            "bottom[0] and bottom[1] must hold equally many items along axis 0",
            bottom,
        )
        top[0].reshape()

    def loss_weight(self, top: Sequence[Blob]) -> Any:
        """Return dL/dtop[0], what every gradient of this layer is multiplied by: a number, on a GPU still there."""
        return self.ops.number(top[0].diff_array.reshape(-1)[0])

    def items(self, bottom: Sequence[Blob]) -> int:
        """Return the number of items to divide by; 1 for an empty batch, where Caffe divides by zero."""
        return max(1, bottom[0].shape[0])


@dataclass(frozen=True)
class Labels:
    """Class labels as integers. `ignored` is None when none can be; where true, `index` is 0 and means nothing."""

    index: np.ndarray
    ignored: np.ndarray | None

    @property
    def valid(self) -> int:
        """How many labels count."""
        return self.index.size - (0 if self.ignored is None else int(self.ignored.sum()))

    def clear_ignored(self, values: np.ndarray) -> None:
        """Zero `values`, outer x inner or outer x C x inner, where the label is ignored."""
        if self.ignored is not None:
            (values if values.ndim == 2 else values.swapaxes(1, 2))[self.ignored] = 0


def read_labels(
    layer: Layer, bottom: Sequence[Blob], classes: int, shape: tuple[int, ...], ignore: int | None = None
) -> Labels:
    """Return bottom[1] as class labels of `shape`, each cut off towards zero as Caffe's cast to int does.

    A label that is neither `ignore` nor in [0, classes), or is NaN, is a NetError; Caffe reads beyond its memory there.
    """
    xp = layer.ops.xp
    values = bottom[1].array.reshape(shape)
    outside = ~((values > -1) & (values < classes))
    ignored = None
    if ignore is not None:
        ignored = xp.trunc(values) == ignore
        outside &= ~ignored
        values = xp.where(ignored, 0, values)
    if outside.any():
        _fail_outside(layer, bottom, classes, int(outside.reshape(-1).argmax()), ignore)
    return Labels(values.astype(np.int64), ignored)


def _fail_outside(layer: Layer, bottom: Sequence[Blob], classes: int, first: int, ignore: int | None) -> None:
    value = float(bottom[1].array.reshape(-1)[first])
    where = tuple(int(i) for i in np.unravel_index(first, bottom[1].shape))
    but = "" if ignore is None else f", or {ignore} to be ignored"
    layer.fail(
        f"label {value:g} at index {where} of bottom[1] is not one of the {classes} classes of bottom[0]: "
        f"expected 0 to {classes - 1}{but}",
        bottom,
    )


class Normalizer:
    """What a sum over labels is divided by, as `loss_param` says; never less than 1.

    FULL: every label; VALID: those not ignored; BATCH_SIZE: the outer axes; NONE: 1; PRE_FIXED (R-FCN family):
    `pre_fixed_normalizer`. Without `normalization`, the older `normalize` means VALID (true) or BATCH_SIZE (false);
    without either, `default` holds.
    """

    def __init__(self, loss_param: Any, default: str = "VALID"):
        self.mode = default
        self.fixed = float(getattr(loss_param, "pre_fixed_normalizer", 1.0))
        if loss_param.HasField("normalization"):
            self.mode = schema.LossParameter.NormalizationMode.Name(loss_param.normalization)
        elif loss_param.HasField("normalize"):
            self.mode = "VALID" if loss_param.normalize else "BATCH_SIZE"

    def __call__(self, outer: int, labels: int, valid: int) -> float:
        """Return the divisor for `labels` labels, `valid` of them not ignored, over `outer` items."""
        divisor = {"FULL": labels, "VALID": valid, "BATCH_SIZE": outer, "NONE": 1.0, "PRE_FIXED": self.fixed}[self.mode]
        return max(1.0, float(divisor))


def ignore_label(param: Any) -> int | None:
    """Return the `ignore_label` of a LossParameter or AccuracyParameter, None if it has none."""
    return int(param.ignore_label) if param.HasField("ignore_label") else None
