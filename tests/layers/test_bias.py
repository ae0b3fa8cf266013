"""Bias: where it lies, learned or given."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import check_elements
from minicaffe.testing.cases.elementwise import BROADCAST
from tests.layers.stand import fails, gradients, on_stand, output

X = np.arange(120.0).reshape(2, 3, 4, 5)


@pytest.mark.parametrize(
    ("axis", "shape"), [(0, (2,)), (0, (2, 3)), (1, (3,)), (1, (3, 4)), (-2, (4, 5)), (0, (2, 3, 4, 5)), (1, ())]
)
def test_a_learned_bias_and_a_given_one_agree_with_broadcasting(axis: int, shape: tuple[int, ...]) -> None:
    beta = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    expected = X + beta.reshape(shape + (1,) * (4 - axis % 4 - len(shape)) if shape else ())
    text = f'type: "Bias" bias_param {{ axis: {axis} num_axes: {len(shape)} }}'
    np.testing.assert_allclose(output(text, X, params=[beta]), expected)
    np.testing.assert_allclose(output(text, X, beta), expected)
    np.testing.assert_allclose(output(text, X, beta, in_place=True), expected)


@pytest.mark.parametrize("in_place", [False, True])
def test_gradients_by_hand(in_place: bool) -> None:
    bench = on_stand('type: "Bias"', X, in_place=in_place)
    dx = gradients(bench, X)[0]
    assert dx.tolist() == X.tolist()
    np.testing.assert_allclose(bench.layer.blobs[0].diff_array, X.sum(axis=(0, 2, 3)))


def test_zero_unless_filled_otherwise() -> None:
    filler = on_stand('type: "Bias"', X).layer.fillers[0]
    assert (filler.type, filler.value) == ("constant", 0)
    assert on_stand('type: "Bias" bias_param { filler { value: 2 } }', X).layer.blobs[0].array.tolist() == [2, 2, 2]


def test_gradient_element_by_element() -> None:
    for case in BROADCAST:
        if case.type == "Bias" and case.label != "axes":
            check_elements(case, step=1e-2, threshold=1e-3)


def test_shapes_that_do_not_fit_are_shown() -> None:
    fails(r"shape \(5,\), but the bottom has \(3,\) there", lambda: on_stand('type: "Bias"', X, np.ones(5)))
