"""Matrix products by BLAS, called from kernels.

A library with threads of its own would leave them waiting, by spinning, while the next kernel needs the processors. So
a product is cut into tiles, each of them a call or a few that work in one thread. The tiles depend on nothing but the
sizes, and so does the result. SciPy hands out the address of its `gemm`, which can add to what is there, as NumPy's
`matmul` cannot.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from minicaffe.ops.cpu import threads
from minicaffe.ops.cpu.kernel import kernel
from minicaffe.ops.cpu.team import divide, operation

# Below this many multiplications a thread costs more than it saves.
MULTIPLICATIONS = 1 << 18
NEITHER, EACH_ROW, EACH_COLUMN = range(3)


class Order(NamedTuple):
    """How the matrices of out (+)= a @ b lie in memory: what BLAS, which counts along columns, calls them (b"N" or
    b"T"), and the steps between lines."""

    a: int
    a_step: int
    b: int
    b_step: int
    out_step: int


class Tiles(NamedTuple):
    """A product in pieces of one or more calls each.

    A row of `calls`: rows, columns and depth; where a, b, out and what is added to them begin; whether to keep what is
    in out. The calls of a piece are those from first[piece] to first[piece + 1]; it takes about `each` multiplications.
    """

    order: tuple[int, ...]
    first: Any
    calls: Any
    pieces: int
    each: int


def tiles(order: Order, pieces: Sequence[Sequence[tuple[int, ...]]]) -> Tiles:
    first = np.cumsum([0, *(len(piece) for piece in pieces)])
    calls = np.array([call for piece in pieces for call in piece], np.int64).reshape(-1, 8)
    each = int(calls[0, :3].prod()) * len(calls) // len(pieces)
    return Tiles(tuple(order), first, calls, len(pieces), each)


def multiply(plan: Tiles, a: Any, b: Any, out: Any, along: int = NEITHER, finish: tuple[Any, ...] = ()) -> None:
    """Compute all pieces. `out` is C-contiguous, and a and b of the same float type.

    `finish` is what happens to a tile while it is in the cache: gain, bias and floor of EACH_ROW or EACH_COLUMN.
    """
    flat, function = out.reshape(-1), gemm_address(out.dtype.char)
    with one_thread():
        threads.run(
            _multiply, plan.pieces, MULTIPLICATIONS // max(plan.each, 1) + 1,
            function, plan.order, plan.first, plan.calls, a.ctypes.data, b.ctypes.data, flat,
            along, *(finish or (flat[:0], flat[:0], out.dtype.type(0))),
        )  # fmt: skip


@operation
def _gemm(typing, function, order, call, a, b, out):
    """Call gemm. BLAS sees the transposes: out' = b' a'."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real = context.get_value_type(signature.args[5].dtype)
        number, letter, pointer = ir.IntType(32), ir.IntType(8), real.as_pointer()
        function, order, call, a, b, out = arguments
        by_a, a_step, by_b, b_step, out_step = cgutils.unpack_tuple(builder, order)
        m, n, k, a_at, b_at, out_at, keep = cgutils.unpack_tuple(builder, call)

        def cell(value: Any) -> Any:
            place = cgutils.alloca_once(builder, value.type)
            builder.store(value, place)
            return place

        def integer(value: Any) -> Any:
            return cell(builder.trunc(value, number))

        data = cgutils.create_struct_proxy(signature.args[5])(context, builder, out).data
        one = real(1.0)
        places = [
            cell(builder.trunc(by_b, letter)), cell(builder.trunc(by_a, letter)), integer(n), integer(m), integer(k),
            cell(one), builder.gep(builder.inttoptr(b, pointer), [b_at]), integer(b_step),
            builder.gep(builder.inttoptr(a, pointer), [a_at]), integer(a_step),
            cell(builder.select(builder.icmp_signed("!=", keep, keep.type(0)), one, real(0.0))),
            builder.gep(data, [out_at]), integer(out_step),
        ]  # fmt: skip
        gemm = ir.FunctionType(ir.VoidType(), [place.type for place in places])
        builder.call(builder.inttoptr(function, gemm.as_pointer()), places)
        return context.get_dummy_value()

    return types.void(function, order, call, a, b, out), generate


@kernel
def _multiply(
    lo: int, hi: int, team: Any, function: int, order: Any, first: Any, calls: Any, a: int, b: int, out: Any,
    along: int, gain: Any, bias: Any, floor: Any,
) -> None:  # fmt: skip
    if divide(lo, hi, team):
        return
    for piece in range(lo, hi):
        for i in range(first[piece], first[piece + 1]):
            m, n, k, a_at, b_at, at, bias_at, keep = calls[i]
            _gemm(function, order, (m, n, k, a_at, b_at, at, keep), a, b, out)
            if along == EACH_ROW:
                for r in range(m):
                    start, times, plus = np.uintp(at + r * order[4]), gain[bias_at + r], bias[bias_at + r]
                    for j in range(np.uintp(n)):
                        v = out[start + j] * times + plus
                        out[start + j] = floor if v < floor else v  # a comparison that NaN passes
            elif along == EACH_COLUMN:
                for r in range(m):
                    start, column = np.uintp(at + r * order[4]), np.uintp(bias_at)
                    for j in range(np.uintp(n)):
                        v = out[start + j] * gain[column + j] + bias[column + j]
                        out[start + j] = floor if v < floor else v


@lru_cache(maxsize=2)
def gemm_address(char: str) -> int:
    """Return the address of sgemm or dgemm in memory; 0 where SciPy does not hand it out."""
    try:
        from scipy.linalg import cython_blas

        capsule = cython_blas.__pyx_capi__[{"f": "sgemm", "d": "dgemm"}[char]]
    except (ImportError, AttributeError, KeyError):
        return 0
    python = ctypes.pythonapi
    python.PyCapsule_GetName.restype = ctypes.c_char_p
    python.PyCapsule_GetName.argtypes = [ctypes.py_object]
    python.PyCapsule_GetPointer.restype = ctypes.c_void_p
    python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    return python.PyCapsule_GetPointer(capsule, python.PyCapsule_GetName(capsule))


@lru_cache(maxsize=1)
def _libraries() -> list[Any]:
    import threadpoolctl

    gemm_address("f")  # which loads SciPy's
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
