"""HingeLoss, L1 and L2, by hand and element by element."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import Case, away_from, check_elements, given, labels
from minicaffe.testing.bench import Bench

X = [[0.5, -2.0, 0.25], [1.5, 0.0, -0.5]]
MARGINS = np.array([[0.5, 0.0, 1.25], [2.5, 1.0, 0.5]])
SIGNS = np.array([[-1.0, 1.0, 1.0], [1.0, -1.0, 1.0]])


def bench(norm: str) -> Bench:
    case = Case(f'type: "HingeLoss" hinge_loss_param {{ norm: {norm} }}', (given(X), given([0, 1])), gradients=(0,))
    return Bench(case)


@pytest.mark.parametrize(
    ("norm", "loss", "gradient"),
    [
        ("L1", MARGINS.sum() / 2, SIGNS * (MARGINS > 0) / 2),
        ("L2", (MARGINS**2).sum() / 2, SIGNS * MARGINS),
    ],
)
def test_loss_and_gradient_by_hand(norm: str, loss: float, gradient: np.ndarray) -> None:
    stand = bench(norm)
    stand.forward()
    assert float(stand.top[0].data) == loss
    stand.seed_diffs([np.array(1.0)])
    stand.backward()
    np.testing.assert_array_equal(stand.bottom[0].diff, gradient)


def test_l1_is_the_default() -> None:
    plain = Bench(Case('type: "HingeLoss"', (given(X), given([0, 1])), gradients=(0,)))
    assert plain.objective() == bench("L1").objective()


@pytest.mark.parametrize(("norm", "threshold"), [("L1", 2e-3), ("L2", 1e-2)])
def test_gradient_element_by_element(norm: str, threshold: float) -> None:
    text = f'type: "HingeLoss" hinge_loss_param {{ norm: {norm} }}'
    case = Case(text, (away_from((-1.0, 1.0), 3, 4), labels(4, 3)), gradients=(0,))
    check_elements(case, step=1e-2, threshold=threshold, kink=1, kink_range=0.01)
