"""Memory on a device, with a copy on the host for whoever looks at it from there: Caffe's SyncedMemory.

Either side comes into being, zeroed, when it is first used. Each time one side is asked for, what the other may have
been given since is copied over first: a program that writes `blob.data[...] = x` and a kernel that reads the device's
array both see the newest numbers, and neither says so. Since a host array that has been handed out may be written to,
it counts as the newer side until the device's array is asked for; a program that keeps it for longer asks again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.blob import Memory


class DeviceMemory(Memory):
    """`capacity` numbers on the device of the array module `xp`; `flat` is the device's array, `host` NumPy's."""

    __slots__ = ("_host", "_host_is_newer", "_xp")

    def __init__(self, capacity: int, dtype: Any, xp: Any):
        super().__init__(capacity, dtype)
        self._xp = xp
        self._host: np.ndarray | None = None
        self._host_is_newer = False

    @property
    def flat(self) -> Any:
        if self._flat is None:
            self._come_into_being()
        if self._host_is_newer:
            self._host_is_newer = False
            self._flat[: self.capacity].set(self._host)
        return self._flat

    def _zeros(self) -> Any:
        return self._xp.zeros(self.capacity, self.dtype)

    @property
    def host(self) -> np.ndarray:
        if self.given_up:
            self._come_into_being()  # which says that the values are gone
        if self._host is None:
            self._host = np.zeros(self.capacity, self.dtype)
        if not self._host_is_newer:
            self._host_is_newer = True
            if self._flat is not None:
                self._flat[: self.capacity].get(out=self._host)
        return self._host

    @property
    def allocated(self) -> bool:
        return self._flat is not None or self._host is not None

    def give_up(self, pool: Any) -> None:
        super().give_up(pool)
        self._host, self._host_is_newer = None, False

    def bind(self, window: Any) -> None:
        if self.allocated:
            window[: self.capacity] = self.flat
        self._flat = window

    def load(self, values: np.ndarray) -> None:
        """Copy `values`, flat and contiguous, of the memory's dtype, to its beginning; keep nothing on the host."""
        self.flat[: values.size].set(values)
        self._host = None
