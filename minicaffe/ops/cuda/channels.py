"""BatchNorm and Scale on a GPU: a block of threads adds up each channel, and every pass over memory is one launch."""

from __future__ import annotations

from typing import Any

from minicaffe.ops import channels as definition
from minicaffe.ops.arrays import array_module
from minicaffe.ops.cuda.launch import MOST_BLOCKS, launch, suits

BLOCK = 256  # threads, as in channels.cu


def normalise(
    x: Any, mean: Any, factor: Any, gain: Any, bias: Any, y: Any, kept: Any = None, rectify: bool = False
) -> None:
    """As `minicaffe.ops.channels.normalise`."""
    vectors = mean, factor, gain, bias
    if not suits(x, y, *(each for each in (*vectors, kept) if each is not None)):
        definition.normalise(x, mean, factor, gain, bias, y, kept, rectify)
        return
    given = [int(each is not None) for each in (mean, gain, bias, kept)]
    arrays = [x if each is None else each for each in vectors]
    launch(
        "channels", "normalise", x.size, x, *arrays, y, y if kept is None else kept, x.size, *x.shape[1:], *given,
        int(rectify),
    )  # fmt: skip


def normalise_backward(dy: Any, y: Any, h: Any, factor: Any, gain: Any, batch: bool, dx: Any) -> tuple[Any, Any]:
    """As `minicaffe.ops.channels.normalise_backward`."""
    if not suits(dy, dx, factor, *(each for each in (y, h, gain) if each is not None)):
        return definition.normalise_backward(dy, y, h, factor, gain, batch, dx)
    sums, dots = _sums(dy, y, h)
    scale = factor if gain is None else factor * gain
    launch(
        "channels", "normalise_backward", dy.size, dy, dy if y is None else y, dy if h is None else h, scale, sums,
        dots, dx, dy.size, *dy.shape[1:], 1 / max(dy.shape[0] * dy.shape[2], 1), int(y is not None), int(batch),
    )  # fmt: skip
    return sums, None if h is None else dots


def channel_moments(x: Any) -> tuple[Any, Any]:
    """As `minicaffe.ops.channels.channel_moments`."""
    if not suits(x):
        return definition.channel_moments(x)
    mean, variance = (array_module(x).empty(x.shape[1], x.dtype) for _ in range(2))
    _each_channel("moments", x.shape, x, mean, variance)
    return mean, variance


def channel_sums(dy: Any, x: Any = None) -> tuple[Any, Any]:
    """As `minicaffe.ops.channels.channel_sums`."""
    if not suits(dy, *(() if x is None else (x,))):
        return definition.channel_sums(dy, x)
    sums, dots = _sums(dy, None, x)
    return sums, None if x is None else dots


def _sums(dy: Any, y: Any, h: Any) -> tuple[Any, Any]:
    sums, dots = (array_module(dy).empty(dy.shape[1], dy.dtype) for _ in range(2))
    arrays = dy, dy if y is None else y, dy if h is None else h, sums, dots
    _each_channel("sums", dy.shape, *arrays, more=(int(y is not None), int(h is not None)))
    return sums, dots


def _each_channel(kernel: str, shape: tuple[int, ...], *arrays: Any, more: tuple[int, ...] = ()) -> None:
    """Launch a block of threads for each channel."""
    launch(
        "channels", kernel, shape[1] * BLOCK, *arrays, *shape, *more, threads=BLOCK,
        blocks=min(shape[1], MOST_BLOCKS),
    )  # fmt: skip
