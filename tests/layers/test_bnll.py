"""BNLL: its values at every size of x, and its gradient."""

from __future__ import annotations

import numpy as np

from tests.layers.stand import gradients, on_stand, output

X = np.array([-1000.0, -20.0, 0.0, 1.0, 1000.0])


def test_values() -> None:
    np.testing.assert_allclose(output('type: "BNLL"', X), np.logaddexp(X, 0), rtol=1e-12)


def test_gradient_is_the_sigmoid_also_in_place() -> None:
    sigmoid = 0.5 * np.tanh(X / 2) + 0.5
    for in_place in (False, True):
        dx = gradients(on_stand('type: "BNLL"', X, in_place=in_place), np.full(5, 2.0))[0]
        np.testing.assert_allclose(dx, 2 * sigmoid, rtol=1e-7, atol=1e-12)
