"""SmoothL1Loss: squared near zero, linear beyond, so that one wild box does not rule the gradient.

bottom[0]  predictions, N x ...
bottom[1]  targets, same shape
bottom[2]  optional: inside weights w_in, same shape: multiply the difference
bottom[3]  optional: outside weights w_out, same shape: multiply the loss
top[0]     loss, a scalar: sum(w_out f(w_in (bottom[0] - bottom[1]))) / N with, for s = `smooth_l1_loss_param.sigma`^2,
           f(d) = s d^2 / 2 where |d| < 1 / s, else |d| - 1 / (2 s)

Gradient of bottom[0]: w_in w_out f'(d) * loss weight / N; of bottom[1] the opposite; the weights have none, and
asking for it is ignored. N is the number of items along axis 0, not of boxes that count. **The loss weight is 0
unless the prototxt gives one**, as in the forks: write `loss_weight: 1`. Three bottoms are those of the first Fast
R-CNN, whose weights are 0 or 1: w_out is 1 then. (Its own backward leaves w_in out, which for such weights makes no
difference; the Faster R-CNN fork refuses three.) The forks run this layer on a GPU only; here it runs everywhere.
Source: Girshick, "Fast R-CNN" (2015); smooth_L1_loss_layer of the Faster R-CNN fork of Caffe.
"""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.loss import LossLayer


@register("SmoothL1Loss")
class SmoothL1Loss(LossLayer):
    """Huber-like loss of box regression, with weights inside and outside."""

    backward_reads = ("bottom",)
    bottoms = (2, 4)
    no_force_backward = ()
    default_loss_weights = (0.0,)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.sigma = float(self.param.smooth_l1_loss_param.sigma)
        self.check(self.sigma > 0, f"smooth_l1_loss_param {{ sigma: {self.sigma:g} }} must be greater than 0")

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().reshape(bottom, top)
        expected = _without_trailing_ones(bottom[0])
        for i, blob in enumerate(bottom[1:], 1):
            self.check(
                _without_trailing_ones(blob) == expected, f"bottom[{i}] must have the shape of bottom[0]", bottom
            )

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, target, *weights = (blob.array.reshape(bottom[0].shape) for blob in bottom)
        self.difference = x - target
        if weights:
            self.difference *= weights[0]
        loss = self.ops.smooth_l1(self.difference, self.sigma)
        if len(weights) > 1:
            loss *= weights[1]
        top[0].array[...] = loss.sum() / self.items(bottom)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        scale = self.loss_weight(top) / self.items(bottom)
        dx = self.ops.smooth_l1_backward(self.difference, self.sigma)
        for weight in bottom[2:]:
            dx *= weight.array.reshape(dx.shape)
        for blob, wanted, sign in zip(bottom[:2], propagate_down, (1, -1), strict=False):
            if wanted:
                self.ops.xp.multiply(dx, sign * scale, out=blob.diff_array.reshape(dx.shape))


def _without_trailing_ones(blob: Blob) -> tuple[int, ...]:
    shape = blob.shape
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape
