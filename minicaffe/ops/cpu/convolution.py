"""Convolution on the CPU: an algorithm for each shape, chosen by rule.

The rule looks at shapes alone, never at the clock or at the number of threads, so that a net's numbers are the same in
every run. All algorithms compute what `minicaffe.ops.convolution` defines, but sum in other orders.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.ops.convolution import PASSES, Geometry
from minicaffe.ops.cpu import plain_convolution as plain
from minicaffe.ops.cpu import pointwise

Ints = Sequence[int]

# Winograd's transforms cost as much as they save when each serves fewer channels than this.
CHANNELS = 16
# With fewer tiles of 4 x 4 outputs, Winograd's weights are more work than its products.
TILES = 8
FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS = PASSES


def conv_algorithm(
    x_shape: Ints, W_shape: Ints, stride: Ints, pad: Ints, dilation: Ints, group: int, dtype: Any
) -> dict[str, str]:
    """Return how each pass is computed.

    "winograd" (3 x 3 with stride 1 in a quarter of the multiplications), "product" (1 x 1: the image is its own
    columns), "columns" (a product over columns made a few at a time), "direct" (each channel by itself), "plain" (the
    definition).
    """
    if np.dtype(dtype) != np.float32 or len(x_shape) != 4:
        return dict.fromkeys(PASSES, "plain")
    outputs, channels, *kernel = W_shape[0] // group, *W_shape[1:]
    g = Geometry(tuple(kernel), tuple(stride), tuple(pad), tuple(dilation), group)
    columns = "product" if pointwise.suits(g) else "columns"
    if channels == 1 and group > 1:
        return dict.fromkeys(PASSES, "direct")
    if group > 1 and min(outputs, channels) < 4:
        return dict.fromkeys(PASSES, "plain")
    small = tuple(kernel) == (3, 3) and g.stride == (1, 1) and g.dilation == (1, 1) and max(pad) <= 2
    if not small or min(outputs, channels) < CHANNELS:
        return dict.fromkeys(PASSES, columns)
    tiles = x_shape[0] * math.prod(-(-(size + 2 * p - 2) // 4) for size, p in zip(x_shape[2:], pad, strict=True))
    if tiles < TILES:
        return dict.fromkeys(PASSES, columns)
    return dict.fromkeys(PASSES, "winograd")


def _choose(which: str, x: Any, W: Any, y: Any, *passing: Any) -> str:
    """Return the algorithm of one pass over these arrays."""
    if not all(a.dtype == np.float32 and a.flags.c_contiguous and a.size for a in (x, W, y)):
        return "plain"
    stride, pad, dilation, group = passing
    return conv_algorithm(x.shape, W.shape, stride, pad, dilation, group, np.float32)[which]


def conv(
    x: Any, W: Any, b: Any, stride: Ints, pad: Ints, dilation: Ints, group: int, out: Any, relu: bool = False
) -> None:
    """As `minicaffe.ops.convolution.conv`."""
    algorithm = _choose(FORWARD, x, W, out, stride, pad, dilation, group)
    if algorithm == "plain" or (b is not None and b.dtype != np.float32):
        plain.conv(x, W, b, stride, pad, dilation, group, out, relu)
        return
    if b is not None:
        b = np.ascontiguousarray(b)
    if algorithm == "winograd":
        from minicaffe.ops.cpu import winograd

        winograd.conv(x, W, b, pad, group, out, relu)
        return
    if algorithm == "direct":
        from minicaffe.ops.cpu import by_channel

        by_channel.conv(x, W, b, _geometry(W, stride, pad, dilation, group), out, relu)
        return
    if algorithm == "product":
        pointwise.conv(x, W, b, _geometry(W, stride, pad, dilation, group), out, relu)
        return
    from minicaffe.ops.cpu import columns

    columns.conv(x, W, b, _geometry(W, stride, pad, dilation, group), out, relu)


def conv_backward_data(dy: Any, W: Any, stride: Ints, pad: Ints, dilation: Ints, group: int, out: Any) -> None:
    """As `minicaffe.ops.convolution.conv_backward_data`."""
    algorithm = _choose(BACKWARD_DATA, out, W, dy, stride, pad, dilation, group)
    if algorithm == "plain":
        plain.conv_backward_data(dy, W, stride, pad, dilation, group, out)
    elif algorithm == "winograd":
        from minicaffe.ops.cpu import winograd

        winograd.conv_backward_data(dy, W, pad, group, out)
    elif algorithm == "direct":
        from minicaffe.ops.cpu import by_channel

        by_channel.conv_backward_data(dy, W, _geometry(W, stride, pad, dilation, group), out)
    elif algorithm == "product":
        pointwise.conv_backward_data(dy, W, _geometry(W, stride, pad, dilation, group), out)
    else:
        from minicaffe.ops.cpu import columns

        columns.conv_backward_data(dy, W, _geometry(W, stride, pad, dilation, group), out)


def conv_backward_weights(x: Any, dy: Any, dW: Any, stride: Ints, pad: Ints, dilation: Ints, group: int) -> None:
    """As `minicaffe.ops.convolution.conv_backward_weights`."""
    algorithm = _choose(BACKWARD_WEIGHTS, x, dW, dy, stride, pad, dilation, group)
    if algorithm == "plain":
        plain.conv_backward_weights(x, dy, dW, stride, pad, dilation, group)
    elif algorithm == "winograd":
        from minicaffe.ops.cpu import winograd

        winograd.conv_backward_weights(x, dy, dW, pad, group)
    elif algorithm == "direct":
        from minicaffe.ops.cpu import by_channel

        by_channel.conv_backward_weights(x, dy, dW, _geometry(dW, stride, pad, dilation, group))
    elif algorithm == "product":
        pointwise.conv_backward_weights(x, dy, dW, _geometry(dW, stride, pad, dilation, group))
    else:
        from minicaffe.ops.cpu import columns

        columns.conv_backward_weights(x, dy, dW, _geometry(dW, stride, pad, dilation, group))


def _geometry(W: Any, stride: Ints, pad: Ints, dilation: Ints, group: int) -> Geometry:
    return Geometry(tuple(W.shape[2:]), tuple(stride), tuple(pad), tuple(dilation), group)
