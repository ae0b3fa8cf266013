"""Matrix products by a kernel: a tile of the result is held in registers while rows and columns run past.

A library's product brings threads of its own, which wait by spinning: called in turn with ours they slow each other by
an order of magnitude, and how it cuts the work decides the order of its sums. Here each matrix is the work of one
thread, and the order of its sums follows from shapes alone.

The left-hand matrix is read as it lies in memory, one number after the other. The right-hand one comes in panels of two
or three vectors, [panel][row][vectors of the panel], so that it is read from end to end; its columns, and those of the
result, are padded to whole vectors. Source: the register blocking of Goto and van de Geijn, Anatomy of
High-Performance Matrix Multiplication, 2008.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minicaffe.ops.cpu import threads
from minicaffe.ops.cpu.kernel import called, kernel
from minicaffe.ops.cpu.team import divide
from minicaffe.ops.cpu.vector import LANES, REGISTERS, VECTOR, Place, Vector

ROWS = min(8 if REGISTERS >= 32 else 4, LANES)
"""A tile has this many rows of two or three vectors, which may take every register; it lies in one strip of LANES."""
DEPTH = 256
"""So many rows of a panel stay in a first-level cache."""


def _multiply_tile(rows: int, vectors: int) -> Any:
    """Make the operation that multiplies `rows` rows of a with `vectors` vectors of columns of b.

    c[r*c_row + ...] (+)= sum over i < depth of a[r*a_row + i*a_step] * b[i*b_step + ...], added to what is there if
    `add`.
    """

    @intrinsic
    def tile(typing, a, a_at, a_row, a_step, b, b_at, c, c_at, c_row, depth, add):
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, a_at, a_row, a_step, b, b_at, c, c_at, c_row, depth, add = arguments
            number = depth.type
            left = [
                Place(context, builder, signature.args[0], a, builder.add(a_at, builder.mul(a_row, number(r))))
                for r in range(rows)
            ]
            right = Place(context, builder, signature.args[4], b, b_at)
            result = Place(context, builder, signature.args[6], c, c_at)
            cells = [(r, v) for r in range(rows) for v in range(vectors)]
            zero = VECTOR([0.0] * LANES)
            sums = {cell: cgutils.alloca_once_value(builder, zero) for cell in cells}
            for cell in cells:
                builder.store(zero, sums[cell])
            with cgutils.for_range(builder, depth) as loop:
                at = builder.mul(loop.index, number(vectors * LANES))
                columns = [right.load(builder.add(at, number(v * LANES))) for v in range(vectors)]
                for r in range(rows):
                    value = left[r].spread(builder.mul(loop.index, a_step))
                    for v in range(vectors):
                        total = Vector(builder, builder.load(sums[r, v])) + value * columns[v]
                        builder.store(total.value, sums[r, v])
            places = {(r, v): builder.add(builder.mul(c_row, number(r)), number(v * LANES)) for r, v in cells}
            with builder.if_then(add):
                for cell in cells:
                    total = Vector(builder, builder.load(sums[cell])) + result.load(places[cell])
                    builder.store(total.value, sums[cell])
            for cell in cells:
                result.store(places[cell], Vector(builder, builder.load(sums[cell])))
            return context.get_dummy_value()

        n = types.intp
        return types.void(a, n, n, n, b, n, c, n, n, n, types.boolean), generate

    return tile


_many_by_three, _many_by_two = _multiply_tile(ROWS, 3), _multiply_tile(ROWS, 2)
_half_by_three, _half_by_two = _multiply_tile(ROWS // 2, 3), _multiply_tile(ROWS // 2, 2)
_one_by_three, _one_by_two = _multiply_tile(1, 3), _multiply_tile(1, 2)


def padded(size: int) -> int:
    """Return how many columns `size` of them take in panels: whole vectors, two or more."""
    return max(-(-size // LANES), 2) * LANES


def panel(vectors: int, vector: int) -> tuple[int, int]:
    """Return the first vector, and the number of vectors, of the panel that `vector` of all `vectors` is in.

    As many panels as possible have three vectors; the last one or two have two.
    """
    threes = vectors // 3 - (1 if vectors % 3 == 1 else 0)
    if vector < 3 * threes:
        return vector // 3 * 3, 3
    return 3 * threes + (vector - 3 * threes) // 2 * 2, 2


def panels(vectors: int, most: int) -> list[tuple[int, int]]:
    """Cut `vectors` into ranges of whole panels, with up to `most` vectors if that is six or more."""
    edges = [0]
    for vector in range(vectors):
        first, width = panel(vectors, vector)
        if first + width - edges[-1] > most and first > edges[-1]:
            edges.append(first)
    return list(zip(edges, [*edges[1:], vectors], strict=True))


padded_to, panel_of = called(padded), called(panel)
"""`padded` and `panel`, for kernels."""


@kernel
def multiply(
    lo: int, hi: int, team: Any, sizes: Any, a: Any, a_at: int, a_steps: Any, b: Any, b_at: int, b_steps: Any,
    c: Any, c_at: int, c_steps: Any, add: bool,
) -> None:  # fmt: skip
    """Multiply the matrices lo..hi of `sizes` (rows, vectors of columns, depth); `add` to what c holds.

    Steps of a are those between matrices, between strips of LANES rows, rows, and columns. Those of b are between
    matrices, and the number of rows that a panel has room for; those of c between matrices, and between rows.
    """
    if divide(lo, hi, team):
        return
    rows, vectors, depth = sizes
    a_matrix, strip, a_row, a_step = a_steps
    b_matrix, room = b_steps
    c_matrix, c_row = c_steps
    for matrix in range(lo, hi):
        for start in range(0, depth, DEPTH):
            more, length = add or start > 0, min(DEPTH, depth - start)
            v = 0
            while v < vectors:
                width = panel_of(vectors, v)[1]
                right = b_at + matrix * b_matrix + (v * room + start * width) * LANES
                r = 0
                while r < rows:
                    left = a_at + matrix * a_matrix + r // LANES * strip + r % LANES * a_row + start * a_step
                    to = c_at + matrix * c_matrix + r * c_row + v * LANES
                    if rows - r >= ROWS:
                        if width == 3:
                            _many_by_three(a, left, a_row, a_step, b, right, c, to, c_row, length, more)
                        else:
                            _many_by_two(a, left, a_row, a_step, b, right, c, to, c_row, length, more)
                        r += ROWS
                    elif rows - r >= ROWS // 2:
                        if width == 3:
                            _half_by_three(a, left, a_row, a_step, b, right, c, to, c_row, length, more)
                        else:
                            _half_by_two(a, left, a_row, a_step, b, right, c, to, c_row, length, more)
                        r += ROWS // 2
                    else:
                        if width == 3:
                            _one_by_three(a, left, a_row, a_step, b, right, c, to, c_row, length, more)
                        else:
                            _one_by_two(a, left, a_row, a_step, b, right, c, to, c_row, length, more)
                        r += 1
                v += width


@lru_cache(maxsize=1)
def multiply_code() -> int:
    """Return the address of `multiply`'s code."""
    none = np.empty(0, np.float32)
    return threads.code(multiply, (0, 0, 0), none, 0, (0, 0, 0, 0), none, 0, (0, 0), none, 0, (0, 0), False)
