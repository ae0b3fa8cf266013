"""Convolution as a matrix product in kernels: columns of some positions are made, multiplied and done with.

A position is an output pixel of an image; they are numbered through all images. A row of columns holds what one channel
and kernel tap contribute to neighbouring positions. The image is read a run at a time: positions in one row of one
image. Weights come in strips of LANES rows: [strip][column][row], so that a product reads them from end to end.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from minicaffe.ops import im2col
from minicaffe.ops.cpu.gemm import ROWS, multiply_three, multiply_two, padded, panel
from minicaffe.ops.cpu.kernel import inline, kernel
from minicaffe.ops.cpu.vector import LANES, along, transpose

BLOCK = 12 * LANES
"""At most so many positions are handled at a time."""

_plain = numba.njit(error_model="numpy")
_inside = inline(im2col.inside)
_padded = _plain(padded)
_copy = along(lambda vector: (vector,), 1)
_rectify = along(lambda vector: (vector.at_least(0.0),), 1)


# -- columns ----------------------------------------------------------------------------------------------------------


@_plain
def _copy_run(x: Any, source: Any, col: Any, to: Any, run: Any) -> None:  # pragma: no cover - compiled
    if run < LANES:
        for q in range(np.uintp(max(run, 0))):
            col[np.uintp(to) + q] = x[np.uintp(source) + q]
        return
    for q in range(0, run, LANES):
        # The last vector overlaps the one before.
        q = min(q, run - LANES)
        _copy(x, source + q, 0, col, to + q, 0)


@_plain
def _run(position: Any, hi: Any, passing: Any) -> Any:  # pragma: no cover - compiled
    """Return image, row and column of a position, and how many positions before `hi` share the row, it included."""
    h, w = passing[4], passing[5]
    j = position % w
    return position // (h * w), position // w % h, j, min(w - j, hi - position)


@_plain
def _pieces(at: Any, run: Any, vectors: Any, depth: Any, pieces: Any) -> Any:  # pragma: no cover - compiled
    """Cut a run, `at` positions into a block, where panels end; return how many pieces there are.

    A piece is where it begins and ends in the run, where it goes in columns [panel][row][position], the rows' step.
    """
    count, done = 0, 0
    while done < run:
        first, width = panel(vectors, (at + done) // LANES)
        stop = min((first + width) * LANES - at, run)
        pieces[count, 0], pieces[count, 1] = done, stop
        pieces[count, 2], pieces[count, 3] = first * LANES * (depth - 1) + at + done, width * LANES
        count, done = count + 1, stop
    return count


@_plain
def _columns(
    rows: Any, positions: Any, x: Any, passing: Any, col: Any, span: Any
) -> None:  # pragma: no cover - compiled
    """Write these rows of the columns of these positions: `span` apart, or if that is 0 in panels."""
    start, stride, H, W, _, w, kh, kw, sh, sw, ph, pw, dh, dw = passing
    vectors, pieces = _padded(positions[1] - positions[0]) // LANES, np.empty((8, 4), np.intp)
    position = positions[0]
    while position < positions[1]:
        n, i, j, run = _run(position, positions[1], passing)
        count = 1
        pieces[0, 0], pieces[0, 1], pieces[0, 2], pieces[0, 3] = 0, run, position - positions[0], span
        if not span:
            count = _pieces(position - positions[0], run, vectors, rows[1] - rows[0], pieces)
        for kx in range(kw):
            first, last = _inside(kx * dw - pw, sw, W, w)
            for c in range(rows[0] // (kh * kw), -(-rows[1] // (kh * kw))):
                for ky in range(kh):
                    row, y = (c * kh + ky) * kw + kx, i * sh - ph + ky * dh
                    if row < rows[0] or row >= rows[1]:
                        continue
                    within = 0 <= y < H
                    source = start + n * stride + (c * H + y) * W + j * sw + kx * dw - pw
                    for piece in range(count):
                        begin, end, to, step = pieces[piece]
                        to += (row - rows[0]) * step - begin
                        a = min(max(first - j, begin), end) if within else end
                        b = max(min(last - j, end), a)
                        for q in range(to + begin, to + a):
                            col[np.uintp(q)] = 0
                        for q in range(to + b, to + end):
                            col[np.uintp(q)] = 0
                        if sw == 1:
                            _copy_run(x, source + a, col, to + a, b - a)
                        else:
                            for q in range(a, b):
                                col[np.uintp(to + q)] = x[np.uintp(source + q * sw)]
        position += run


@_plain
def _add_columns(
    rows: Any, positions: Any, col: Any, at: Any, x: Any, passing: Any
) -> None:  # pragma: no cover - compiled
    """Add these rows of columns, BLOCK apart from `at` on, to the elements that they were read from."""
    start, stride, H, W, _, w, kh, kw, sh, sw, ph, pw, dh, dw = passing
    position = positions[0]
    while position < positions[1]:
        n, i, j, run = _run(position, positions[1], passing)
        for kx in range(kw):
            first, last = _inside(kx * dw - pw, sw, W, w)
            a = min(max(first - j, 0), run)
            b = max(min(last - j, run), a)
            for c in range(rows[0] // (kh * kw), rows[1] // (kh * kw)):
                for ky in range(kh):
                    y = i * sh - ph + ky * dh
                    if y < 0 or y >= H:
                        continue
                    row = (c * kh + ky) * kw + kx - rows[0]
                    source = np.uintp(at + row * BLOCK + position - positions[0] + a)
                    to = np.uintp(start + n * stride + (c * H + y) * W + (j + a) * sw + kx * dw - pw)
                    if sw == 1:
                        for q in range(np.uintp(b - a)):
                            x[to + q] += col[source + q]
                    else:
                        for q in range(np.uintp(b - a)):
                            x[to + q * np.uintp(sw)] += col[source + q]
        position += run


# -- weights ----------------------------------------------------------------------------------------------------------


@kernel
def strips(
    lo: int, hi: int, W: Any, rows: int, columns: int, row_step: int, column_step: int, S: Any
) -> None:  # pragma: no cover - compiled
    """Write the strips lo..hi of a matrix W, of which either rows or columns lie next to each other in memory."""
    for strip in range(lo, hi):
        held = min(LANES, rows - strip * LANES)
        at, to = strip * LANES * row_step, strip * LANES * columns
        for i in range(0, columns, LANES):
            i = max(min(i, columns - LANES), 0)
            if held == LANES and columns >= LANES and column_step == 1:
                transpose(W, at + i, row_step, S, to + i * LANES, LANES)
            elif held == LANES and columns >= LANES and row_step == 1:
                for k in range(i, i + LANES):
                    _copy(W, at + k * column_step, 0, S, to + k * LANES, 0)
            else:
                for k in range(i, min(i + LANES, columns)):
                    for r in range(LANES):
                        S[np.uintp(to + k * LANES + r)] = W[at + r * row_step + k * column_step] if r < held else 0


# -- passes -----------------------------------------------------------------------------------------------------------


@_plain
def _multiply(
    S: Any, row: Any, depth: Any, col: Any, vectors: Any, M: Any, to: Any, add: Any
) -> None:  # pragma: no cover - compiled
    """Multiply ROWS rows of the strips S with all panels of columns, into rows of M that are BLOCK apart."""
    left, v = row // LANES * LANES * depth + row % LANES, 0
    while v < vectors:
        width = panel(vectors, v)[1]
        right, at = v * LANES * depth, to + v * LANES
        if width == 3:
            multiply_three(S, left, 1, LANES, col, right, 3 * LANES, M, at, BLOCK, depth, add)
        else:
            multiply_two(S, left, 1, LANES, col, right, 2 * LANES, M, at, BLOCK, depth, add)
        v += width


@kernel
def convolve(
    lo: int, hi: int, block: int, outputs: Any, x: Any, passing: Any, S: Any, depth: int, b: Any,
    relu: bool, y: Any, start: int, stride: int, col: Any, M: Any,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Compute the positions lo..hi of these outputs with weights in strips, add b (maybe empty), rectify if `relu`."""
    size = passing[4] * passing[5]
    for begin in range(lo, hi, block):
        end = min(begin + block, hi)
        vectors = _padded(end - begin) // LANES
        _columns((0, depth), (begin, end), x, passing, col, 0)
        for k in range(outputs[0], outputs[1], ROWS):
            last = min(k + ROWS, outputs[1])
            if len(b):
                for o in range(k, last):
                    M[(o - k) * BLOCK : (o - k) * BLOCK + vectors * LANES] = b[o]
            _multiply(S, k, depth, col, vectors, M, 0, len(b) > 0)
            if relu:
                for at in range(0, (last - k) * BLOCK, LANES):
                    _rectify(M, at, 0, M, at, 0)
            position = begin
            while position < end:
                n, i = position // size, position % size
                run = min(size - i, end - position)
                for o in range(k, last):
                    source, to = (o - k) * BLOCK + position - begin, start + n * stride + o * size + i
                    _copy_run(M, source, y, to, run)
                position += run


