"""MultinomialLogisticLoss on probabilities given."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minicaffe.errors import NetError
from minicaffe.testing import Case, check_elements, given, labels, uniform
from minicaffe.testing.bench import Bench


def bench(p: object, target: object) -> Bench:
    return Bench(Case('type: "MultinomialLogisticLoss"', (given(p), given(target)), gradients=(0,)))


def test_loss_and_gradient_by_hand() -> None:
    stand = bench([[0.25, 0.75], [0.5, 0.5]], [0, 1])
    stand.forward()
    assert float(stand.top[0].data) == pytest.approx((math.log(4) + math.log(2)) / 2)
    stand.seed_diffs([np.array(3.0)])
    stand.backward()
    np.testing.assert_allclose(stand.bottom[0].diff, [[-3 / 2 / 0.25, 0], [0, -3 / 2 / 0.5]])


def test_probability_zero_costs_the_floor_of_the_logarithm() -> None:
    stand = bench([[0.0, 1.0]], [0])
    stand.forward()
    assert float(stand.top[0].data) == pytest.approx(-math.log(1e-20))


def test_gradient_element_by_element() -> None:
    case = Case('type: "MultinomialLogisticLoss"', (uniform(0.2, 0.8, 4, 3), labels(3, 4)), gradients=(0,))
    check_elements(case, step=1e-2, threshold=2e-2, kink=0, kink_range=0.05)


def test_one_label_an_item() -> None:
    with pytest.raises(NetError, match=r"one label is needed for each of the 2 items: bottom\[1\] has 4"):
        bench(np.ones((2, 3)), np.zeros((2, 2)))
