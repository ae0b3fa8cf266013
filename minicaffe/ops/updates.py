"""Solver updates: `data` moves one step along its gradient `diff`, in place; the rules in order of growing complexity.

Every array is flat and all of one length. `diff` goes in as the gradient summed over a step and comes out as the value
that was subtracted from `data`, as Caffe leaves it. The gradient g that a rule sees is

    g = scale * diff + l2 * data + l1 * sign(data)

with the numbers of `Terms`. `rate` is the learning rate of this parameter. Histories start at zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minicaffe.ops.arrays import array_module

Array = Any

# One block of data, diff, two histories and a temporary, 4 bytes each, stays within a second-level cache of 1 MB: an
# update of any size then reads and writes main memory once, however many passes its formula takes.
BLOCK = 1 << 15


class Terms(NamedTuple):
    """`scale` undoes iter_size and carries the clipping; `l2` or `l1` is the weight decay of this parameter."""

    scale: float = 1.0
    l2: float = 0.0
    l1: float = 0.0


PLAIN = Terms()


def sgd_update(data: Array, diff: Array, history: Array, rate: float, momentum: float, terms: Terms = PLAIN) -> None:
    """h = momentum h + rate g; data -= h. The rate is inside the history."""
    for w, g, h in _blocks(data, diff, history):
        _gradient(g, w, terms)
        g *= rate
        h *= momentum
        h += g
        g[...] = h
        w -= g


def nesterov_update(
    data: Array, diff: Array, history: Array, rate: float, momentum: float, terms: Terms = PLAIN
) -> None:
    """h' = momentum h + rate g; data -= (1 + momentum) h' - momentum h, which is rate g + momentum h'."""
    for w, g, h in _blocks(data, diff, history):
        _gradient(g, w, terms)
        g *= rate
        h *= momentum
        h += g
        g += momentum * h
        w -= g


def adagrad_update(data: Array, diff: Array, history: Array, rate: float, delta: float, terms: Terms = PLAIN) -> None:
    """h += g²; data -= rate g / (sqrt h + delta)   (Duchi et al., 2011)."""
    for w, g, h in _blocks(data, diff, history):
        _gradient(g, w, terms)
        h += g * g
        _divide_by_root(g, h, delta)
        g *= rate
        w -= g


def rmsprop_update(
    data: Array, diff: Array, history: Array, rate: float, decay: float, delta: float, terms: Terms = PLAIN
) -> None:
    """h = decay h + (1 - decay) g²; data -= rate g / (sqrt h + delta)   (Tieleman and Hinton, 2012)."""
    for w, g, h in _blocks(data, diff, history):
        _gradient(g, w, terms)
        _average(h, g * g, decay)
        _divide_by_root(g, h, delta)
        g *= rate
        w -= g


def adadelta_update(
    data: Array, diff: Array, h1: Array, h2: Array, rate: float, decay: float, delta: float, terms: Terms = PLAIN
) -> None:
    """u = g sqrt((h2 + delta) / (h1 + delta)); data -= rate u; h1 and h2 average g² and u²   (Zeiler, 2012).

    h1 takes in g² before u is computed, h2 takes in u² after.
    """
    for w, g, h, s in _blocks(data, diff, h1, h2):
        _gradient(g, w, terms)
        _average(h, g * g, decay)
        ratio = s + delta
        ratio /= h + delta
        g *= array_module(ratio).sqrt(ratio, out=ratio)
        _average(s, g * g, decay)
        g *= rate
        w -= g


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
    """h1 and h2 average g and g²; data -= rate h1 / (sqrt h2 + delta)   (Kingma and Ba, 2015).

    `rate` carries the bias correction sqrt(1 - beta2^t) / (1 - beta1^t); as in Caffe, delta is not corrected.
    """
    for w, g, m, v in _blocks(data, diff, h1, h2):
        _gradient(g, w, terms)
        _average(v, g * g, beta2)
        _average(m, g, beta1)
        g[...] = m
        _divide_by_root(g, v, delta)
        g *= rate
        w -= g


def _blocks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    if not isinstance(arrays[0], np.ndarray) or arrays[0].size <= BLOCK:
        yield arrays
        return
    for start in range(0, arrays[0].size, BLOCK):
        yield tuple(array[start : start + BLOCK] for array in arrays)


def _gradient(g: Array, w: Array, terms: Terms) -> None:
    if terms.scale != 1.0:
        g *= terms.scale
    if terms.l2:
        g += terms.l2 * w
    if terms.l1:
        g += terms.l1 * array_module(w).sign(w)


def _average(h: Array, x: Array, decay: float) -> None:
    """h = decay h + (1 - decay) x; `x` is used up."""
    h *= decay
    x *= 1.0 - decay
    h += x


def _divide_by_root(g: Array, h: Array, delta: float) -> None:
    root = array_module(h).sqrt(h)
    root += delta
    g /= root
