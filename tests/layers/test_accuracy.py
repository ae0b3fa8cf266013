"""Accuracy: ties, top_k, axes, ignored labels, classes of their own."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.errors import NetError
from minicaffe.testing import Case, given
from minicaffe.testing.bench import Bench

SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])


def accuracy(text: str, scores: object, labels: object, tops: int = 1) -> list[np.ndarray]:
    case = Case(
        f'type: "Accuracy" accuracy_param {{ {text} }}', (given(scores), given(labels)), gradients=(), tops=tops
    )
    stand = Bench(case)
    stand.forward()
    return [blob.data for blob in stand.top]


def share(text: str, scores: object, labels: object) -> float:
    (top,) = accuracy(text, scores, labels)
    assert top.shape == ()
    return float(top)


def test_share_of_labels_that_score_best() -> None:
    assert share("", SCORES, [1, 0, 2, 1]) == 0.75


def test_among_the_two_best() -> None:
    assert share("top_k: 2", SCORES, [2, 1, 0, 1]) == 0.75


def test_ties_count_against_the_label() -> None:
    assert share("", [[0.5, 0.5], [0.5, 0.5]], [0, 1]) == 0
    assert share("top_k: 2", [[0.5, 0.5, 0], [0.5, 0.5, 0.5]], [0, 1]) == 0.5


def test_nan_is_never_right() -> None:
    assert share("", [[np.nan, 0.0], [1.0, np.nan], [np.nan, np.nan], [1.0, 0.0]], [0, 0, 1, 0]) == 0.25


def test_ignored_labels_do_not_count() -> None:
    assert share("ignore_label: -1", SCORES, [1, -1, 0, -1]) == 0.5
    assert share("ignore_label: 7", SCORES, [7, 7, 7, 7]) == 0


def test_spatial_labels_by_loops() -> None:
    rng = np.random.Generator(np.random.PCG64(5))
    scores, labels = rng.standard_normal((2, 3, 4, 5)).astype(np.float32), rng.integers(0, 4, (2, 3, 5))
    right = [
        sum(scores[n, c, k, i] >= scores[n, c, labels[n, c, i], i] for k in range(4)) <= 2
        for n in range(2)
        for c in range(3)
        for i in range(5)
    ]
    assert 0 < sum(right) < len(right)
    assert share("axis: 2 top_k: 2", scores, labels) == pytest.approx(np.mean(right))
    assert share("axis: -2 top_k: 2", scores, labels) == pytest.approx(np.mean(right))


def test_every_class_of_its_own() -> None:
    top, by_class = accuracy("ignore_label: 9", SCORES[[0, 1, 2, 3, 0]], [1, 0, 0, 0, 9], tops=2)
    assert float(top) == 0.75
    np.testing.assert_allclose(by_class, [2 / 3, 1, 0])


def test_labels_needed() -> None:
    with pytest.raises(NetError, match=r"4 labels are needed, one for every place .* class axis 1: bottom\[1\] has 2"):
        accuracy("", SCORES, [0, 1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("top_k: 4", "top_k: 4 } is more than the 3 classes"),
        ("top_k: 0", "must be at least 1"),
        ("axis: 3", "axis 3 is"),
    ],
)
def test_parameters_out_of_range(text: str, message: str) -> None:
    with pytest.raises(NetError, match=message):
        accuracy(text, SCORES, [0, 1, 2, 0])


def test_no_gradient() -> None:
    with pytest.raises(NetError, match="no gradient"):
        Bench(Case('type: "Accuracy"', (given(SCORES), given([0, 1, 2, 0])), gradients=())).run((0,))
