"""Log: any base, scale and shift."""

from __future__ import annotations

import numpy as np
import pytest

from tests.layers.stand import fails, gradients, on_stand, output

X = np.array([0.125, 0.5, 1.0, 3.0])


@pytest.mark.parametrize(
    ("param", "expected"),
    [
        ("", np.log(X)),
        ("base: 2", np.log2(X)),
        ("base: 2 scale: 3 shift: 1", np.log2(1 + 3 * X)),
        ("scale: 3 shift: 1", np.log(1 + 3 * X)),
        ("base: 0.5", -np.log2(X)),
    ],
)
def test_values(param: str, expected: np.ndarray) -> None:
    np.testing.assert_allclose(output(f'type: "Log" log_param {{ {param} }}', X), expected, rtol=1e-12, atol=1e-15)


def test_gradient_also_in_place() -> None:
    text = 'type: "Log" log_param { base: 2 scale: 3 shift: 1 }'
    for in_place in (False, True):
        dx = gradients(on_stand(text, X, in_place=in_place), np.full(4, 2.0))[0]
        np.testing.assert_allclose(dx, 2 * 3 / np.log(2) / (1 + 3 * X))


@pytest.mark.parametrize("base", [1, 0, -2])
def test_base_must_be_positive_and_not_one(base: float) -> None:
    fails(f"base: {base} must be > 0 and not 1", lambda: on_stand(f'type: "Log" log_param {{ base: {base} }}', X))
