"""Convolution on a GPU: by cuDNN where it is there and takes the problem, else over columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.ops.cuda import columns, cudnn
from minicaffe.ops.cuda.products import finish

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
    if cudnn.forward(x, W, tuple(stride), tuple(pad), tuple(dilation), group, out):
        finish(out, b, relu, gain)
    else:
        columns.conv(x, W, b, stride, pad, dilation, group, out, relu, gain)


def conv_backward_data(dy: Any, W: Any, stride: Ints, pad: Ints, dilation: Ints, group: int, out: Any) -> None:
    """As `minicaffe.ops.convolution.conv_backward_data`."""
    if not cudnn.backward_data(dy, W, tuple(stride), tuple(pad), tuple(dilation), group, out):
        columns.conv_backward_data(dy, W, stride, pad, dilation, group, out)


def conv_backward_weights(x: Any, dy: Any, dW: Any, stride: Ints, pad: Ints, dilation: Ints, group: int) -> None:
    """As `minicaffe.ops.convolution.conv_backward_weights`."""
    if not cudnn.backward_weights(x, dy, dW, tuple(stride), tuple(pad), tuple(dilation), group):
        columns.conv_backward_weights(x, dy, dW, stride, pad, dilation, group)
