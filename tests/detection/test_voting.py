from __future__ import annotations

import numpy as np
import pytest

from minicaffe.detection import voting
from minicaffe.detection.voting import vote


def rows(*values) -> np.ndarray:
    return np.array(values, np.float32).reshape(-1, 5)


def test_the_mean_of_overlapping_boxes_weighted_by_score() -> None:
    kept = rows((0, 0, 99, 99, 0.9))
    pool = rows((0, 0, 99, 99, 0.9), (10, 0, 109, 99, 0.3), (60, 60, 159, 159, 0.8))  # the last overlaps too little
    voted = vote(kept, pool)
    assert voted[0] == pytest.approx([2.5, 0, 101.5, 99, 0.9])


def test_an_overlap_of_exactly_the_threshold_votes() -> None:
    kept, pool = rows((0, 0, 9, 9, 0.5)), rows((0, 0, 9, 9, 0.5), (0, 0, 9, 19, 0.5))  # 100 of 200: IoU 1/2
    assert vote(kept, pool)[0, 3] == 14
    assert vote(kept, pool, overlap=0.51)[0, 3] == 9


def test_negative_scores_have_no_say_and_a_box_without_votes_stays() -> None:
    kept = rows((0, 0, 9, 9, 0.5), (50, 50, 59, 59, -0.2))
    pool = rows((0, 0, 9, 9, 0.5), (0, 0, 9, 11, -3), (50, 50, 59, 59, -0.2))
    assert np.array_equal(vote(kept, pool), kept)


def test_scores_and_what_was_given_are_left_alone() -> None:
    kept, pool = rows((0, 0, 9, 9, 0.5)), rows((0, 0, 9, 11, 0.5))
    before = kept.copy()
    voted = vote(kept, pool)
    assert np.array_equal(kept, before)
    assert voted.dtype == np.float32
    assert voted[0].tolist() == [0, 0, 9, 11, 0.5]


def test_nothing_to_vote_on() -> None:
    assert vote(rows(), rows((0, 0, 9, 9, 0.5))).shape == (0, 5)
    assert np.array_equal(vote(rows((0, 0, 9, 9, 0.5)), rows()), rows((0, 0, 9, 9, 0.5)))


def test_many_boxes_vote_in_parts_as_they_do_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 60, (40, 2))
    pool = np.hstack([corners, corners + rng.uniform(10, 30, (40, 2)), rng.uniform(size=(40, 1))]).astype(np.float32)
    at_once = vote(pool[:7], pool)
    assert not np.array_equal(at_once, pool[:7])
    for pairs in (1, 80, 120):
        monkeypatch.setattr(voting, "_PAIRS", pairs)
        np.testing.assert_allclose(vote(pool[:7], pool), at_once, rtol=1e-6)
