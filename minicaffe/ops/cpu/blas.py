"""Matrix products by BLAS, called from the threads of all kernels.

A library with threads of its own would leave them waiting, by spinning, while the next kernel needs the processors. So
the result is cut into tiles, each of them one call that works in one thread. The tiles depend on nothing but the sizes,
and so does the result. A sum into what is there goes through SciPy, which hands out the address of its `gemm`: NumPy's
`matmul` cannot add. Both leave the interpreter's lock while they run.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from minicaffe.ops import accumulate
from minicaffe.ops import product as definition
from minicaffe.ops.cpu import elementwise
from minicaffe.ops.cpu.kernel import DTYPES
from minicaffe.ops.cpu.threads import split

# Rows and columns of a tile. With few rows it reads its columns of b once only, and these are what is cut.
TILE, FEW = 1024, 256
LEAST_WIDE, MOST_WIDE = 512, 2048
# Below this many multiplications a thread costs more than it saves.
MULTIPLICATIONS = 1 << 20


def matmul(a: Any, b: Any, out: Any, row: Any = None, rectify: bool = False) -> None:
    """As `minicaffe.ops.product.matmul`."""
    if not _suits(a, b, out) or (row is not None and (row.dtype != out.dtype or not row.flags.c_contiguous)):
        definition.matmul(a, b, out, row, rectify)
        return
    _product(a, b, out, False, row, rectify)


def add_matmul(a: Any, b: Any, out: Any) -> None:
    """As `minicaffe.ops.accumulate.add_matmul`."""
    if _suits(a, b, out):
        _product(a, b, out, True)
    else:
        accumulate.add_matmul(a, b, out)


def _suits(*arrays: Any) -> bool:
    """Whether `gemm` can read and write these: matrices of one float type, rows or columns without gaps, not empty."""
    a, b, out = arrays
    return (
        all(x.ndim == 2 and x.size and x.dtype == out.dtype for x in arrays)
        and out.dtype in DTYPES
        and _order(a) is not None
        and _order(b) is not None
        and out.strides[1] == out.itemsize
        and out.strides[0] >= out.itemsize * out.shape[1]
        and _gemm(out.dtype.char) is not None
    )


def _order(x: Any) -> tuple[bytes, int] | None:
    """Return what BLAS, which counts along columns, calls matrix x: transposed or not, and the step between lines."""
    size, (down, right) = x.itemsize, x.strides
    if right == size and down % size == 0 and down >= size * x.shape[1]:
        return b"N", max(down // size, 1)
    if down == size and right % size == 0 and right >= size * x.shape[0]:
        return b"T", max(right // size, 1)
    return None


def _product(a: Any, b: Any, out: Any, add: bool, row: Any = None, rectify: bool = False) -> None:
    (M, K), N = a.shape, b.shape[1]
    wide = TILE if M > FEW else min(max(N // 8, LEAST_WIDE), MOST_WIDE)
    tiles = [(m, n) for m in range(0, M, TILE) for n in range(0, N, wide)]

    def work(lo: int, hi: int) -> None:
        for m, n in tiles[lo:hi]:
            part = out[m : m + TILE, n : n + wide]
            (add_tile if add else np.matmul)(a[m : m + TILE], b[:, n : n + wide], part)
            if row is not None or rectify:
                elementwise.finish_tile(part, None if row is None else row[n : n + wide], rectify)

    each = min(M, TILE) * min(N, wide) * K
    with one_thread():
        split(len(tiles), MULTIPLICATIONS // max(each, 1) + 1, work)


def add_tile(a: Any, b: Any, out: Any) -> None:
    """Add a @ b to `out` in this thread, all matrices that `_suits`. BLAS sees the transposes: out' = b' a'."""
    gemm = _gemm(out.dtype.char)
    if gemm is None:
        out += a @ b
        return
    (by_a, step_a), (by_b, step_b) = _order(a), _order(b)  # type: ignore[misc]
    real = ctypes.c_float if out.dtype == np.float32 else ctypes.c_double
    number = ctypes.c_int
    gemm(
        by_b, by_a, number(out.shape[1]), number(out.shape[0]), number(a.shape[1]), real(1),
        ctypes.c_void_p(b.ctypes.data), number(step_b), ctypes.c_void_p(a.ctypes.data), number(step_a),
        real(1), ctypes.c_void_p(out.ctypes.data), number(out.strides[0] // out.itemsize),
    )  # fmt: skip


@lru_cache(maxsize=2)
def _gemm(char: str) -> Any:
    """Return sgemm or dgemm as a C function; None where SciPy does not hand it out."""
    try:
        from scipy.linalg import cython_blas

        capsule = cython_blas.__pyx_capi__[{"f": "sgemm", "d": "dgemm"}[char]]
    except (ImportError, AttributeError, KeyError):
        return None
    python = ctypes.pythonapi
    python.PyCapsule_GetName.restype = ctypes.c_char_p
    python.PyCapsule_GetName.argtypes = [ctypes.py_object]
    python.PyCapsule_GetPointer.restype = ctypes.c_void_p
    python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address = python.PyCapsule_GetPointer(capsule, python.PyCapsule_GetName(capsule))
    integer = ctypes.POINTER(ctypes.c_int)
    real = ctypes.POINTER(ctypes.c_float if char == "f" else ctypes.c_double)
    array = ctypes.c_void_p
    types: list[Any] = [
        ctypes.c_char_p, ctypes.c_char_p, integer, integer, integer, real, array, integer, array, integer, real, array,
        integer,
    ]  # fmt: skip
    return ctypes.CFUNCTYPE(None, *types)(address)


@lru_cache(maxsize=1)
def _libraries() -> list[Any]:
    import threadpoolctl

    controllers = threadpoolctl.ThreadpoolController().lib_controllers
    return [library for library in controllers if library.user_api == "blas"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold every BLAS in this process to one thread meanwhile."""
    before = [(library, library.get_num_threads()) for library in _libraries()]
    for library, count in before:
        if count != 1:
            library.set_num_threads(1)
    try:
        yield
    finally:
        for library, count in before:
            if count != 1:
                library.set_num_threads(count)
