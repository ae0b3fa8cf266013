"""Number by number, each byte touched once, in all threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minicaffe.ops import elementwise as definition
from minicaffe.ops.cpu.kernel import kernel, suits
from minicaffe.ops.cpu.team import divide
from minicaffe.ops.cpu.threads import ALONE, run, split

# Below this many elements a thread costs more than it saves.
ELEMENTS = 1 << 15
# So many draws, and the numbers they decide on, stay within a second-level cache.
DRAWS = 1 << 14


def in_threads(kernel: Callable[..., None], size: int, *arguments: Any) -> None:
    """Run a kernel on `size` numbers, in threads."""
    run(kernel, size, ELEMENTS, *arguments)


def rectify(x: Any, slope: float, y: Any) -> None:
    """As `minicaffe.ops.elementwise.rectify`."""
    if not suits(x, y):
        definition.rectify(x, slope, y)
        return
    flat = x.reshape(-1), y.reshape(-1)
    in_threads(_rectify, x.size, *flat, x.dtype.type(slope))


def rectify_backward(x: Any, dy: Any, slope: float, dx: Any) -> None:
    """As `minicaffe.ops.elementwise.rectify_backward`."""
    if not suits(x, dy, dx):
        definition.rectify_backward(x, dy, slope, dx)
        return
    flat = x.reshape(-1), dy.reshape(-1), dx.reshape(-1)
    in_threads(_rectify_backward, x.size, *flat, x.dtype.type(slope))


def weighted_sum(xs: Sequence[Any], weights: Sequence[float], y: Any, rectify: bool = False) -> None:
    """As `minicaffe.ops.elementwise.weighted_sum`."""
    if not suits(*xs, y) or (len(xs) < 2 and rectify):
        definition.weighted_sum(xs, weights, y, rectify)
        return
    number = y.dtype.type
    flat = [x.reshape(-1) for x in xs]
    total, first, share = y.reshape(-1), flat[0], number(weights[0])
    if len(xs) == 1:
        in_threads(_scaled, y.size, first, share, total)
    for i in range(1, len(xs)):
        last = i == len(xs) - 1
        in_threads(_sum_of_two, y.size, first, flat[i], share, number(weights[i]), rectify and last, total)
        first, share = total, number(1)


def dropout(x: Any, bits: Any, ratio: float, factor: float, mask: Any, y: Any) -> None:
    """As `minicaffe.ops.elementwise.dropout`: the same draws, each thread starting where it would have come to."""
    if not suits(x, y) or not isinstance(bits, np.random.PCG64) or not mask.flags.c_contiguous:
        definition.dropout(x, bits, ratio, factor, mask, y)
        return
    flat = x.reshape(-1), y.reshape(-1), mask.reshape(-1)
    least, scale, state = definition.threshold(ratio), x.dtype.type(factor), bits.state
    draws = (x.size + 1) // 2

    def work(lo: int, hi: int) -> None:
        own = np.random.PCG64()
        own.state = state
        own.advance(lo)
        for start in range(lo, hi, DRAWS):
            drawn = own.random_raw(min(DRAWS, hi - start)).view(np.uint32)
            _drop(2 * start, min(2 * start + len(drawn), x.size), ALONE, *flat, drawn, least, scale)

    in_threads_of_draws(draws, work)
    bits.random_raw(1, output=False) if draws == 1 else bits.advance(draws)


def in_threads_of_draws(draws: int, work: Callable[[int, int], None]) -> None:
    """Call `work` for `draws` random numbers, in threads."""
    split(draws, DRAWS, work)


def masked(x: Any, mask: Any, factor: float, y: Any) -> None:
    """As `minicaffe.ops.elementwise.masked`."""
    if not suits(x, y) or not mask.flags.c_contiguous or mask.dtype != np.bool_:
        definition.masked(x, mask, factor, y)
        return
    flat = x.reshape(-1), y.reshape(-1), mask.reshape(-1)
    in_threads(_masked, x.size, *flat, x.dtype.type(factor))


@kernel
def _rectify(lo: int, hi: int, team: Any, x: Any, y: Any, slope: Any) -> None:
    if divide(lo, hi, team):
        return
    zero = slope - slope
    source, to = x[lo:hi], y[lo:hi]
    if slope == zero:
        for i in range(np.uintp(hi - lo)):
            v = source[i]
            to[i] = zero if v <= zero else v
    else:
        for i in range(np.uintp(hi - lo)):
            v = source[i]
            to[i] = v * slope if v <= zero else v


@kernel
def _rectify_backward(lo: int, hi: int, team: Any, x: Any, dy: Any, dx: Any, slope: Any) -> None:
    if divide(lo, hi, team):
        return
    zero = slope - slope
    one = zero + x.dtype.type(1)
    source, error, to = x[lo:hi], dy[lo:hi], dx[lo:hi]
    for i in range(np.uintp(hi - lo)):
        v = source[i]
        share = slope if v <= zero else zero
        to[i] = error[i] * (one if v > zero else share)


@kernel
def _scaled(lo: int, hi: int, team: Any, x: Any, factor: Any, y: Any) -> None:
    if divide(lo, hi, team):
        return
    source, to = x[lo:hi], y[lo:hi]
    for i in range(np.uintp(hi - lo)):
        to[i] = source[i] * factor


@kernel
def _sum_of_two(lo: int, hi: int, team: Any, a: Any, b: Any, wa: Any, wb: Any, rectify: Any, y: Any) -> None:
    if divide(lo, hi, team):
        return
    zero = wa - wa
    one, two, to = a[lo:hi], b[lo:hi], y[lo:hi]
    if rectify:
        for i in range(np.uintp(hi - lo)):
            v = wa * one[i] + wb * two[i]
            to[i] = zero if v <= zero else v
    else:
        for i in range(np.uintp(hi - lo)):
            to[i] = wa * one[i] + wb * two[i]


@kernel
def _drop(lo: int, hi: int, team: Any, x: Any, y: Any, mask: Any, drawn: Any, least: Any, scale: Any) -> None:
    if divide(lo, hi, team):
        return
    zero = scale - scale
    source, to, kept = x[lo:hi], y[lo:hi], mask[lo:hi]
    one = zero + x.dtype.type(1)
    for i in range(np.uintp(hi - lo)):
        keep = drawn[i] >= least
        kept[i] = keep
        to[i] = source[i] * (one if keep else zero) * scale


@kernel
def _masked(lo: int, hi: int, team: Any, x: Any, y: Any, mask: Any, scale: Any) -> None:
    if divide(lo, hi, team):
        return
    zero = scale - scale
    one = zero + x.dtype.type(1)
    source, to, kept = x[lo:hi], y[lo:hi], mask[lo:hi]
    for i in range(np.uintp(hi - lo)):
        to[i] = source[i] * (one if kept[i] else zero) * scale
