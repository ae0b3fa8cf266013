"""TanH: its values up to saturation, and its gradient there."""

from __future__ import annotations

import numpy as np

from tests.layers.stand import gradients, on_stand, output

X = np.array([-1e4, -1.0, 0.0, 0.5, 1e4])


def test_values() -> None:
    expected = (np.exp(2 * X[1:4]) - 1) / (np.exp(2 * X[1:4]) + 1)
    np.testing.assert_allclose(output('type: "TanH"', X, dtype=np.float32)[1:4], expected, rtol=1e-5)
    assert output('type: "TanH"', X)[[0, 2, 4]].tolist() == [-1, 0, 1]


def test_gradient() -> None:
    dx = gradients(on_stand('type: "TanH"', X), np.full(5, 3.0))[0]
    np.testing.assert_allclose(dx, 3 / np.cosh(np.minimum(abs(X), 300)) ** 2, rtol=1e-9, atol=1e-12)
