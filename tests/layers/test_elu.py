"""ELU: its values, ReLU as its limit, infinities."""

from __future__ import annotations

import numpy as np
import pytest

from tests.layers.stand import gradients, on_stand, output

X = np.array([-np.inf, -3.0, -0.5, 0.0, 2.0, np.inf])


@pytest.mark.parametrize("alpha", [1.0, 0.25, -0.5])
def test_values_and_gradient(alpha: float) -> None:
    text = f'type: "ELU" elu_param {{ alpha: {alpha} }}'
    np.testing.assert_allclose(output(text, X), np.where(X > 0, X, alpha * np.expm1(np.minimum(X, 0))), rtol=1e-6)
    for in_place in (False, True):
        dx = gradients(on_stand(text, X, in_place=in_place), np.full(6, 2.0))[0]
        np.testing.assert_allclose(dx, np.where(X > 0, 2, 2 * alpha * np.exp(np.minimum(X, 0))), rtol=1e-6, atol=1e-12)


def test_alpha_zero_is_relu() -> None:
    assert output('type: "ELU" elu_param { alpha: 0 }', X).tolist() == output('type: "ReLU"', X).tolist()
