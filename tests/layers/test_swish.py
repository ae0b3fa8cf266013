"""Swish: its values, and the straight line it is at beta 0."""

from __future__ import annotations

import numpy as np

from tests.layers.stand import output

X = np.linspace(-4, 4, 9)


def test_values() -> None:
    np.testing.assert_allclose(output('type: "Swish"', X), X / (1 + np.exp(-X)), rtol=1e-12)
    y = output('type: "Swish" swish_param { beta: 1.5 }', X)
    np.testing.assert_allclose(y, X / (1 + np.exp(-1.5 * X)), rtol=1e-12)


def test_beta_zero_is_half_of_x() -> None:
    np.testing.assert_allclose(output('type: "Swish" swish_param { beta: 0 }', X), X / 2)
