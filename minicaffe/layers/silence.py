"""Silence: take blobs that nobody else takes, so that they are no outputs of the net.

bottom[0], ...  any blobs

Gradient: 0. Source: Caffe's silence_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register


@register("Silence", v1="SILENCE")
class Silence(Layer):
    """Consume."""

    bottoms = (1, None)
    tops = 0

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Nothing."""

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted and blob.has_diff:  # a diff without memory is zero
                blob.diff_array[...] = 0
