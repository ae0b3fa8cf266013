"""Softmax: sums to one along its axis, in place, large numbers, errors."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import check_elements
from minicaffe.testing.cases.vision import SOFTMAX
from tests.layers.stand import fails, on_stand, output

X = np.random.Generator(np.random.PCG64(1)).standard_normal((2, 5, 3, 4)).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("axis", [0, 1, 3, -1])
@pytest.mark.parametrize("in_place", [False, True])
def test_values(axis: int, in_place: bool) -> None:
    y = output(f'type: "Softmax" softmax_param {{ axis: {axis} engine: CAFFE }}', X, in_place=in_place)
    np.testing.assert_allclose(y, np.exp(X) / np.exp(X).sum(axis=axis, keepdims=True))
    np.testing.assert_allclose(y.sum(axis=axis), 1)


def test_the_axis_is_that_of_the_channels_unless_given() -> None:
    np.testing.assert_allclose(output('type: "Softmax"', X).sum(axis=1), 1)


def test_gradients_element_by_element() -> None:
    for case in SOFTMAX:
        check_elements(case, step=1e-2, threshold=1e-3)


def test_errors() -> None:
    fails("softmax_param axis 4 is out of range for a blob of 4 axes", lambda: on_stand(
        'type: "Softmax" softmax_param { axis: 4 }', X))  # fmt: skip
    fails("axis 1 holds nothing to choose from", lambda: on_stand('type: "Softmax"', np.zeros((2, 0))))
