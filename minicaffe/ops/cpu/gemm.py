"""Matrix products inside kernels: a tile of the result is held in registers while a row and a column run past.

A library's product brings threads of its own, which wait by spinning: called in turn with ours they slow each other by
an order of magnitude. A kernel that multiplies by itself needs none, works in one thread of `threads`, and its sums
run in one order however many there are. Matrices are small enough, or cut small enough, to stay in the processor's
caches; the right-hand one comes in panels: [panel][row][vectors of the panel], panels of two or three vectors.
Source: the register blocking of Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008.
"""

from __future__ import annotations

from typing import Any

import numba
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minicaffe.ops.cpu.vector import LANES, REGISTERS, VECTOR, Place, Vector

ROWS = 8 if REGISTERS >= 32 else 4
"""A tile has this many rows of two or three vectors: with three, every register is taken."""


def _multiply_tile(vectors: int) -> Any:
    """Make the operation that multiplies ROWS rows of a with `vectors` vectors of columns of b.

    c[r*c_row + ...] (+)= sum over i < depth of a[r*a_row + i*a_step] * b[i*b_step + ...], added to what is there if
    `add`.
    """

    @intrinsic
    def tile(typing, a, a_at, a_row, a_step, b, b_at, b_step, c, c_at, c_row, depth, add):
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, a_at, a_row, a_step, b, b_at, b_step, c, c_at, c_row, depth, add = arguments
            number = depth.type
            rows = [
                Place(context, builder, signature.args[0], a, builder.add(a_at, builder.mul(a_row, number(r))))
                for r in range(ROWS)
            ]
            columns = Place(context, builder, signature.args[4], b, b_at)
            result = Place(context, builder, signature.args[7], c, c_at)
            cells = [(r, v) for r in range(ROWS) for v in range(vectors)]
            zero = VECTOR([0.0] * LANES)
            sums = {cell: cgutils.alloca_once_value(builder, zero) for cell in cells}
            for cell in cells:
                builder.store(zero, sums[cell])
            with cgutils.for_range(builder, depth) as loop:
                at = builder.mul(loop.index, b_step)
                right = [columns.load(builder.add(at, number(v * LANES))) for v in range(vectors)]
                for r in range(ROWS):
                    left = rows[r].spread(builder.mul(loop.index, a_step))
                    for v in range(vectors):
                        total = Vector(builder, builder.load(sums[r, v])) + left * right[v]
                        builder.store(total.value, sums[r, v])
            places = {(r, v): builder.add(builder.mul(c_row, number(r)), number(v * LANES)) for r, v in cells}
            with builder.if_then(add):
                for cell in cells:
                    total = Vector(builder, builder.load(sums[cell])) + result.load(places[cell])
                    builder.store(total.value, sums[cell])
            for cell in cells:
                result.store(places[cell], Vector(builder, builder.load(sums[cell])))
            return context.get_dummy_value()

        count, arrays = types.intp, (a, b, c)
        a, b, c = arrays
        return types.void(a, count, count, count, b, count, count, c, count, count, count, types.boolean), generate

    return tile


multiply_two = _multiply_tile(2)
multiply_three = _multiply_tile(3)


def padded(size: int) -> int:
    """Return how many columns `size` of them take in panels: whole vectors, two or more."""
    return max(-(-size // LANES), 2) * LANES


@numba.njit(error_model="numpy")
def panel(vectors: int, vector: int) -> tuple[int, int]:
    """Return the first vector, and the number of vectors, of the panel that `vector` of all `vectors` is in.

    As many panels as possible have three vectors; the last one or two have two.
    """
    threes = vectors // 3 - (1 if vectors % 3 == 1 else 0)
    if vector < 3 * threes:
        return vector // 3 * 3, 3
    return 3 * threes + (vector - 3 * threes) // 2 * 2, 2
