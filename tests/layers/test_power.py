"""Power: the powers and shifts of Caffe's own tests, constants, and a base of zero."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.layers.stand import gradients, on_stand, output

X = np.array([-2.0, -0.5, 0.25, 1.0, 4.0])


def text(power: float, scale: float = 1, shift: float = 0) -> str:
    return f'type: "Power" power_param {{ power: {power} scale: {scale} shift: {shift} }}'


@pytest.mark.parametrize("power", [0.37, 0, 1, 2, 3, -1])
@pytest.mark.parametrize(("scale", "shift"), [(0.83, -2.4), (0.83, 0), (0.5, -2.4), (0, 1.5)])
def test_values(power: float, scale: float, shift: float) -> None:
    with np.errstate(all="ignore"):
        expected = (np.float32(shift).astype(float) + np.float32(scale).astype(float) * X) ** float(np.float32(power))
    np.testing.assert_allclose(output(text(power, scale, shift), X), expected, rtol=1e-6)


@pytest.mark.parametrize(("power", "shift", "value"), [(0, 0, 1), (0, -3, 1), (2, 3, 9), (0.5, -1, math.nan)])
def test_constants_have_no_gradient(power: float, shift: float, value: float) -> None:
    bench = on_stand(text(power, 0, shift), X)
    assert gradients(bench, np.ones(5))[0].tolist() == [0] * 5
    np.testing.assert_array_equal(bench.top[0].array, value)


@pytest.mark.parametrize(("power", "slope"), [(3, 0), (1.5, 0), (0.5, math.inf)])
def test_gradient_at_a_base_of_zero_is_the_limit(power: float, slope: float) -> None:
    assert gradients(on_stand(text(power), [0.0]), [1.0])[0].tolist() == [slope]
    assert gradients(on_stand(text(power, 2, -4), [2.0]), [1.0])[0].tolist() == [slope]


@pytest.mark.parametrize("power", [1, 2, 3, 0.5])
def test_gradient_by_hand_also_in_place(power: float) -> None:
    for in_place in (False, True):
        bench = on_stand(text(power, 0.5, 3), X, in_place=in_place)
        np.testing.assert_allclose(gradients(bench, np.full(5, 2.0))[0], power * (3 + 0.5 * X) ** (power - 1))
