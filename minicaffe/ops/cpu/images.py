"""What convolution kernels are given: some channels of images, what to do with outputs, and working memory."""

from __future__ import annotations

import math
import threading
from typing import Any, NamedTuple

import numpy as np

from minicaffe.ops.convolution import Geometry

LINE = 16
"""How many float32 a line of the cache holds."""


class _Memory(threading.local):
    """Arrays of one thread, by what they are for."""

    def __init__(self) -> None:
        self.arrays: dict[str, Any] = {}


_memory = _Memory()


def room(purpose: str, count: int) -> Any:
    """Return room for `count` float32, which hold whatever the last use left there, of the thread that asks.

    It begins where a line of the cache does: a vector across two lines takes twice as long. It is kept for the next
    call, since fresh memory costs a page fault every four kilobytes, more than the arithmetic done in it.
    """
    array = _memory.arrays.get(purpose)
    if array is None or len(array) < count:
        flat = np.empty(count + LINE, np.float32)
        skip = -flat.ctypes.data // flat.itemsize % LINE
        array = _memory.arrays[purpose] = flat[skip : skip + count]
    return array[:count]


class Part(NamedTuple):
    """`channels` channels of the C-contiguous images x, from channel `first` on."""

    x: Any
    first: int
    channels: int

    @property
    def flat(self) -> Any:
        """All of x, as one row."""
        return self.x.reshape(-1)

    @property
    def size(self) -> int:
        """Pixels in an image."""
        return math.prod(self.x.shape[2:])

    @property
    def start(self) -> int:
        """Where the first channel of the first image begins in `flat`."""
        return self.first * self.size

    @property
    def stride(self) -> int:
        """How far apart in `flat` images begin."""
        return self.x.shape[1] * self.size


def parts(x: Any, groups: int) -> list[Part]:
    """Cut the channels of x into groups."""
    channels = x.shape[1] // groups
    return [Part(x, group * channels, channels) for group in range(groups)]


def by_group(W: Any, g: Geometry) -> Any:
    """Return W [O, ...] as [group, O/group, ...]."""
    return W.reshape(g.group, len(W) // g.group, *W.shape[1:])


class Finish(NamedTuple):
    """What becomes of a convolution: times gain [O], plus bias [O], but no less than the floor. NaN stays what it is.

    `needed`: whether that changes anything.
    """

    gain: Any
    bias: Any
    floor: Any
    needed: bool

    @classmethod
    def of(cls, outputs: int, gain: Any, bias: Any, relu: bool) -> Finish:
        """Return what it is for a convolution of so many outputs; gain and bias may be None."""
        return cls(
            np.ones(outputs, np.float32) if gain is None else np.ascontiguousarray(gain),
            np.zeros(outputs, np.float32) if bias is None else np.ascontiguousarray(bias),
            np.float32(0 if relu else -np.inf),
            relu or gain is not None or bias is not None,
        )

    def parts(self, groups: int) -> list[Finish]:
        """Cut it into that of each group of outputs."""
        gains, biases = self.gain.reshape(groups, -1), self.bias.reshape(groups, -1)
        return [Finish(gain, bias, *self[2:]) for gain, bias in zip(gains, biases, strict=True)]
