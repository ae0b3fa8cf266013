"""How a kernel lies over an image, read from a convolution_param: shared by Convolution, Deconvolution and Im2col.

The channel axis is `axis` (default 1); all axes before it together are the batch, all after it are spatial, any number
of them. `kernel_size`, `stride`, `pad` and `dilation` are given once, or once for each spatial axis; stride, pad and
dilation may be left out (1, 0 and 1). With two spatial axes `kernel_h` and `kernel_w` may stand in place of
`kernel_size`; likewise for stride and pad. Source: Caffe's base_conv_layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from minicaffe.blob import Blob
from minicaffe.layer import Layer
from minicaffe.layers.fork_fields import refuse
from minicaffe.ops.im2col import conv_output_size

Ints = tuple[int, ...]


class ConvGeometry(NamedTuple):
    """The channel axis, and one number for each spatial axis after it."""

    axis: int
    kernel: Ints
    stride: Ints
    pad: Ints
    dilation: Ints

    def framed(self, x: Any) -> Any:
        """Return `x` [batch..., C, *S] as [N, C, *S]."""
        return x.reshape(math.prod(x.shape[: self.axis]), *x.shape[self.axis :])

    def output_sizes(self, sizes: Sequence[int]) -> Ints:
        """Return how many positions the kernel takes along each spatial axis."""
        axes = zip(sizes, self.kernel, self.stride, self.pad, self.dilation, strict=True)
        return tuple(conv_output_size(*numbers) for numbers in axes)

    def transposed_sizes(self, positions: Sequence[int]) -> Ints:
        """Return the size of the image on which the kernel takes just these positions."""
        axes = zip(positions, self.kernel, self.stride, self.pad, self.dilation, strict=True)
        return tuple(s * (n - 1) + d * (k - 1) + 1 - 2 * p for n, k, s, p, d in axes)

    def check(self, layer: Layer, sizes: Ints, bottom: Sequence[Blob]) -> None:
        """Fail, showing all the numbers, if one of the output `sizes` is not positive."""
        if min(sizes, default=1) > 0:
            return
        layer.fail(
            f"its output would be empty: size {_by(sizes)} from input {_by(bottom[0].shape[self.axis + 1 :])}, "
            f"kernel {_by(self.kernel)}, stride {_by(self.stride)}, pad {_by(self.pad)}, dilation {_by(self.dilation)}",
            bottom,
        )

    def check_input(self, layer: Layer, channels: int, bottom: Sequence[Blob]) -> None:
        """Fail unless all bottoms have one shape, with the axes and the channels that the layer was set up for."""
        shape = bottom[0].shape
        layer.check(all(blob.shape == shape for blob in bottom), "all its bottoms must have the same shape", bottom)
        axes = self.axis + 1 + len(self.kernel)
        layer.check(
            len(shape) == axes and shape[self.axis] == channels,
            f"it was set up for {axes} axes with {channels} channels at axis {self.axis}, which may not change",
            bottom,
        )


def read_geometry(layer: Layer, bottom: Blob) -> ConvGeometry:
    """Return the geometry that the layer's convolution_param gives a bottom of this shape."""
    param = layer.param.convolution_param
    fused = "write a layer of its own after this one"
    refuse(layer, param, relu=fused, fuse_type=fused, fusion_type=fused, coeff=fused)
    axis = layer.axis(bottom, param.axis)
    axes = len(bottom.shape) - axis - 1
    kernel = _numbers(layer, "kernel_size", "kernel", axes, None)
    stride = _numbers(layer, "stride", "stride", axes, 1)
    pad = _numbers(layer, "pad", "pad", axes, 0)
    dilation = _numbers(layer, "dilation", None, axes, 1)
    for name, values in ("kernel_size", kernel), ("stride", stride), ("dilation", dilation):
        layer.check(all(value > 0 for value in values), f"{name} {_by(values)} must be positive along every axis")
    return ConvGeometry(axis, kernel, stride, pad, dilation)


def _numbers(layer: Layer, field: str, stem: str | None, axes: int, default: int | None) -> Ints:
    """Return `field`, or STEM_h and STEM_w, as one number for each of `axes`; one of a pair left out is 0."""
    param = layer.param.convolution_param
    values = list(getattr(param, field))
    pair = (f"{stem}_h", f"{stem}_w")
    if stem and any(param.HasField(name) for name in pair):
        either = f"give either {field} or {pair[0]} and {pair[1]}"
        layer.check(not values, f"{either}, not both")
        layer.check(axes == 2, f"{either}: the second form needs 2 spatial axes, and there are {axes}")
        values = [getattr(param, name) for name in pair]
    if not values and default is not None:
        values = [default]
    layer.check(
        len(values) in (1, axes),
        f"{field} is given {len(values)} times: give it once, or once for each of the {axes} spatial axes",
    )
    return tuple(values if len(values) == axes else values * axes)


def _by(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes)) or "none"
