"""Kernels of convolution by columns: each item that threads share is some positions, or some channels, of one pass.

Columns are made, multiplied and done with while they lie in the thread's own cache. What these kernels are given is
described in `columns_kernels`. Numbers that they hand on are np.intp(0) and the like: for a literal 0, or False, numba
would compile what takes it once more, and code called by its address would not fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.ops.cpu.columns_kernels import add_columns, clear, turn, write_columns, write_outputs, write_panels
from minicaffe.ops.cpu.gemm import padded_to
from minicaffe.ops.cpu.kernel import called, kernel
from minicaffe.ops.cpu.team import divide, work
from minicaffe.ops.cpu.vector import LANES


@called
def _product(
    code: Any, sizes: Any, a: Any, a_at: Any, a_steps: Any, b: Any, room: Any, c: Any, c_at: Any, c_row: Any, add: Any
) -> None:
    """Have `multiply`, whose code this is, multiply one matrix in this thread."""
    zero, (strip, row, step) = np.intp(0), a_steps
    work(
        code, zero, np.intp(1),
        (sizes, a, a_at, (zero, strip, row, step), b, zero, (zero, room), c, c_at, (zero, c_row), add),
    )  # fmt: skip


@kernel
def write(lo: int, hi: int, team: Any, positions: Any, source: Any, col: Any, depth: int, taps: int) -> None:
    """Write the columns of the channels lo..hi to panels with `depth` rows."""
    if divide(lo, hi, team):
        return
    zero = np.intp(0)
    write_columns((lo * taps, hi * taps, zero), positions, source, col, depth, zero)


@kernel
def convolve(
    lo: int, hi: int, team: Any, cut: Any, left: Any, source: Any, col: Any, M: Any, finish: Any, y: Any, image: Any,
) -> None:  # fmt: skip
    """Compute the pieces lo..hi of y: some positions, of each of which first some outputs, then others.

    `cut`: the code of `multiply`; positions in a piece, and all; outputs in a piece, and all; outputs at a time; length
    of a column; numbers of a thread in col, or 0 if all columns are there already; those in M. `left`: weights, and
    steps between strips of LANES rows, between rows and between columns.
    """
    if divide(lo, hi, team):
        return
    code, block, total, chunk, outputs, most, depth, col_size, M_size = cut
    a, strip, a_row, a_step = left
    col, M, zero = col[team[1] * col_size :], M[team[1] * M_size :], np.intp(0)
    chunks = -(-outputs // chunk)
    for piece in range(lo, hi):
        positions = piece // chunks * block, min(piece // chunks * block + block, total)
        length = padded_to(positions[1] - positions[0])
        if col_size:
            write_columns((zero, depth, zero), positions, source, col, depth, zero)
        first = piece % chunks * chunk
        for k in range(first, min(first + chunk, outputs), most):
            end = min(k + most, first + chunk, outputs)
            left_at = k // LANES * strip + k % LANES * a_row
            sizes = end - k, length // LANES, depth
            _product(code, sizes, a, left_at, (strip, a_row, a_step), col, depth, M, zero, length, k < zero)
            write_outputs((k, end), positions, M, length, finish, y, image)


@kernel
def convolve_back(
    lo: int, hi: int, team: Any, cut: Any, left: Any, dy: Any, errors: Any, col: Any, M: Any, x: Any, target: Any,
    passing: Any,
) -> None:  # fmt: skip
    """Compute the pieces lo..hi of x: some channels of an image, which other positions add to than are its own.

    `cut`: the code of `multiply`; channels in a piece, and all; positions at a time; outputs; numbers of a thread in
    col, and in M. `errors` and `target`: where the first image begins, how far apart they are, and how many positions
    they have.
    """
    if divide(lo, hi, team):
        return
    code, chunk, channels, block, K, col_size, M_size = cut
    a, strip, a_row, a_step = left
    col, M, zero = col[team[1] * col_size :], M[team[1] * M_size :], np.intp(0)
    start, stride, size = target
    taps, chunks = passing[6] * passing[7], -(-channels // chunk)
    for piece in range(lo, hi):
        n, c = piece // chunks, piece % chunks * chunk
        end = min(c + chunk, channels)
        first, count = c * taps, (end - c) * taps
        clear(x, start + n * stride + c * size, (end - c) * size)
        for position in range(0, errors[2], block):
            stop = min(position + block, errors[2])
            length = padded_to(stop - position)
            write_panels(position, stop, dy, errors[0] + n * errors[1], errors[2], K, col)
            left_at = first // LANES * strip + first % LANES * a_row
            sizes = count, length // LANES, K
            _product(code, sizes, a, left_at, (strip, a_row, a_step), col, K, M, zero, length, first < zero)
            positions = n * errors[2] + position, n * errors[2] + stop
            add_columns((first, first + count), positions, M, length, x, passing)


@kernel
def correlate(
    lo: int, hi: int, team: Any, cut: Any, source: Any, dy: Any, errors: Any, col: Any, E: Any, D: Any
) -> None:
    """Sum the products of columns and errors for the pieces lo..hi: some positions, first of some rows, then of others.

    `cut`: the code of `multiply`; pieces of positions; rows in a piece, and all; positions in all, and at a time;
    outputs; numbers of a thread in col, and in E. D holds [piece of positions][row][output, padded].
    """
    if divide(lo, hi, team):
        return
    code, pieces, chunk, depth, total, block, K, col_size, E_size = cut
    col, E, zero = col[team[1] * col_size :], E[team[1] * E_size :], np.intp(0)
    step, chunks = padded_to(K), -(-depth // chunk)
    for item in range(lo, hi):
        piece, row = item // chunks, item % chunks * chunk
        rows, end = min(chunk, depth - row), total * (piece + 1) // pieces
        begin = total * piece // pieces
        for position in range(begin, end, block):
            stop = min(position + block, end)
            write_columns((row, row + rows, row), (position, stop), source, col, zero, block)
            turn((position, stop), dy, K, errors, E, block)
            sizes, steps = (rows, step // LANES, stop - position), (LANES * block, block, np.intp(1))
            _product(code, sizes, col, zero, steps, E, block, D, (piece * depth + row) * step, step, position > begin)


@kernel
def correlate_few(
    lo: int, hi: int, team: Any, cut: Any, source: Any, dy: Any, dy_at: int, col: Any, E: Any, M: Any, dW: Any
) -> None:
    """Add the products of errors and columns to dW for some rows of columns at a time, where positions are few.

    `cut`: the code of `multiply`; rows at a time, and all; positions; outputs; numbers of a thread in col, E and M.
    From dy_at on, dy holds [output][position].
    """
    if divide(lo, hi, team):
        return
    code, chunk, depth, total, K, col_size, E_size, M_size = cut
    zero, thread = np.intp(0), team[1]
    col, E, M = col[thread * col_size :], E[thread * E_size :], M[thread * M_size :]
    for piece in range(lo, hi):
        row = piece * chunk
        rows = min(chunk, depth - row)
        length = padded_to(rows)
        write_columns((row, row + rows, row), (zero, total), source, col, zero, total)
        turn((zero, total), col, rows, (zero, zero, total), E, total)
        sizes, steps = (K, length // LANES, total), (LANES * total, total, np.intp(1))
        _product(code, sizes, dy, dy_at, steps, E, total, M, zero, length, row < zero)
        for k in range(K):
            source_at, to = np.uintp(k * length), np.uintp(k * depth + row)
            for q in range(np.uintp(rows)):
                dW[to + q] += M[source_at + q]
