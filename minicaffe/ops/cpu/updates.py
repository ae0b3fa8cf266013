"""Solver updates in one pass: every number of data, diff and histories is read and written once, in all threads.

The formulas are those of `minicaffe.ops.updates`, in the same order and precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.ops import updates as definition
from minicaffe.ops.cpu.elementwise import in_threads
from minicaffe.ops.cpu.kernel import called, kernel, suits
from minicaffe.ops.cpu.team import divide
from minicaffe.ops.updates import PLAIN, Terms

Array = Any


def _run(compiled: Any, arrays: tuple[Array, ...], terms: Terms, *numbers: float) -> bool:
    """Run a kernel over flat arrays; False if these are none that it takes."""
    if not suits(*arrays) or any(array.ndim != 1 for array in arrays):
        return False
    constants = tuple(arrays[0].dtype.type(number) for number in (*terms, *numbers))
    in_threads(compiled, arrays[0].size, *arrays, constants)
    return True


def sgd_update(data: Array, diff: Array, history: Array, rate: float, momentum: float, terms: Terms = PLAIN) -> None:
    """As `minicaffe.ops.updates.sgd_update`."""
    if not _run(_sgd, (data, diff, history), terms, rate, momentum):
        definition.sgd_update(data, diff, history, rate, momentum, terms)


def nesterov_update(
    data: Array, diff: Array, history: Array, rate: float, momentum: float, terms: Terms = PLAIN
) -> None:
    """As `minicaffe.ops.updates.nesterov_update`."""
    if not _run(_nesterov, (data, diff, history), terms, rate, momentum):
        definition.nesterov_update(data, diff, history, rate, momentum, terms)


def adagrad_update(data: Array, diff: Array, history: Array, rate: float, delta: float, terms: Terms = PLAIN) -> None:
    """As `minicaffe.ops.updates.adagrad_update`."""
    if not _run(_adagrad, (data, diff, history), terms, rate, delta):
        definition.adagrad_update(data, diff, history, rate, delta, terms)


def rmsprop_update(
    data: Array, diff: Array, history: Array, rate: float, decay: float, delta: float, terms: Terms = PLAIN
) -> None:
    """As `minicaffe.ops.updates.rmsprop_update`."""
    if not _run(_rmsprop, (data, diff, history), terms, rate, decay, 1.0 - decay, delta):
        definition.rmsprop_update(data, diff, history, rate, decay, delta, terms)


def adadelta_update(
    data: Array, diff: Array, h1: Array, h2: Array, rate: float, decay: float, delta: float, terms: Terms = PLAIN
) -> None:
    """As `minicaffe.ops.updates.adadelta_update`."""
    if not _run(_adadelta, (data, diff, h1, h2), terms, rate, decay, 1.0 - decay, delta):
        definition.adadelta_update(data, diff, h1, h2, rate, decay, delta, terms)


def adam_update(
    data: Array,
    diff: Array,
    h1: Array,
    h2: Array,
    rate: float,
    beta1: float,
    beta2: float,
    delta: float,
    terms: Terms = PLAIN,
) -> None:
    """As `minicaffe.ops.updates.adam_update`."""
    if not _run(_adam, (data, diff, h1, h2), terms, rate, beta1, 1.0 - beta1, beta2, 1.0 - beta2, delta):
        definition.adam_update(data, diff, h1, h2, rate, beta1, beta2, delta, terms)


@called
def _gradient(g: Any, w: Any, scale: Any, l2: Any, l1: Any) -> Any:
    zero = l1 - l1
    g *= scale
    if l2 != zero:
        g += l2 * w
    if l1 != zero:
        g += l1 if w > zero else (-l1 if w < zero else w)
    return g


@kernel
def _sgd(lo: int, hi: int, team: Any, data: Any, diff: Any, history: Any, constants: Any) -> None:
    if divide(lo, hi, team):
        return
    scale, l2, l1, rate, momentum = constants
    w, g, h = data[lo:hi], diff[lo:hi], history[lo:hi]
    for i in range(np.uintp(hi - lo)):
        step = h[i] * momentum + _gradient(g[i], w[i], scale, l2, l1) * rate
        h[i] = step
        g[i] = step
        w[i] -= step


@kernel
def _nesterov(lo: int, hi: int, team: Any, data: Any, diff: Any, history: Any, constants: Any) -> None:
    if divide(lo, hi, team):
        return
    scale, l2, l1, rate, momentum = constants
    w, g, h = data[lo:hi], diff[lo:hi], history[lo:hi]
    for i in range(np.uintp(hi - lo)):
        step = _gradient(g[i], w[i], scale, l2, l1) * rate
        h[i] = h[i] * momentum + step
        step += momentum * h[i]
        g[i] = step
        w[i] -= step


@kernel
def _adagrad(lo: int, hi: int, team: Any, data: Any, diff: Any, history: Any, constants: Any) -> None:
    if divide(lo, hi, team):
        return
    scale, l2, l1, rate, delta = constants
    w, g, h = data[lo:hi], diff[lo:hi], history[lo:hi]
    for i in range(np.uintp(hi - lo)):
        step = _gradient(g[i], w[i], scale, l2, l1)
        h[i] += step * step
        step = step / (np.sqrt(h[i]) + delta) * rate
        g[i] = step
        w[i] -= step


@kernel
def _rmsprop(lo: int, hi: int, team: Any, data: Any, diff: Any, history: Any, constants: Any) -> None:
    if divide(lo, hi, team):
        return
    scale, l2, l1, rate, decay, rest, delta = constants
    w, g, h = data[lo:hi], diff[lo:hi], history[lo:hi]
    for i in range(np.uintp(hi - lo)):
        step = _gradient(g[i], w[i], scale, l2, l1)
        h[i] = h[i] * decay + step * step * rest
        step = step / (np.sqrt(h[i]) + delta) * rate
        g[i] = step
        w[i] -= step


@kernel
def _adadelta(lo: int, hi: int, team: Any, data: Any, diff: Any, h1: Any, h2: Any, constants: Any) -> None:
    if divide(lo, hi, team):
        return
    scale, l2, l1, rate, decay, rest, delta = constants
    w, g, h, s = data[lo:hi], diff[lo:hi], h1[lo:hi], h2[lo:hi]
    for i in range(np.uintp(hi - lo)):
        step = _gradient(g[i], w[i], scale, l2, l1)
        h[i] = h[i] * decay + step * step * rest
        step *= np.sqrt((s[i] + delta) / (h[i] + delta))
        s[i] = s[i] * decay + step * step * rest
        step *= rate
        g[i] = step
        w[i] -= step


@kernel
def _adam(lo: int, hi: int, team: Any, data: Any, diff: Any, h1: Any, h2: Any, constants: Any) -> None:
    if divide(lo, hi, team):
        return
    scale, l2, l1, rate, beta1, rest1, beta2, rest2, delta = constants
    w, g, m, v = data[lo:hi], diff[lo:hi], h1[lo:hi], h2[lo:hi]
    for i in range(np.uintp(hi - lo)):
        step = _gradient(g[i], w[i], scale, l2, l1)
        v[i] = v[i] * beta2 + step * step * rest2
        m[i] = m[i] * beta1 + step * rest1
        step = m[i] / (np.sqrt(v[i]) + delta) * rate
        g[i] = step
        w[i] -= step
