"""SmoothL1Loss with two and four bottoms, sigma, and its number of bottoms."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.errors import NetError
from minicaffe.layers.smooth_l1_loss import SmoothL1Loss
from minicaffe.testing import Case, check_elements, given, normal
from minicaffe.testing.bench import Bench

X = np.array([[0.5, -0.25, 3.0], [-2.0, 0.0, 1.0]])
ZERO = np.zeros((2, 3))


def bench(text: str, *bottoms: object) -> Bench:
    return Bench(Case(f'type: "SmoothL1Loss" {text}', tuple(map(given, bottoms)), gradients=(0, 1)))


def test_square_inside_and_line_outside_of_one() -> None:
    stand = bench("", X, ZERO)
    stand.forward()
    assert float(stand.top[0].data) == (0.125 + 0.03125 + 2.5 + 1.5 + 0 + 0.5) / 2
    stand.seed_diffs([np.array(2.0)])
    stand.backward()
    np.testing.assert_array_equal(stand.bottom[0].diff, [[0.5, -0.25, 1], [-1, 0, 1]])
    np.testing.assert_array_equal(stand.bottom[1].diff, -stand.bottom[0].diff)


def test_sigma_narrows_the_square() -> None:
    stand = bench("smooth_l1_loss_param { sigma: 2 }", X, ZERO)
    stand.forward()
    assert float(stand.top[0].data) == (0.375 + 0.125 + 2.875 + 1.875 + 0 + 0.875) / 2


def test_inside_weights_scale_the_difference_and_outside_weights_the_loss() -> None:
    inside, outside = np.full((2, 3), 0.5), np.array([[1.0, 0, 2], [0, 1, 1]])
    stand = bench("", X, ZERO, inside, outside)
    stand.forward()
    assert float(stand.top[0].data) == (0.03125 + 2 * 1.0 + 0.125) / 2
    stand.seed_diffs([np.array(2.0)])
    stand.backward()
    np.testing.assert_array_equal(stand.bottom[0].diff, [[0.125, 0, 1], [0, 0, 0.25]])


def test_weights_are_asked_for_a_gradient_in_vain() -> None:
    stand = bench("", X, ZERO, np.ones((2, 3)), np.ones((2, 3)))
    results = stand.run((0, 1, 2, 3))
    assert len({float(v) for diff in results.bottoms[2:] for v in diff.ravel()}) == 1


def test_the_loss_weight_must_be_written() -> None:
    assert SmoothL1Loss.default_loss_weights == (0.0,)


def test_gradient_element_by_element() -> None:
    case = Case('type: "SmoothL1Loss" smooth_l1_loss_param { sigma: 2.4 }', (normal(3, 4), normal(3, 4)))
    check_elements(case, step=1e-2, threshold=1e-2)


def test_the_weights_of_the_first_fast_rcnn() -> None:
    w = np.array([[1.0, 0, 1], [0, 1, 1]])
    plain = bench("", X * w, ZERO).run((0,))
    for weights in ((w,), (w, w)):
        results = bench("", X, ZERO, *weights).run((0,))
        np.testing.assert_array_equal(results.tops[0], plain.tops[0])
        np.testing.assert_array_equal(results.bottoms[0], plain.bottoms[0])


def test_shapes_must_agree() -> None:
    with pytest.raises(NetError, match=r"(?s)bottom\[1\] must have the shape of bottom\[0\].*\(2, 3\).*\(2, 4\)"):
        bench("", X, np.zeros((2, 4)))
    with pytest.raises(NetError, match=r"bottom\[3\] must have the shape of bottom\[0\]"):
        bench("", X, ZERO, ZERO, np.zeros((2, 2)))


def test_sigma_must_be_positive() -> None:
    with pytest.raises(NetError, match="must be greater than 0"):
        bench("smooth_l1_loss_param { sigma: 0 }", X, ZERO)
