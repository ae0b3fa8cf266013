"""Convolution without cuDNN: the definition, with columns made and summed by kernels and products by cuBLAS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.ops import convolution as definition
from minicaffe.ops.cuda.im2col import col2im, im2col
from minicaffe.ops.cuda.products import add_matmul, finish

Ints = Sequence[int]


def conv(
    x: Any,
    W: Any,
    b: Any,
    stride: Ints,
    pad: Ints,
    dilation: Ints,
    group: int,
    out: Any,
    relu: bool = False,
    gain: Any = None,
) -> None:
    """As `minicaffe.ops.convolution.conv`; `relu` takes the larger of the result and 0."""
    definition.conv(x, W, None, stride, pad, dilation, group, out, columns=im2col)
    finish(out, b, relu, gain)


def conv_backward_data(dy: Any, W: Any, stride: Ints, pad: Ints, dilation: Ints, group: int, out: Any) -> None:
    """As `minicaffe.ops.convolution.conv_backward_data`."""
    definition.conv_backward_data(dy, W, stride, pad, dilation, group, out, sums=col2im)


def conv_backward_weights(x: Any, dy: Any, dW: Any, stride: Ints, pad: Ints, dilation: Ints, group: int) -> None:
    """As `minicaffe.ops.convolution.conv_backward_weights`."""
    definition.conv_backward_weights(x, dy, dW, stride, pad, dilation, group, columns=im2col, add=add_matmul)
