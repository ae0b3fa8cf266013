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
from minicaffe.ops.cpu import by_channel, columns, pointwise, winograd
from minicaffe.ops.cpu import plain_convolution as plain
from minicaffe.ops.cpu.images import Finish

Ints = Sequence[int]

# Winograd's transforms cost as much as they save when each serves fewer channels than this.
CHANNELS = 16
# With fewer tiles of 4 x 4 outputs, Winograd's weights are more work than its products; their gradients even sooner.
LEAST_TILES, TILES = 4, 8
FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS = PASSES
# algorithm -> the module that has it, in all three passes
MODULES = {"winograd": winograd, "product": pointwise, "columns": columns, "direct": by_channel}


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
    multiplied = "product" if pointwise.suits(g) else "columns"
    if channels == 1 and group > 1:
        return dict.fromkeys(PASSES, "direct")
    if group > 1 and min(outputs, channels) < 4:
        return dict.fromkeys(PASSES, "plain")
    small = tuple(kernel) == (3, 3) and g.stride == (1, 1) and g.dilation == (1, 1) and max(pad) <= 2
    if not small or min(outputs, channels) < CHANNELS:
        return dict.fromkeys(PASSES, multiplied)
    tiles = x_shape[0] * math.prod(-(-(size + 2 * p - 2) // 4) for size, p in zip(x_shape[2:], pad, strict=True))
    if tiles < LEAST_TILES:
        return dict.fromkeys(PASSES, multiplied)
    return dict.fromkeys(PASSES, "winograd") | ({BACKWARD_WEIGHTS: multiplied} if tiles < TILES else {})


def _choose(which: str, x: Any, W: Any, y: Any, g: Geometry) -> Any:
    """Return the module that computes one pass over these arrays; None: the definition does."""
    if not all(a.dtype == np.float32 and a.flags.c_contiguous and a.size for a in (x, W, y)):
        return None
    return MODULES.get(conv_algorithm(x.shape, W.shape, g.stride, g.pad, g.dilation, g.group, np.float32)[which])


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
    """As `minicaffe.ops.convolution.conv`."""
    g = _geometry(W, stride, pad, dilation, group)
    module = _choose(FORWARD, x, W, out, g)
    if module is None or any(v is not None and v.dtype != np.float32 for v in (b, gain)):
        plain.conv(x, W, b, stride, pad, dilation, group, out, relu, gain)
    else:
        module.conv(x, W, Finish.of(len(W), gain, b, relu), g, out)


def conv_backward_data(dy: Any, W: Any, stride: Ints, pad: Ints, dilation: Ints, group: int, out: Any) -> None:
    """As `minicaffe.ops.convolution.conv_backward_data`."""
    g = _geometry(W, stride, pad, dilation, group)
    module = _choose(BACKWARD_DATA, out, W, dy, g)
    if module is None:
        plain.conv_backward_data(dy, W, stride, pad, dilation, group, out)
    else:
        module.conv_backward_data(dy, W, g, out)


def conv_backward_weights(x: Any, dy: Any, dW: Any, stride: Ints, pad: Ints, dilation: Ints, group: int) -> None:
    """As `minicaffe.ops.convolution.conv_backward_weights`."""
    g = _geometry(dW, stride, pad, dilation, group)
    module = _choose(BACKWARD_WEIGHTS, x, dW, dy, g)
    if module is None:
        plain.conv_backward_weights(x, dy, dW, stride, pad, dilation, group)
    else:
        module.conv_backward_weights(x, dy, dW, g)


def _geometry(W: Any, stride: Ints, pad: Ints, dilation: Ints, group: int) -> Geometry:
    return Geometry(tuple(W.shape[2:]), tuple(stride), tuple(pad), tuple(dilation), group)
