"""How kernels are compiled: with numba, once for each dtype, kept on disk between runs where that is possible.

Numba keeps them beside their source, or in the user's cache folder where that may not be written to (NUMBA_CACHE_DIR
names another). What has to be compiled is announced in the log: the first run on a machine waits for it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import numba
import numpy as np
from numba.core import event

log = logging.getLogger("minicaffe.kernels")

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
QUIET = 1.0  # seconds between two lines of progress

Function = Callable[..., Any]


def kernel(function: Function) -> Function:
    """Decorator: compile on first use. Arithmetic keeps the order written; divisions by zero give inf and NaN."""
    return _compiled(function)


def reduction(function: Function) -> Function:
    """Decorator: as `kernel`, but the terms of a sum may be added in another order, several at a time."""
    return _compiled(function, fastmath={"reassoc", "contract", "nsz"})


def _compiled(function: Function, **options: Any) -> Function:
    options |= {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    try:
        compiled: Any = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep the compiled code in
        return numba.njit(**options)(function)
    try:
        # Numba compiles anew when a kernel's own file has changed. A kernel here is made of several files.
        index = compiled._cache._cache_file
        index._source_stamp = (index._source_stamp, _stamp())
    except AttributeError:  # a numba that keeps its index in another way
        pass
    return compiled


@lru_cache(maxsize=1)
def _stamp() -> tuple[Any, ...]:
    """Return what all kernels depend on besides their own file and the processor."""
    here = Path(__file__).parent
    files = [*sorted(here.glob("*.py")), here.parent / "im2col.py"]
    return tuple(file.stat().st_mtime_ns for file in files), os.environ.get("MINICAFFE_LANES", "")


called: Any = cast(Any, numba.njit)(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""Decorator for what only kernels call."""
inline = numba.njit(inline="always", error_model="numpy")
"""As `called`, but written out in every kernel that calls it, so that it is made for the constants it is given there;
which takes longer to compile."""


class Progress(event.Listener):
    """Tells the log that kernels are being compiled, how many so far, and for how long."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self._began: list[float] = []
        self._said = 0.0

    def on_start(self, event: event.Event) -> None:
        if not _ours(event):
            return
        if not self.count and not self._began:
            log.info("compiling kernels, which happens once: later runs find them on disk")
        self._began.append(perf_counter())

    def on_end(self, event: event.Event) -> None:
        if not _ours(event) or not self._began:
            return
        now = perf_counter()
        began = self._began.pop()
        self.count += 1
        if not self._began:  # a kernel compiled for the sake of another is part of that one's time
            self.seconds += now - began
        if now - self._said > QUIET:
            self._said = now
            log.info("compiling kernels: %d done in %.1f s", self.count, self.seconds)


def _ours(happened: event.Event) -> bool:
    dispatcher = happened.data.get("dispatcher")
    return getattr(getattr(dispatcher, "py_func", None), "__module__", "").startswith("minicaffe.")


progress = Progress()
event.register("numba:compile", progress)


def suits(*arrays: Any) -> bool:
    """Return whether kernels take these arrays: C-contiguous, all float32 or all float64 (but for int32 masks)."""
    floats = {array.dtype for array in arrays if array.dtype != np.int32}
    return len(floats) == 1 and floats <= set(DTYPES) and all(array.flags.c_contiguous for array in arrays)


def integers(*groups: Sequence[int]) -> tuple[int, ...]:
    """Return the numbers of all groups as plain ints, so that a kernel is compiled for one type of them only."""
    return tuple(int(number) for group in groups for number in group)
