"""ReLU: its values, with every kind of slope, and what it does with NaN and infinity."""

from __future__ import annotations

import numpy as np
import pytest

from tests.layers.stand import gradients, on_stand, output

X = np.array([-np.inf, -2.0, -0.0, 0.0, 3.0, np.inf])


def test_values() -> None:
    assert output('type: "ReLU"', X).tolist() == [0, 0, 0, 0, 3, np.inf]


@pytest.mark.parametrize("slope", [0.25, 1.0, 1.5, -0.5])
def test_leaky_values_and_gradient(slope: float) -> None:
    text = f'type: "ReLU" relu_param {{ negative_slope: {slope} }}'
    for in_place in (False, True):
        bench = on_stand(text, X, in_place=in_place)
        dx = gradients(bench, np.full(6, 8.0))[0]
        assert dx.tolist() == [8 * slope] * 4 + [8, 8]
    assert output(text, X).tolist() == np.where(X > 0, X, slope * X).tolist()


def test_gradient_at_zero_is_zero() -> None:
    for in_place in (False, True):
        assert gradients(on_stand('type: "ReLU"', X, in_place=in_place), np.ones(6))[0].tolist() == [0, 0, 0, 0, 1, 1]


def test_nan_goes_through_and_gets_no_gradient() -> None:
    for text in ('type: "ReLU"', 'type: "ReLU" relu_param { negative_slope: 0.1 }'):
        bench = on_stand(text, [np.nan, 1.0])
        assert gradients(bench, [5.0, 5.0])[0].tolist() == [0, 5]
        assert np.isnan(bench.top[0].array[0])


def test_engine_changes_nothing() -> None:
    assert output('type: "ReLU" relu_param { engine: CUDNN }', X).tolist() == output('type: "ReLU"', X).tolist()
