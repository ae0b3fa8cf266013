"""How kernels are compiled: with numba, once for each dtype, kept on disk between runs where that is possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: compile on first use. Arithmetic keeps the order written; divisions by zero give inf and NaN."""
    try:
        return numba.njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # no folder to keep the compiled code in
        return numba.njit(nogil=True, error_model="numpy")(function)


inline = numba.njit(inline="always", error_model="numpy")


def suits(*arrays: Any) -> bool:
    """Return whether kernels take these arrays: C-contiguous, all float32 or all float64 (but for int32 masks)."""
    floats = {array.dtype for array in arrays if array.dtype != np.int32}
    return len(floats) == 1 and floats <= set(DTYPES) and all(array.flags.c_contiguous for array in arrays)


def integers(*groups: Sequence[int]) -> tuple[int, ...]:
    """Return the numbers of all groups as plain ints, so that a kernel is compiled for one type of them only."""
    return tuple(int(number) for group in groups for number in group)
