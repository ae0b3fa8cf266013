"""What convolution kernels are given: some channels of images, and working memory."""

from __future__ import annotations

import math
import threading
from typing import Any, NamedTuple

import numpy as np

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
