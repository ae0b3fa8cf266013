"""EuclideanLoss: value, weight, both gradients."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.errors import NetError
from minicaffe.layers.euclidean_loss import EuclideanLoss
from minicaffe.testing import Case, check_elements, given, normal
from minicaffe.testing.bench import Bench

A, B = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [0.0, 3.0]])


def bench(a: object, b: object) -> Bench:
    return Bench(Case('type: "EuclideanLoss"', (given(a), given(b))))


def test_loss_and_gradients_by_hand() -> None:
    stand = bench(A, B)
    stand.forward()
    assert float(stand.top[0].data) == (4 + 9 + 1) / 4
    stand.seed_diffs([np.array(6.0)])
    stand.backward()
    np.testing.assert_allclose(stand.bottom[0].diff, 3 * (A - B))
    np.testing.assert_allclose(stand.bottom[1].diff, 3 * (B - A))


def test_force_backward_reaches_both_bottoms() -> None:
    assert EuclideanLoss.no_force_backward == ()


def test_gradient_element_by_element() -> None:
    check_elements(Case('type: "EuclideanLoss"', (normal(3, 2), normal(3, 2))), step=1e-2, threshold=1e-2)


def test_items_must_be_of_one_size() -> None:
    with pytest.raises(NetError, match=r"(?s)equally many numbers an item.*\(2, 2\).*\(2, 3\)"):
        bench(A, np.zeros((2, 3)))
