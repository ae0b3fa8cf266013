"""ContrastiveLoss against its formula, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.errors import NetError
from minicaffe.testing import Case, given
from minicaffe.testing.bench import Bench

A = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.5], [1.0, 1.0]])
B = np.array([[1.0, 2.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
SIMILAR = [1, 0, 0, 0]


def bench(text: str, *bottoms: object) -> Bench:
    inputs = tuple(map(given, bottoms or (A, B, SIMILAR)))
    return Bench(Case(f'type: "ContrastiveLoss" contrastive_loss_param {{ {text} }}', inputs, gradients=(0, 1)))


def gradients(stand: Bench, weight: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    stand.seed_diffs([np.array(weight)])
    stand.backward()
    return stand.bottom[0].diff, stand.bottom[1].diff


def test_near_pairs_are_pushed_and_similar_ones_pulled() -> None:
    stand = bench("margin: 2")
    stand.forward()
    assert float(stand.top[0].data) == (5 + 0 + 1.5**2 + 2**2) / 8
    da, db = gradients(stand)
    np.testing.assert_allclose(da, [[-1, -2], [0, 0], [0, -1.5 * 0.5 / 0.5001], [0, 0]], rtol=1e-12)
    np.testing.assert_array_equal(db, -da)


def test_legacy_version_compares_the_squared_distance() -> None:
    stand = bench("margin: 2 legacy_version: true")
    stand.forward()
    assert float(stand.top[0].data) == (5 + 0 + 1.75 + 2) / 8
    np.testing.assert_allclose(gradients(stand)[0], [[-1, -2], [0, 0], [0, -0.5], [0, 0]])


def test_similarity_is_cut_off_towards_zero() -> None:
    whole, broken = bench("", A, B, [1, 0, 0, 0]), bench("", A, B, [-1.5, 0.9, -0.9, 0])
    assert whole.objective() == broken.objective()


def test_shapes_must_agree() -> None:
    with pytest.raises(NetError, match="must both have the shape N x C"):
        bench("", np.zeros((4, 2, 1, 1)), np.zeros((4, 2, 1, 2)), SIMILAR)
    with pytest.raises(NetError, match="one number for every pair"):
        bench("", A, B, [1, 0])


def test_similarity_has_no_gradient() -> None:
    with pytest.raises(NetError, match=r"no gradient for bottom\[2\]"):
        bench("").run((2,))
