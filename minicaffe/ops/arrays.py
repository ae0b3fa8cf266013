"""What every operation needs to know of arrays: whose they are, and scratch memory that outlives a call."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

# Caffe's "less than anything" in every precision: the negated largest float32.
LOWEST = -3.4028234663852886e38


def array_module(x: Any) -> Any:
    """Return the module `x` belongs to: numpy, or cupy for an array on a GPU."""
    return np if isinstance(x, np.ndarray) else sys.modules[type(x).__module__.partition(".")[0]]


def as_numpy(x: Any) -> np.ndarray:
    """Return `x` on the host; a NumPy array is returned as it is."""
    return x if isinstance(x, np.ndarray) else x.get()


class Scratch(threading.local):
    """Working memory kept between calls, one piece for each purpose, dtype and device, and separate in every thread.

    Fresh memory of some megabytes costs a page fault every four kilobytes, more than the arithmetic done in it.
    """

    def __init__(self) -> None:
        self._flat: dict[tuple[str, str, str], Any] = {}

    def take(self, purpose: str, like: Any, shape: Sequence[int]) -> Any:
        """Return an array of `shape` with the dtype and device of `like`; it holds whatever the last use left there."""
        count = math.prod(shape)
        key = (purpose, str(like.dtype), str(getattr(like, "device", "cpu")))
        flat = self._flat.get(key)
        if flat is None or flat.size < count:
            flat = self._flat[key] = array_module(like).empty(count, like.dtype)
        return flat[:count].reshape(shape)
