"""Streams, events and memory of the pretended device.

What is put into a stream of its own happens as late as the rules allow: when somebody waits for an event after it. So
whoever forgets to wait sees old numbers, and whoever changes memory that is still to be copied finds the change copied.
The current stream does everything at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

_lock = threading.RLock()


class Event:
    """A place in a stream."""

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False):
        self.stream: Stream | None = None
        self.position = 0
        self.time = 0.0

    def record(self, stream: Stream | None = None) -> None:
        self.stream, self.time = stream or current, time.perf_counter()
        self.position = self.stream.given

    def synchronize(self) -> None:
        if self.stream is not None:
            self.stream.reach(self.position)


class Stream:
    """A queue of work that is done when somebody waits for it."""

    def __init__(self, null: bool = False, non_blocking: bool = False, ptds: bool = False):
        self.ptr = id(self) & 0xFFFF
        self.given = self.done = 0
        self._work: list[Callable[[], None]] = []

    def add(self, work: Callable[[], None]) -> None:
        with _lock:
            self._work.append(work)
            self.given += 1
            if self is current:
                self.reach(self.given)

    def reach(self, position: int) -> None:
        with _lock:
            while self.done < position:
                self.done += 1
                self._work.pop(0)()

    def record(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        self.add(event.synchronize)

    def synchronize(self) -> None:
        self.reach(self.given)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        pass


current = Stream()


def get_current_stream() -> Stream:
    return current


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    return 1000 * (end_event.time - start_event.time)


class Device:
    """The one device there is."""

    def __init__(self, device: int | None = None):
        self.id = device or 0

    def use(self) -> None:
        pass

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Memory:
    """A piece of the device's memory."""

    def __init__(self, size: int):
        self._bytes = np.zeros(size, np.uint8)
        self.ptr = self._bytes.ctypes.data


def alloc(size: int) -> Memory:
    return Memory(size)


def alloc_pinned_memory(size: int) -> Any:
    return bytearray(size)
