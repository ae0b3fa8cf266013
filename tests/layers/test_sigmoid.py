"""Sigmoid: its values, and no overflow."""

from __future__ import annotations

import numpy as np

from tests.layers.stand import gradients, on_stand, output

X = np.array([-1000.0, -2.0, 0.0, 2.0, 1000.0])


def test_values() -> None:
    y = output('type: "Sigmoid"', X)
    np.testing.assert_allclose(y[1:4], 1 / (1 + np.exp(-X[1:4])), rtol=1e-12)
    assert y[[0, 2, 4]].tolist() == [0, 0.5, 1]


def test_gradient_vanishes_where_saturated() -> None:
    assert gradients(on_stand('type: "Sigmoid"', X), np.full(5, 4.0))[0][[0, 2, 4]].tolist() == [0, 1, 0]


def test_engine_changes_nothing() -> None:
    assert (
        output('type: "Sigmoid" sigmoid_param { engine: CAFFE }', X).tolist() == output('type: "Sigmoid"', X).tolist()
    )
