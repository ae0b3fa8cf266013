"""Batches on their way to a device: filled in pinned memory, sent ahead in a stream of their own.

The thread that fills a batch also starts its copy, so it travels while the net still computes on an older one; the
net's stream waits for the copy on the device, and the program waits for nothing. Memory is used again only when that is
safe: pinned memory once it has been copied away, and its image on the device once the net has taken it over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minicaffe.blob import Blob
from minicaffe.data.prefetch import Batch


def batches(ops: Any, dtype: Any) -> Callable[[], Batch]:
    """Return what makes empty batches for nets on the device of these operations."""
    if not ops.on_device:
        return lambda: Batch(dtype)
    route = Route(ops.xp)
    return lambda: StagedBatch(route, dtype)


class Route:
    """The stream in which the batches of one layer travel to its device."""

    def __init__(self, xp: Any):
        self.xp = xp
        self.device = xp.cuda.Device()
        self.stream = xp.cuda.Stream(non_blocking=True)


class StagedBatch(Batch):
    """A batch whose arrays lie in pinned memory, and their images on the device."""

    def __init__(self, route: Route, dtype: Any = np.float32):
        super().__init__(dtype)
        self._route = route
        self._images: list[Any] = []
        self._sent: Any = None  # the event after the copies
        self._taken: Any = None  # the event after the net has read the images

    def _empty(self, count: int) -> np.ndarray:
        with self._route.device:
            memory = self._route.xp.cuda.alloc_pinned_memory(max(count * self.dtype.itemsize, 1))
        return np.frombuffer(memory, self.dtype, count)

    def recycle(self) -> None:
        if self._sent is not None:
            self._sent.synchronize()

    def send(self) -> None:
        route = self._route
        with route.device, route.stream:
            if self._taken is not None:
                route.stream.wait_event(self._taken)
            for i, array in enumerate(self.arrays):
                self._image(i, array.shape).set(array, stream=route.stream)
            self._sent = route.stream.record()

    def deliver(self, blobs: Sequence[Blob]) -> None:
        stream = self._route.xp.cuda.get_current_stream()
        stream.wait_event(self._sent)
        for i, (blob, array) in enumerate(zip(blobs, self.arrays, strict=True)):
            blob.reshape(*array.shape)
            blob.array[...] = self._image(i, array.shape)
        self._taken = stream.record()

    def _image(self, i: int, shape: Sequence[int]) -> Any:
        """Return memory on the device for array `i`, kept from use to use."""
        self._images += [None] * (i + 1 - len(self._images))
        if self._images[i] is None or self._images[i].size < math.prod(shape):
            self._images[i] = self._route.xp.empty(math.prod(shape), self.dtype)
        return self._images[i][: math.prod(shape)].reshape(shape)
