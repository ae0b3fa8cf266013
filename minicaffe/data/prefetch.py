"""Filling batches ahead of their use, in a background thread, such that a run can be interrupted and resumed bit for
bit.

A `Feed` fills one batch after the other; a `Prefetcher` lets it do so while the net is computing. What has been filled
but not used yet does not count: the state a prefetcher reports is the feed's as it was after the last batch handed out.
"""

from __future__ import annotations

import math
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np

from minicaffe.blob import Blob


class Batch:
    """The arrays of one batch (of the tops, in their order), and the state of the feed after it.

    Memory is kept from use to use: `take` only makes an array where the one at hand is too small.
    """

    def __init__(self, dtype: Any = np.float32):
        self.dtype = np.dtype(dtype)
        self.arrays: list[np.ndarray] = []
        self.state: dict[str, Any] = {}
        self._memory: list[np.ndarray] = []

    def take(self, *shapes: Sequence[int]) -> list[np.ndarray]:
        """Return one array a shape, their values undefined, and make them the batch's arrays."""
        self._memory += [np.empty(0, self.dtype)] * (len(shapes) - len(self._memory))
        for i, shape in enumerate(shapes):
            if self._memory[i].size < math.prod(shape):
                self._memory[i] = self._empty(math.prod(shape))
        self.arrays = [self._memory[i][: math.prod(shape)].reshape(shape) for i, shape in enumerate(shapes)]
        return self.arrays

    def _empty(self, count: int) -> np.ndarray:
        return np.empty(count, self.dtype)

    def recycle(self) -> None:
        """Wait until the arrays may be filled again."""

    def send(self) -> None:
        """Take what has just been filled on its way to where it is used."""

    def deliver(self, blobs: Sequence[Blob]) -> None:
        """Give each of the blobs the shape and the values of its array."""
        for blob, array in zip(blobs, self.arrays, strict=True):
            blob.reshape(*array.shape)
            blob.data[...] = array


class Feed(ABC):
    """What fills batches. It must not hold on to the layer that uses it, or neither is ever freed."""

    @abstractmethod
    def fill(self, batch: Batch) -> None:
        """Put the next items into `batch`."""

    @abstractmethod
    def get_state(self) -> dict[str, Any]:
        """Return all that decides what the next batches hold, as plain JSON-able values."""

    @abstractmethod
    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to where `get_state` was called."""


class Prefetcher:
    """Keeps up to `depth` batches of `feed` filled ahead; with depth 0, fills each when it is asked for.

    `new_batch` makes the batches. The thread starts with the first batch asked for, and ends on `close`, when the
    prefetcher is no longer referred to, and at the end of the program. An exception in the feed reaches the caller of
    `next`, with its own traceback; the feed then stands before the batch that failed.
    """

    def __init__(self, feed: Feed, depth: int, new_batch: Callable[[], Batch] = Batch, name: str = "prefetch"):
        self._feed = feed
        self._depth = depth
        self._new_batch = new_batch
        self._name = name
        self._used: Batch | None = None
        self._state = feed.get_state()
        self._stop: weakref.finalize | None = None
        self._free: SimpleQueue[Batch | None] = SimpleQueue()
        self._ready: SimpleQueue[Batch | BaseException] = SimpleQueue()

    def next(self) -> Batch:
        """Return the next batch, which stays valid until the following call."""
        batch = self._next_ahead() if self._depth else self._next_now()
        self._used = batch
        self._state = batch.state
        return batch

    def _next_now(self) -> Batch:
        batch = self._used or self._new_batch()
        try:
            batch.recycle()
            self._feed.fill(batch)
            batch.send()
        except BaseException:
            self._feed.set_state(self._state)
            raise
        batch.state = self._feed.get_state()
        return batch

    def _next_ahead(self) -> Batch:
        if self._stop is None:
            self._start()
        if self._used is not None:
            self._free.put(self._used)
            self._used = None
        batch = self._ready.get()
        if isinstance(batch, BaseException):
            self.set_state(self._state)
            raise batch
        return batch

    def _start(self) -> None:
        self._used = None
        self._free, self._ready = SimpleQueue(), SimpleQueue()
        for _ in range(self._depth + 1):  # one is in use meanwhile
            self._free.put(self._new_batch())
        stopping = threading.Event()
        # a daemon, because other threads are waited for before the finalizer below gets its chance at the program's end
        thread = threading.Thread(
            target=_work, args=(self._feed, self._free, self._ready, stopping), name=self._name, daemon=True
        )
        self._stop = weakref.finalize(self, _end, thread, self._free, stopping)
        thread.start()

    def get_state(self) -> dict[str, Any]:
        """Return the feed's state after the batches handed out so far."""
        return self._state

    def set_state(self, state: dict[str, Any]) -> None:
        """Drop what was filled ahead and continue from `state`."""
        self.close()
        self._feed.set_state(state)
        self._state = state

    def close(self) -> None:
        """End the thread; a later `next` starts another one where the last batch handed out ended."""
        if self._stop is not None:
            self._stop()
            self._stop = None
            self._feed.set_state(self._state)


def _work(
    feed: Feed,
    free: SimpleQueue[Batch | None],
    ready: SimpleQueue[Batch | BaseException],
    stopping: threading.Event,
) -> None:
    while (batch := free.get()) is not None and not stopping.is_set():
        try:
            batch.recycle()
            feed.fill(batch)
            batch.state = feed.get_state()
            batch.send()
        except BaseException as error:
            ready.put(error)
            return
        ready.put(batch)


def _end(thread: threading.Thread, free: SimpleQueue[Batch | None], stopping: threading.Event) -> None:
    stopping.set()
    free.put(None)
    if thread is not threading.current_thread():  # a garbage collection may free the prefetcher in its own thread
        thread.join()
