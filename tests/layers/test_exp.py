"""Exp: any base, scale and shift."""

from __future__ import annotations

import numpy as np
import pytest

from tests.layers.stand import fails, on_stand, output

X = np.array([-2.0, 0.0, 0.5, 3.0])


@pytest.mark.parametrize(
    ("param", "expected"),
    [
        ("", np.exp(X)),
        ("base: 2", 2**X),
        ("base: 2 scale: 3 shift: 1", 2 ** (1 + 3 * X)),
        ("scale: 3 shift: 1", np.exp(1 + 3 * X)),
        ("base: 0.5", 0.5**X),
        ("base: 1 shift: 3", np.ones(4)),
    ],
)
def test_values(param: str, expected: np.ndarray) -> None:
    np.testing.assert_allclose(output(f'type: "Exp" exp_param {{ {param} }}', X), expected, rtol=1e-12)


@pytest.mark.parametrize("base", [0, -2])
def test_base_must_be_positive(base: float) -> None:
    fails(f"base: {base} must be > 0, or -1", lambda: on_stand(f'type: "Exp" exp_param {{ base: {base} }}', X))
