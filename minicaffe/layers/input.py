"""Input: blobs that the user of the net fills.

top[0], ...  one or more
input_param  shape: one for all tops, one for each, or none: then `net.blobs[...].reshape(...)` gives them theirs

Source: Caffe's input_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register


@register("Input")
class Input(Layer):
    """The net's inputs. Shapes are given once: what the user makes of them later stays."""

    bottoms = 0
    tops = (1, None)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shapes = [list(shape.dim) for shape in self.param.input_param.shape]
        self.check(
            len(shapes) in {0, 1, len(top)},
            f"shape is given {len(shapes)} times for {len(top)} tops; give one for all, one for each, or none",
        )
        for dims in shapes:
            self.check(min(dims, default=0) >= 0, f"shape {dims} has a negative size")
        for blob, dims in zip(top, shapes if len(shapes) != 1 else shapes * len(top), strict=False):
            blob.reshape(*dims)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Nothing: the data are the user's."""
