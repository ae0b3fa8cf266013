"""Vectors of float32 inside kernels: formulas written once in Python become vector instructions.

Left to itself, the compiler turns a loop into vector instructions only where it can prove that no two arrays overlap,
which it cannot for the dozens of rows that a small matrix product or a transform works on. An operation made here says
what it wants: it loads a fixed number of vectors, computes with them, stores vectors. Kernels call it as a function
of arrays and offsets. Nothing is checked: the caller sees to it that every vector lies within its array.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

FEATURES = binding.get_host_cpu_features()
LANES = 16 if FEATURES.get("avx512f") else 8 if FEATURES.get("avx") else 4
# Any number works on any processor, which tests make use of.
LANES = int(os.environ.get("MINICAFFE_LANES", LANES))
"""How many numbers a vector holds."""
REGISTERS = 32 if FEATURES.get("avx512f") or FEATURES.get("neon") else 16
"""How many vectors the processor holds at a time."""

VECTOR = ir.VectorType(ir.FloatType(), LANES)
_FUSED = ("contract",)


class Vector:
    """The value of a vector in code that is being written; arithmetic on it writes more code."""

    def __init__(self, builder: Any, value: Any):
        self.builder = builder
        self.value = value

    def _with(self, other: Vector | float, operation: str) -> Vector:
        return Vector(self.builder, getattr(self.builder, operation)(self.value, _value(other), flags=_FUSED))

    def __add__(self, other: Vector | float) -> Vector:
        return self._with(other, "fadd")

    def __sub__(self, other: Vector | float) -> Vector:
        return self._with(other, "fsub")

    def __mul__(self, other: Vector | float) -> Vector:
        return self._with(other, "fmul")

    __rmul__ = __mul__

    def at_least(self, other: Vector | float) -> Vector:
        """Return the larger of both in each lane, NaN where this is NaN."""
        less = self.builder.fcmp_ordered("<", self.value, _value(other))
        return Vector(self.builder, self.builder.select(less, _value(other), self.value))

    def shuffle(self, other: Vector, lanes: Sequence[int]) -> Vector:
        """Return the vector of these lanes of both vectors, those of `other` counted from LANES."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), list(lanes))
        return Vector(self.builder, self.builder.shuffle_vector(self.value, other.value, mask))


def _value(other: Vector | float) -> Any:
    return other.value if isinstance(other, Vector) else ir.Constant(VECTOR, [float(other)] * LANES)


class Place:
    """An array and an offset into it, in code that is being written."""

    def __init__(self, context: Any, builder: Any, array_type: Any, array: Any, offset: Any):
        self.builder = builder
        data = cgutils.create_struct_proxy(array_type)(context, builder, array).data
        self.pointer = builder.gep(data, [offset])

    def _at(self, offset: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(self.pointer, [offset]), VECTOR.as_pointer())

    def load(self, offset: Any) -> Vector:
        """Load the vector that starts at `offset`."""
        return Vector(self.builder, self.builder.load(self._at(offset), align=4))

    def store(self, offset: Any, vector: Vector) -> None:
        """Store `vector` from `offset` on."""
        self.builder.store(vector.value, self._at(offset), align=4)

    def spread(self, offset: Any) -> Vector:
        """Load one number into all lanes."""
        number = self.builder.load(self.builder.gep(self.pointer, [offset]))
        nothing = ir.Constant(VECTOR, ir.Undefined)
        first = self.builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
        return Vector(self.builder, first).shuffle(Vector(self.builder, nothing), [0] * LANES)


def along(formula: Callable[..., Sequence[Vector]], count: int) -> Any:
    """Make an operation `(source, at, step, target, to, stride)` that computes `formula` on vectors.

    Its `count` arguments are the vectors at `at`, `at + step`, ...; its results go to `to`, `to + stride`, ...
    """

    @intrinsic
    def operation(typing, source, at, step, target, to, stride):
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            source, at, step, target, to, stride = arguments
            place = Place(context, builder, signature.args[0], source, at)
            results = formula(*(place.load(builder.mul(step, step.type(i))) for i in range(count)))
            place = Place(context, builder, signature.args[3], target, to)
            for i, result in enumerate(results):
                place.store(builder.mul(stride, stride.type(i)), result)
            return context.get_dummy_value()

        return types.void(source, types.intp, types.intp, target, types.intp, types.intp), generate

    return operation


def _transposed(*rows: Vector) -> list[Vector]:
    """Exchange ever larger off-diagonal squares: ones, twos, fours, ..."""
    now, size = list(rows), 1
    while size < LANES:
        low = [lane if lane // size % 2 == 0 else lane - size + LANES for lane in range(LANES)]
        high = [lane + size if lane // size % 2 == 0 else lane + LANES for lane in range(LANES)]
        for i in range(LANES):
            if i // size % 2 == 0:
                a, b = now[i], now[i + size]
                now[i], now[i + size] = a.shuffle(b, low), a.shuffle(b, high)
        size *= 2
    return now


transpose = along(_transposed, LANES)
"""Transpose a square of LANES vectors."""
