"""Blob: an n-dimensional array and its gradient, as they travel between layers.

Memory is flat, lazily zeroed and may be shared: a Split's tops alias its bottom's data, parameters shared by name
alias one data and one diff, and all learnable parameters of a net are windows of one flat buffer. A diff takes memory
only when somebody first touches it, so a blob that no gradient reaches owns none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from minicaffe.errors import NetError

MAX_AXES = 32


GIVEN_UP = (
    "its values are gone: the net is lean, others use a blob's memory once no layer needs it; to read this blob build "
    "the net without lean=True, or name it: lean=['BLOB']"
)


class Memory:
    """`capacity` numbers that come into being, zeroed, when first used; shared by the blobs that alias each other."""

    __slots__ = ("_flat", "capacity", "dtype", "given_up", "pool")

    def __init__(self, capacity: int, dtype: Any):
        self.capacity = capacity
        self.dtype = dtype
        self._flat: Any = None
        self.given_up = False
        self.pool: Any = None

    @property
    def flat(self) -> np.ndarray:
        if self._flat is None:
            self._come_into_being()
        return self._flat

    def _come_into_being(self) -> None:
        if self.given_up:
            raise NetError(GIVEN_UP)
        self._flat = self.pool.take(self.capacity, self.dtype) if self.pool else self._zeros()

    def _zeros(self) -> Any:
        return np.zeros(self.capacity, self.dtype)

    @property
    def allocated(self) -> bool:
        """True once the memory exists; untouched memory reads as zero without existing."""
        return self._flat is not None

    def await_values(self, pool: Any) -> None:
        """Be written to next: memory not there yet comes out of `pool`, with whatever numbers it holds."""
        self.given_up, self.pool = False, pool

    def give_up(self, pool: Any) -> None:
        """Hand the memory to `pool`; reading is an error until values are awaited again."""
        if self._flat is not None:
            pool.give(self._flat)
        self._flat, self.given_up = None, True

    def bind(self, window: np.ndarray) -> None:
        """Move into `window`, a flat array of at least `capacity` numbers; what was here before goes along."""
        if self._flat is not None:
            window[: self.capacity] = self._flat
        self._flat = window


class Blob:
    """Shape, data and diff.

    `data` and `diff` are NumPy arrays for users and Python layers, writable and live. Layers of ours use `array` and
    `diff_array`, the device's own arrays, of the array module `xp`. On the CPU those are the same objects; on a GPU
    `data` and `diff` are copies on the host, brought up to date whenever they are asked for, and what is written to
    them reaches the device before it is used there (see `minicaffe.device_memory`). `name`, `label` and `producer` only
    serve messages: a copy that an inserted Split made has the `label` and `producer` of the blob the prototxt knows.
    """

    __slots__ = (
        "_array", "_array_of", "_data", "_diff", "_diff_array", "_diff_array_of", "_shape", "count", "dtype", "label",
        "name", "producer", "xp",
    )  # fmt: skip

    def __init__(self, shape: Sequence[int] = (), dtype: Any = np.float32, name: str = "", xp: Any = np):
        self.xp = xp
        self.dtype = np.dtype(dtype)
        self.name = self.label = name
        self.producer = ""
        self._shape: tuple[int, ...] = ()
        self.count = 1
        self._data = self._memory(0)
        self._diff = self._memory(0)
        self._array: Any = None
        self._array_of: Any = None
        self._diff_array: Any = None
        self._diff_array_of: Any = None
        self.reshape(*shape)

    # -- shape --------------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    def reshape(self, *dims: int) -> None:
        """Take a new shape. Memory is kept (its values as a flat prefix) while it is large enough, else made anew."""
        if dims == self._shape and self._data.capacity:  # as nearly always, in every pass
            return
        shape = tuple(int(dim) for dim in (dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims))
        if shape == self._shape and self._data.capacity:
            return
        if len(shape) > MAX_AXES or min(shape, default=0) < 0:
            raise NetError(f"blob {self.name!r} cannot take the shape {shape}: 0 to {MAX_AXES} axes, none negative")
        self._shape = shape
        self.count = math.prod(shape)
        if self.count > self._data.capacity:
            self._data = self._memory(self.count, self._data.pool)
        if self.count > self._diff.capacity:
            self._diff = self._memory(self.count, self._diff.pool)
        self._array_of = self._diff_array_of = None

    def _memory(self, capacity: int, pool: Any = None) -> Memory:
        """Return new memory; `pool` is where that which it replaces would have come from."""
        if self.xp is np:
            memory = Memory(capacity, self.dtype)
        else:
            from minicaffe.device_memory import DeviceMemory

            memory = DeviceMemory(capacity, self.dtype, self.xp)
        memory.pool = pool
        return memory

    def reshape_like(self, other: Blob) -> None:
        self.reshape(*other._shape)

    def _legacy(self, axis: int) -> int:
        if len(self._shape) > 4:
            raise NetError(f"blob {self.name!r} has {len(self._shape)} axes; num, channels, height and width need <= 4")
        return self._shape[axis] if axis < len(self._shape) else 1

    num = property(lambda self: self._legacy(0), doc="Size of axis 0, 1 if there is none.")
    channels = property(lambda self: self._legacy(1), doc="Size of axis 1, 1 if there is none.")
    height = property(lambda self: self._legacy(2), doc="Size of axis 2, 1 if there is none.")
    width = property(lambda self: self._legacy(3), doc="Size of axis 3, 1 if there is none.")

    @property
    def shape_string(self) -> str:
        """Each dimension followed by a space, then the count in brackets, as Caffe's log shows a shape."""
        return "".join(f"{dim} " for dim in self._shape) + f"({self.count})"

    # -- arrays -------------------------------------------------------------------------------------------------------

    @property
    def array(self) -> Any:
        """The data as the device's own array."""
        flat = self._data.flat
        if self._array_of is not flat:
            self._array = flat[: self.count].reshape(self._shape)
            self._array_of = flat
        return self._array

    @property
    def diff_array(self) -> Any:
        """The diff as the device's own array; the first use gives it memory."""
        flat = self._diff.flat
        if self._diff_array_of is not flat:
            self._diff_array = flat[: self.count].reshape(self._shape)
            self._diff_array_of = flat
        return self._diff_array

    @property
    def data(self) -> np.ndarray:
        """The data as a live NumPy array."""
        return self.array if self.xp is np else self._on_host(self._data)

    @property
    def diff(self) -> np.ndarray:
        """The diff as a live NumPy array."""
        return self.diff_array if self.xp is np else self._on_host(self._diff)

    def _on_host(self, memory: Any) -> np.ndarray:
        return memory.host[: self.count].reshape(self._shape)

    @contextmanager
    def edited(self) -> Iterator[np.ndarray]:
        """Within the `with` block the data are a NumPy array to be changed; nothing of it stays on the host after."""
        if self.xp is np:
            yield self.array
            return
        values = self.array.get()
        yield values
        self._data.load(values.reshape(-1))  # type: ignore[attr-defined]

    @property
    def has_diff(self) -> bool:
        """Whether the diff owns memory; one that does not is zero everywhere."""
        return self._diff.allocated

    @property
    def gone(self) -> bool:
        """Whether a lean net has given the data's memory to others."""
        return self._data.given_up

    @property
    def has_data(self) -> bool:
        """Whether the data owns memory; data that does not is zero everywhere."""
        return self._data.allocated

    # -- sharing ------------------------------------------------------------------------------------------------------

    def share_data(self, other: Blob) -> None:
        """Use the memory of `other`'s data, which must be at least as large; each keeps its own shape."""
        self._data = self._checked(other._data)
        self._array_of = None

    def share_diff(self, other: Blob) -> None:
        """Use the memory of `other`'s diff, which must be at least as large; each keeps its own shape."""
        self._diff = self._checked(other._diff)
        self._diff_array_of = None

    def _checked(self, memory: Memory) -> Memory:
        if self.count > memory.capacity:
            raise NetError(
                f"blob {self.name!r} ({self.shape_string}) cannot share a memory of {memory.capacity} numbers"
            )
        return memory

    def shares_data_with(self, other: Blob) -> bool:
        return self._data is other._data

    def shares_diff_with(self, other: Blob) -> bool:
        return self._diff is other._diff

    def bind(self, data: Any = None, diff: Any = None) -> None:
        """Move data and/or diff, with everyone who shares them, into windows of a larger flat array."""
        if data is not None:
            self._data.bind(data)
        if diff is not None:
            self._diff.bind(diff)

    def __repr__(self) -> str:
        return f"<Blob {self.name!r} {self.shape_string}>"


class BlobVec(list):
    """A layer's parameter blobs; `add_blob(*dims)` appends a zero blob, as pycaffe layers do in `setup`."""

    def __init__(self, dtype: Any = np.float32, xp: Any = np):
        super().__init__()
        self.dtype, self.xp = dtype, xp

    def add_blob(self, *dims: int) -> None:
        self.append(Blob(dims, self.dtype, xp=self.xp))
