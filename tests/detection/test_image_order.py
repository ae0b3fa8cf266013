"""The order of photographs: epochs, pairs of one orientation, and continuing in the middle."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe.detection.image_order import ImageOrder


def order(wide: list[bool], per_batch: int = 2, grouping: bool = False, seed: int = 1) -> ImageOrder:
    return ImageOrder(np.array(wide, bool), per_batch, grouping, np.random.default_rng(seed))


class TestEpochs:
    @settings(deadline=None, max_examples=30)
    @given(st.integers(1, 12), st.integers(1, 4), st.booleans())
    def test_a_new_one_begins_when_no_more_than_a_batch_is_left(
        self, count: int, per_batch: int, grouping: bool
    ) -> None:
        walk = order([i % 3 > 0 for i in range(count)], per_batch, grouping)
        length = max((count - 1) // per_batch, 1)  # batches of an epoch
        for _ in range(4):
            epoch = np.concatenate([walk.take() for _ in range(length)])
            assert len(epoch) == min(per_batch * length, count)
            assert len(set(epoch.tolist())) == len(epoch)

    def test_shuffled_anew(self) -> None:
        walk = order([True] * 9)
        epochs = {tuple(np.concatenate([walk.take() for _ in range(4)])) for _ in range(5)}
        assert len(epochs) == 5

    def test_everything_comes_up(self) -> None:
        walk = order([True] * 5, per_batch=1)
        assert np.bincount([int(walk.take()[0]) for _ in range(400)]).min() > 50


class TestGrouping:
    def test_pairs_are_of_one_orientation(self) -> None:
        wide = np.random.default_rng(2).random(40) < 0.6
        walk = order(wide.tolist(), grouping=True)
        mixed = sum(len(set(wide[walk.take()])) > 1 for _ in range(19))
        assert mixed <= 1  # where one kind ends and the other begins
        plain = order(wide.tolist())
        assert sum(len(set(wide[plain.take()])) > 1 for _ in range(19)) > 4

    def test_an_odd_one_waits_at_the_end(self) -> None:
        walk = order([True, False, True], grouping=True)
        for _ in range(10):
            assert len(walk.take()) == 2

    def test_pairs_are_shuffled(self) -> None:
        wide = [True] * 6 + [False] * 6
        firsts = {bool(wide[order(wide, grouping=True, seed=seed).take()[0]]) for seed in range(10)}
        assert firsts == {True, False}


class TestContinuing:
    @pytest.mark.parametrize("grouping", [False, True])
    @pytest.mark.parametrize("passed", [0, 1, 3, 4, 11])
    def test_bit_for_bit(self, passed: int, grouping: bool) -> None:
        wide = [True, False] * 5
        walk = order(wide, grouping=grouping)
        for _ in range(passed):
            walk.take()
        state = json.loads(json.dumps(walk.get_state()))
        expected = [walk.take().tolist() for _ in range(12)]
        other = order(wide, grouping=grouping, seed=9)
        other.set_state(state)
        assert [other.take().tolist() for _ in range(12)] == expected

    def test_other_photographs(self, caplog: pytest.LogCaptureFixture) -> None:
        state = order([True] * 10).get_state()
        other = order([True] * 4)
        with caplog.at_level(logging.WARNING, "minicaffe"):
            other.set_state(state)
        assert "has 4 entries, it had 10" in caplog.text
        assert max(other.take()) < 4
