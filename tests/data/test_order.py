"""Orders: epochs are permutations, and the place in them can be kept."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe.data.order import Order


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def test_unshuffled_goes_round() -> None:
    order = Order(3, start=1)
    assert order.peek() == 1
    assert order.take_across(7).tolist() == [1, 2, 0, 1, 2, 0, 1]
    assert order.last == 1


def test_take_stops_at_the_end_of_the_epoch() -> None:
    order = Order(3)
    assert order.take(2).tolist() == [0, 1]
    assert not order.finished
    assert order.take(9).tolist() == [2]
    assert order.finished


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9), st.integers(0, 99))
def test_every_epoch_is_a_permutation(count: int, seed: int) -> None:
    taken = Order(count, generator(seed)).take_across(4 * count).reshape(4, count)
    assert (np.sort(taken, axis=1) == np.arange(count)).all()


def test_epochs_differ() -> None:
    taken = Order(20, generator(1)).take_across(40).tolist()
    assert taken[:20] != taken[20:]
    assert taken[:20] != list(range(20))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 9), st.integers(0, 20), st.booleans())
def test_the_state_continues_exactly(count: int, before: int, shuffled: bool) -> None:
    order = Order(count, generator(5) if shuffled else None)
    if before:
        order.take_across(before)
    state = json.loads(json.dumps(order.get_state()))
    expected = order.take_across(3 * count)
    other = Order(count, generator(99) if shuffled else None)
    other.set_state(state, count)
    assert other.take_across(3 * count).tolist() == expected.tolist()
