"""SigmoidCrossEntropyLoss against its textbook form, far scores, ignored targets."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.errors import NetError
from minicaffe.testing import Case, given
from minicaffe.testing.bench import Bench, Results


def run(text: str, x: object, target: object) -> Results:
    return Bench(Case(f'type: "SigmoidCrossEntropyLoss" {text}', (given(x), given(target)), gradients=(0,))).run()


X = np.array([[0.5, -2.0, 3.0], [1.0, 0.25, -0.75]])
T = np.array([[1.0, 0.0, 0.25], [0.0, 0.75, 1.0]])


def textbook(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    s = 1 / (1 + np.exp(-x))
    return -(t * np.log(s) + (1 - t) * np.log(1 - s))


@pytest.mark.parametrize(
    ("text", "divisor"),
    [
        ("", 2),
        ("loss_param { normalize: true }", 6),
        ("loss_param { normalize: false }", 2),
        ("loss_param { normalization: FULL }", 6),
        ("loss_param { normalization: NONE }", 1),
    ],
)
def test_loss(text: str, divisor: int) -> None:
    assert float(run(text, X, T).tops[0]) == pytest.approx(textbook(X, T).sum() / divisor, rel=1e-9)


def test_far_scores_neither_overflow_nor_lose_the_loss() -> None:
    results = run("", [[800.0, -800.0, 800.0, -800.0]], [[1, 0, 0, 1]])
    assert float(results.tops[0]) == 1600
    np.testing.assert_array_equal(results.bottoms[0] != 0, [[False, False, True, True]])


def test_ignored_targets_count_nowhere() -> None:
    results = run("loss_param { ignore_label: -1 normalization: VALID }", X, np.where(T == 0, -1, T))
    assert float(results.tops[0]) == pytest.approx(textbook(X, T)[T != 0].sum() / 4, rel=1e-9)
    np.testing.assert_array_equal(results.bottoms[0] == 0, T == 0)


def test_a_fraction_is_ignored_with_its_whole_part() -> None:
    results = run("loss_param { ignore_label: 0 }", X, T)
    np.testing.assert_array_equal(results.bottoms[0] != 0, T == 1)


def test_targets_must_be_as_many() -> None:
    with pytest.raises(NetError, match=r"every score needs its target: bottom\[0\] has 6 numbers, bottom\[1\] 2"):
        run("", X, [1, 0])
