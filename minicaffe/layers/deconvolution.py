"""Deconvolution: the transpose of a convolution, which enlarges: every input adds a weighted kernel to the output.

bottom[i]  x, batch... x C x spatial axes; all bottoms have the same shape
top[i]     y, batch... x num_output x sizes, stride(size - 1) + d(k - 1) + 1 - 2 pad along each spatial axis
blobs      W, C x num_output/group x kernel; then b, num_output, unless `bias_term: false`
convolution_param  as for Convolution. A weight_filler of type "bilinear" makes it interpolate: with kernel 2f - f % 2,
           stride f, pad ceil((f - 1) / 2) and group = num_output = C it enlarges every channel f times.

Forward is the gradient of Convolution with respect to its input, and the gradient here is Convolution's forward. As W
begins with the channels, fillers see a fan-in of num_output/group * kernel.
Source: Caffe's deconv_layer; Long et al., "Fully convolutional networks for semantic segmentation" (2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.conv_geometry import Ints
from minicaffe.layers.convolution import Convolution


@register("Deconvolution", v1="DECONVOLUTION")
class Deconvolution(Convolution):
    """Transposed convolution."""

    def weight_shape(self) -> Ints:
        return (self.channels, self.outputs // self.group, *self.geometry.kernel)

    def output_sizes(self, sizes: Sequence[int]) -> Ints:
        return self.geometry.transposed_sizes(sizes)

    def algorithm(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> str:
        """Return how the convolution is computed of which this is the transpose."""
        y = self.geometry.framed(top[0].array)
        found = self.ops.conv_algorithm(y.shape, self.blobs[0].shape, *self.passing, y.dtype)
        return "/".join(dict.fromkeys(found.values()))

    def apply(self, x: Any, W: Any, b: Any, y: Any) -> None:
        self.ops.conv_backward_data(x, W, *self.passing, y)
        if b is not None:
            y += b.reshape(-1, *(1,) * len(self.geometry.kernel))

    def weights_gradient(self, x: Any, dy: Any, dW: Any) -> None:
        self.ops.conv_backward_weights(dy, x, dW, *self.passing)

    def input_gradient(self, dy: Any, W: Any, dx: Any) -> None:
        self.ops.conv(dy, W, None, *self.passing, dx)
