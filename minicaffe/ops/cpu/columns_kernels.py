"""Kernels between images and the columns of their convolution.

A position is an output pixel of an image; positions are numbered through all images. A row of columns holds what one
channel and kernel tap contribute to neighbouring positions; it lies in panels, as products read them, or as one row.
Images are read and written a run at a time: positions in one row of one image.

`passing` is how a kernel passes over images x: where the first begins, how far apart they are, height and width; height
and width in positions; then kernel, stride, pad and dilation, two numbers each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.ops.cpu.gemm import padded_to, panel_of
from minicaffe.ops.cpu.im2col import inside
from minicaffe.ops.cpu.kernel import called, kernel
from minicaffe.ops.cpu.team import divide
from minicaffe.ops.cpu.vector import LANES, along, transpose

_copy = along(lambda vector: (vector,), 1)
_copy_three = along(lambda *vectors: vectors, 3)


@called
def clear(col: Any, to: Any, count: Any) -> None:
    for q in range(np.uintp(count)):
        col[np.uintp(to) + q] = 0


@called
def _copy_run(x: Any, source: Any, col: Any, to: Any, run: Any) -> None:
    if run == 3 * LANES:
        _copy_three(x, source, LANES, col, to, LANES)
        return
    if run < LANES:
        for q in range(np.uintp(run)):
            col[np.uintp(to) + q] = x[np.uintp(source) + q]
        return
    for q in range(0, run, LANES):
        # The last vector overlaps the one before.
        q = min(q, run - LANES)
        _copy(x, source + q, 0, col, to + q, 0)


@called
def _run(position: Any, hi: Any, passing: Any) -> Any:
    """Return image, row and column of a position, and how many positions before `hi` share the row, it included."""
    h, w = passing[4], passing[5]
    j = position % w
    return position // (h * w), position // w % h, j, min(w - j, hi - position)


def frame_size(passing: Any) -> Any:
    """Return how many rows and columns of an image in its frame a stride steps on from one place.

    As many as are read: a window larger than the padded image may have one position (Caffe rounds towards zero), and
    reaches beyond.
    """
    _, _, _, _, h, w, kh, kw, sh, sw, _, _, dh, dw = passing
    return h + (kh - 1) * dh // sh, w + (kw - 1) * dw // sw


_frame_size = called(frame_size)


@kernel
def frame(lo: int, hi: int, team: Any, channels: int, x: Any, passing: Any, out: Any) -> None:
    """Copy the planes lo..hi of the images, `channels` an image, with zeros around them.

    What a stride steps on from the same place lies together: out [plane][row % sh][column % sw][row / sh][column / sw].
    """
    if divide(lo, hi, team):
        return
    start, stride, H, W, _, _, _, _, sh, sw, ph, pw, _, _ = passing
    rows, columns = _frame_size(passing)
    for plane in range(lo, hi):
        first = start + plane // channels * stride + plane % channels * H * W
        for place in range(sh * sw):
            begin, end = inside(place % sw - pw, sw, W, columns)
            for row in range(rows):
                y, to = row * sh + place // sw - ph, ((plane * sh * sw + place) * rows + row) * columns
                if y < 0 or y >= H:
                    clear(out, to, columns)
                    continue
                clear(out, to, begin)
                source, target = np.uintp(first + y * W + begin * sw + place % sw - pw), np.uintp(to + begin)
                if sw == 1:
                    for q in range(np.uintp(end - begin)):
                        out[target + q] = x[source + q]
                else:
                    for q in range(np.uintp(end - begin)):
                        out[target + q] = x[source + q * np.uintp(sw)]
                clear(out, to + end, columns - end)


@called
def write_columns(rows: Any, positions: Any, source: Any, col: Any, room: Any, step: Any) -> None:
    """Write the columns of these positions (first and end) from images in frames, which are longer than need be.

    `rows` are the first and the end, and the first of col: either in panels with `room` rows, or rows `step` apart.
    Runs are copied in whole vectors, in the order of memory: what goes beyond a run is written again. But for the last
    row: what follows it may be another thread's.
    """
    x, passing, channels = source
    w, kh, kw, sh, sw = passing[5:10]
    dh, dw = passing[12:]
    H, W = _frame_size(passing)
    plane, (lo, hi) = sh * sw * H * W, positions
    vectors, v = padded_to(hi - lo) // LANES, 0
    runs = np.empty(((hi - lo) // w + 2, 3), np.intp)
    while v * LANES < hi - lo:
        width = panel_of(vectors, v)[1] if room else vectors
        position, end, count = lo + v * LANES, min(lo + (v + width) * LANES, hi), 0
        across, to = (width * LANES, v * LANES * room) if room else (step, 0)
        while position < end:
            n, i, j, run = _run(position, end, passing)
            runs[count, 0] = n * channels * plane + i * W + j
            runs[count, 1], runs[count, 2] = position - lo - v * LANES, run
            position, count = position + run, count + 1
        row = rows[0]
        for c in range(rows[0] // (kh * kw), -(-rows[1] // (kh * kw))):
            for ky in range(kh):
                for kx in range(kw):
                    if (c * kh + ky) * kw + kx != row or row == rows[1]:
                        continue
                    place = c * sh * sw + ky * dh % sh * sw + kx * dw % sw
                    source_at, target = (place * H + ky * dh // sh) * W + kx * dw // sw, to + (row - rows[2]) * across
                    row += 1
                    for r in range(count):
                        at, into = source_at + runs[r, 0], target + runs[r, 1]
                        if row == rows[1]:
                            _copy_run(x, at, col, into, runs[r, 2])
                            continue
                        for q in range(np.uintp((runs[r, 2] + LANES - 1) // LANES)):
                            _copy(x, at + q * LANES, 0, col, into + q * LANES, 0)
        v += width


@called
def add_columns(rows: Any, positions: Any, col: Any, step: int, x: Any, passing: Any) -> None:
    """Add these rows of columns, `step` apart, to the elements of x that they would be read from."""
    start, stride, H, W, _, w, kh, kw, sh, sw, ph, pw, dh, dw = passing
    position = positions[0]
    while position < positions[1]:
        n, i, j, run = _run(position, positions[1], passing)
        for kx in range(kw):
            first, last = inside(kx * dw - pw, sw, W, w)
            a = min(max(first - j, 0), run)
            b = max(min(last - j, run), a)
            for c in range(rows[0] // (kh * kw), rows[1] // (kh * kw)):
                for ky in range(kh):
                    y = i * sh - ph + ky * dh
                    if y < 0 or y >= H:
                        continue
                    row = (c * kh + ky) * kw + kx - rows[0]
                    source = np.uintp(row * step + position - positions[0] + a)
                    to = np.uintp(start + n * stride + (c * H + y) * W + (j + a) * sw + kx * dw - pw)
                    if sw == 1:
                        for q in range(np.uintp(b - a)):
                            x[to + q] += col[source + q]
                    else:
                        for q in range(np.uintp(b - a)):
                            x[to + q * np.uintp(sw)] += col[source + q]
        position += run


@called
def write_outputs(outputs: Any, positions: Any, M: Any, step: int, finish: Any, y: Any, image: Any) -> None:
    """Write sums M, whose rows are `step` apart, to y: times gain, plus bias, but no less than the floor.

    `image`: where the first of y begins, how far apart they are, and how many positions they have.
    """
    (gain, bias, floor), (start, stride, size) = finish, image
    for k in range(outputs[0], outputs[1]):
        times, plus = gain[k], bias[k]
        position = positions[0]
        while position < positions[1]:
            n, i = position // size, position % size
            run = min(size - i, positions[1] - position)
            source = np.uintp((k - outputs[0]) * step + position - positions[0])
            to = np.uintp(start + n * stride + k * size + i)
            for q in range(np.uintp(run)):
                value = M[source + q] * times + plus
                # A comparison that NaN passes.
                y[to + q] = floor if value < floor else value
            position += run


@called
def turn(positions: Any, x: Any, rows: int, image: Any, out: Any, room: int) -> None:
    """Transpose `rows` channels of these positions to panels of channels, with room for so many positions."""
    start, stride, size = image
    vectors, position = padded_to(rows) // LANES, positions[0]
    while position < positions[1]:
        n, i = position // size, position % size
        run = min(size - i, positions[1] - position)
        for r in range(0, rows, LANES):
            first, width = panel_of(vectors, r // LANES)
            across = width * LANES
            target = first * LANES * room + r - first * LANES + (position - positions[0]) * across
            source = start + n * stride + r * size + i
            whole = run // LANES * LANES if rows - r >= LANES else 0
            for p in range(0, whole, LANES):
                transpose(x, source + p, size, out, target + p * across, across)
            for q in range(min(LANES, rows - r)):
                for p in range(whole, run):
                    out[np.uintp(target + p * across + q)] = x[np.uintp(source + q * size + p)]
        position += run


@kernel
def strips(lo: int, hi: int, team: Any, W: Any, rows: int, columns: int, S: Any) -> None:
    """Write the columns lo..hi, counted in vectors, of W [rows, columns] to strips S [vector][row][lane]."""
    if divide(lo, hi, team):
        return
    for column in range(lo * LANES, min(hi * LANES, columns), LANES):
        for row in range(rows):
            source, to = row * columns + column, (column * rows + row * LANES)
            if columns - column >= LANES:
                _copy(W, source, 0, S, to, 0)
            else:
                for i in range(columns - column):
                    S[np.uintp(to + i)] = W[np.uintp(source + i)]


@called
def write_panels(lo: Any, hi: Any, x: Any, at: Any, size: Any, rows: Any, col: Any) -> None:
    """Copy the numbers lo..hi of `rows` rows to panels; the first begins at `at`, and they are `size` apart."""
    vectors, v = padded_to(hi - lo) // LANES, 0
    while v * LANES < hi - lo:
        width = panel_of(vectors, v)[1]
        run = min(width * LANES, hi - lo - v * LANES)
        for row in range(rows):
            to = (v * rows + row * width) * LANES
            _copy_run(x, at + row * size + lo + v * LANES, col, to, run)
        v += width


@kernel
def add_gradient(lo: int, hi: int, team: Any, D: Any, parts: int, part: int, dW: Any, K: int, depth: int) -> None:
    """Add up the `parts` of D [row][K], and add the outputs of the vectors lo..hi to dW [K, depth]."""
    if divide(lo, hi, team):
        return
    step = padded_to(K)
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
