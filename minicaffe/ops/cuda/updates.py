"""Solver updates on a GPU: one pass over data, diff and histories, whatever the rule."""

from __future__ import annotations

from typing import Any

from minicaffe.ops import updates as definition
from minicaffe.ops.cuda.launch import launch, suits
from minicaffe.ops.updates import PLAIN, Array, Terms


def sgd_update(data: Array, diff: Array, history: Array, rate: float, momentum: float, terms: Terms = PLAIN) -> None:
    """As `minicaffe.ops.updates.sgd_update`."""
    _update("sgd", (data, diff, history), (rate, momentum), (rate, momentum), terms)


def nesterov_update(
    data: Array, diff: Array, history: Array, rate: float, momentum: float, terms: Terms = PLAIN
) -> None:
    """As `minicaffe.ops.updates.nesterov_update`."""
    _update("nesterov", (data, diff, history), (rate, momentum), (rate, momentum), terms)


def adagrad_update(data: Array, diff: Array, history: Array, rate: float, delta: float, terms: Terms = PLAIN) -> None:
    """As `minicaffe.ops.updates.adagrad_update`."""
    _update("adagrad", (data, diff, history), (rate, delta), (rate, delta), terms)


def rmsprop_update(
    data: Array, diff: Array, history: Array, rate: float, decay: float, delta: float, terms: Terms = PLAIN
) -> None:
    """As `minicaffe.ops.updates.rmsprop_update`."""
    numbers = rate, decay, delta
    _update("rmsprop", (data, diff, history), numbers, (rate, decay, 1.0 - decay, delta), terms)


def adadelta_update(
    data: Array, diff: Array, h1: Array, h2: Array, rate: float, decay: float, delta: float, terms: Terms = PLAIN
) -> None:
    """As `minicaffe.ops.updates.adadelta_update`."""
    numbers = rate, decay, delta
    _update("adadelta", (data, diff, h1, h2), numbers, (rate, decay, 1.0 - decay, delta), terms)


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
    numbers = rate, beta1, beta2, delta
    _update("adam", (data, diff, h1, h2), numbers, (rate, beta1, 1.0 - beta1, beta2, 1.0 - beta2, delta), terms)


def _update(
    rule: str, arrays: tuple[Any, ...], numbers: tuple[float, ...], wanted: tuple[float, ...], terms: Terms
) -> None:
    """Launch the kernel of `rule` with the numbers it wants, or call the definition with its own."""
    if not suits(*arrays):
        getattr(definition, f"{rule}_update")(*arrays, *numbers, terms)
        return
    count = arrays[0].size
    launch("updates", rule, count, *arrays, count, *map(float, wanted), *map(float, terms))
