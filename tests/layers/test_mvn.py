"""MVN: zero mean and unit variance, of each channel or of each item."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import Case, check_elements, normal
from tests.layers.stand import fails, on_stand, output, shape_of

X = np.random.default_rng(3).normal(2, 3, (2, 3, 6, 5))


@pytest.mark.parametrize(("param", "axes"), [("", (2, 3)), ("across_channels: true", (1, 2, 3))])
@pytest.mark.parametrize("in_place", [False, True])
def test_zero_mean_unit_variance(param: str, axes: tuple[int, ...], in_place: bool) -> None:
    y = output(f'type: "MVN" mvn_param {{ {param} }}', X, in_place=in_place)
    np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-6)
    np.testing.assert_allclose(y.var(axis=axes), 1, rtol=1e-3)


def test_mean_only() -> None:
    y = output('type: "MVN" mvn_param { normalize_variance: false }', X)
    np.testing.assert_allclose(y, X - X.mean(axis=(2, 3), keepdims=True), atol=1e-6)


def test_eps_is_added_to_the_deviation_not_to_the_variance() -> None:
    y = output('type: "MVN" mvn_param { eps: 3 }', [[[[-1.0, 1.0]]]])
    assert y.tolist() == [[[[-0.25, 0.25]]]]


def test_a_constant_channel_becomes_zero() -> None:
    assert not output('type: "MVN"', np.full((1, 1, 2, 2), 7.0), dtype=np.float32).any()


def test_the_top_has_four_axes() -> None:
    assert shape_of('type: "MVN"', (2, 3)) == (2, 3, 1, 1)
    assert shape_of('type: "MVN"', (4,)) == (4, 1, 1, 1)
    fails("at most 4 axes", lambda: on_stand('type: "MVN"', np.zeros((1, 1, 1, 1, 2))))


@pytest.mark.parametrize("param", ["", "across_channels: true", "normalize_variance: false"])
def test_gradient_element_by_element(param: str) -> None:
    case = Case(f'type: "MVN" mvn_param {{ {param} }}', (normal(2, 2, 2, 3),))
    check_elements(case, step=1e-3, threshold=1e-3)
