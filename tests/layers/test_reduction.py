"""Reduction: every operation over every axis."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from minicaffe.testing import Case, away_from, check_elements
from tests.layers.stand import fails, on_stand, output, shape_of

X = np.random.default_rng(6).normal(size=(2, 3, 4, 5)).astype(np.float32).astype(float)
OPERATIONS: dict[str, Callable[..., np.ndarray]] = {
    "SUM": np.sum,
    "ASUM": lambda x, axis: np.abs(x).sum(axis=axis),
    "SUMSQ": lambda x, axis: (x * x).sum(axis=axis),
    "MEAN": np.mean,
}


def text(param: str = "") -> str:
    return f'type: "Reduction" reduction_param {{ {param} }}'


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1, -4])
@pytest.mark.parametrize("coeff", [1, 2.5])
def test_values(operation: str, axis: int, coeff: float) -> None:
    y = output(text(f"operation: {operation} axis: {axis} coeff: {coeff}"), X)
    np.testing.assert_allclose(y, coeff * OPERATIONS[operation](X, axis=tuple(range(axis % 4, 4))), rtol=1e-12)


def test_shapes() -> None:
    assert shape_of(text(), (2, 3)) == ()
    assert shape_of(text("axis: 1"), (2, 3, 4)) == (2,)
    assert shape_of(text("axis: 2"), (2, 3, 4)) == (2, 3)
    assert shape_of(text(), ()) == ()


def test_nothing_to_reduce_gives_zero() -> None:
    for operation in OPERATIONS:
        assert output(text(f"operation: {operation} axis: 1"), np.zeros((2, 0, 3))).tolist() == [0, 0]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_gradient_element_by_element(operation: str) -> None:
    for axis in (0, 1):
        case = Case(text(f"operation: {operation} axis: {axis} coeff: 2.3"), (away_from((0.0,), 2, 3, 2),))
        check_elements(case, step=1e-2, threshold=2e-3)


def test_axis_out_of_range() -> None:
    fails("axis 2 is out of range", lambda: on_stand(text("axis: 2"), np.zeros((2, 3))))
