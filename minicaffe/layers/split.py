"""Split: one blob for several consumers. The net inserts these layers itself.

bottom[0]            any shape
top[0], top[1], ...  the bottom's data, in the bottom's own memory; each with a diff of its own

Gradient: dx = Σ of the tops' diffs. A diff that nobody wrote, such as that of a consumer without gradient, owns no
memory and is left out of the sum. Source: Caffe's split_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register


@register("Split", v1="SPLIT")
class Split(Layer):
    """Hand one blob to several consumers, and sum their gradients."""

    backward_reads = ()
    bottoms = 1
    tops = (1, None)
    in_place = False

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        for blob in top:
            blob.reshape_like(bottom[0])
            blob.share_data(bottom[0])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Nothing: the tops are the bottom."""

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        dx = bottom[0].diff_array
        written = [blob.diff_array for blob in top if blob.has_diff]
        if len(written) < 2:
            dx[...] = written[0] if written else 0
            return
        self.ops.weighted_sum(written, [1.0] * len(written), dx)