@kernel
def convolve_back(
    image: int, block: int, rows: Any, dy: Any, errors: Any, S: Any, K: int, x: Any, passing: Any, col: Any, M: Any
) -> None:  # pragma: no cover - compiled
    """Compute the gradient of the channels with these rows of the columns, of one image.

    `errors` tells how dy is its own columns; S holds the strips of the weights with a row for each row of the columns.
    """
    start, stride, H, W = passing[:4]
    size, taps = passing[4] * passing[5], passing[6] * passing[7]
    origin = start + image * stride
    x[origin + rows[0] // taps * H * W : origin + rows[1] // taps * H * W] = 0
    first = rows[0] // ROWS * ROWS
    for begin in range(image * size, (image + 1) * size, block):
        end = min(begin + block, (image + 1) * size)
        _columns((0, K), (begin, end), dy, errors, col, 0)
        for row in range(first, rows[1], ROWS):
            _multiply(S, row, K, col, _padded(end - begin) // LANES, M, (row - first) * BLOCK, False)
        _add_columns(rows, (begin, end), M, (rows[0] - first) * BLOCK, x, passing)


@_plain
def _turned(
    positions: Any, dy: Any, K: Any, start: Any, stride: Any, size: Any, room: Any, E: Any
) -> None:  # pragma: no cover - compiled
    """Write dy of these positions to E in panels: [panel][position][outputs of the panel]."""
    position = positions[0]
    while position < positions[1]:
        n, i = position // size, position % size
        run = min(size - i, positions[1] - position)
        for k in range(0, K, LANES):
            first, width = panel(_padded(K) // LANES, k // LANES)
            step = width * LANES
            to = first * LANES * room + (position - positions[0]) * step + k - first * LANES
            at = start + n * stride + k * size + i
            if run >= LANES and k + LANES <= K:
                for q in range(0, run, LANES):
                    q = min(q, run - LANES)
                    transpose(dy, at + q, size, E, to + q * step, step)
            else:
                for o in range(min(LANES, K - k)):
                    for q in range(run):
                        E[np.uintp(to + q * step + o)] = dy[np.uintp(at + o * size + q)]
        position += run


@kernel
def correlate(
    lo: int, hi: int, block: int, rows: Any, x: Any, passing: Any, dy: Any, K: int, start: int, stride: int,
    col: Any, span: int, E: Any, D: Any, at: int,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Sum the gradient of the weights over the positions lo..hi, `block` at a time, into these rows of D [row][K]."""
    size, step = passing[4] * passing[5], _padded(K)
    for begin in range(lo, hi, block):
        positions = begin, min(begin + block, hi)
        depth, add = positions[1] - begin, begin > lo
        _columns(rows, positions, x, passing, col, span)
        _turned(positions, dy, K, start, stride, size, block, E)
        v = 0
        while v < step // LANES:
            width = panel(step // LANES, v)[1]
            right = v * LANES * block
            for row in range(rows[0], rows[1], ROWS):
                left, to = (row - rows[0]) * span, at + row * step + v * LANES
                if width == 3:
                    multiply_three(col, left, span, 1, E, right, 3 * LANES, D, to, step, depth, add)
                else:
                    multiply_two(col, left, span, 1, E, right, 2 * LANES, D, to, step, depth, add)
            v += width


@kernel
def add_gradient(
    lo: int, hi: int, D: Any, parts: int, part: int, dW: Any, K: int, depth: int
) -> None:  # pragma: no cover - compiled
    """Add up the `parts` of D [row][K], and add the outputs of the vectors lo..hi to dW [K, depth]."""
    step = _padded(K)
    square, corner = np.zeros(LANES * LANES, D.dtype), np.empty(LANES * LANES, D.dtype)
    for k in range(lo * LANES, hi * LANES, LANES):
        for row in range(0, depth, LANES):
            rows = min(LANES, depth - row)
            for r in range(rows):
                at = (row + r) * step + k
                for o in range(LANES):
                    square[r * LANES + o] = D[np.uintp(at + o)]
                for p in range(1, parts):
                    for o in range(LANES):
                        square[r * LANES + o] += D[np.uintp(at + p * part + o)]
            transpose(square, 0, LANES, corner, 0, LANES)
            for o in range(min(LANES, K - k)):
                for r in range(rows):
                    dW[np.uintp((k + o) * depth + row + r)] += corner[np.uintp(o * LANES + r)]
