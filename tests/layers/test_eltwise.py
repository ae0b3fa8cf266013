"""Eltwise: the three operations, ties, coefficients, in place."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import Case, check_elements, normal
from minicaffe.testing.cases.elementwise import ELTWISE
from tests.layers.stand import fails, gradients, on_stand, output

A, B, C = [1.0, 5.0, -3.0], [2.0, -4.0, -3.0], [0.5, 6.0, -3.0]


def text(param: str = "") -> str:
    return f'type: "Eltwise" eltwise_param {{ {param} }}'


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    ("param", "expected"),
    [
        ("", [3.5, 7, -9]),
        ("coeff: 1 coeff: -1 coeff: 2", [0, 21, -6]),
        ("coeff: 0.5 coeff: 1 coeff: 1", [3, 4.5, -7.5]),
        ("operation: PROD", [1, -120, -27]),
        ("operation: MAX", [2, 6, -3]),
        ("operation: MAX coeff: 7 coeff: 7 coeff: 7", [2, 6, -3]),
    ],
)
def test_values(param: str, expected: list[float], in_place: bool) -> None:
    assert output(text(param), A, B, C, in_place=in_place).tolist() == expected


def test_sum_hands_its_gradient_to_all() -> None:
    dx = gradients(on_stand(text("coeff: 1 coeff: -1 coeff: 0.5"), A, B, C), [2.0, 4.0, 6.0])
    assert [d.tolist() for d in dx] == [[2, 4, 6], [-2, -4, -6], [1, 2, 3]]


@pytest.mark.parametrize("in_place", [False, True])
def test_product_with_zeros_has_a_gradient_where_it_is_stable(in_place: bool) -> None:
    bench = on_stand(text("operation: PROD"), [0.0, 2.0], [3.0, 0.0], [5.0, 7.0], in_place=in_place)
    assert [d.tolist() for d in gradients(bench, [1.0, 1.0])] == [[15, 0], [0, 14], [0, 0]]


def test_unstable_product_divides() -> None:
    param = text("operation: PROD stable_prod_grad: false")
    dx = gradients(on_stand(param, [2.0, 0.0], [3.0, 5.0]), [1.0, 1.0])
    assert [d[0] for d in dx] == [3, 2]
    assert np.isnan(dx[0][1])


def test_of_equals_the_second_wins_and_later_ones_must_be_greater() -> None:
    dx = gradients(on_stand(text("operation: MAX"), A, B, C), [1.0, 1.0, 1.0])
    assert [d.tolist() for d in dx] == [[0, 0, 0], [1, 0, 1], [0, 1, 0]]


def test_many_bottoms() -> None:
    xs = [[float(i)] for i in range(300)]
    dx = gradients(on_stand(text("operation: MAX"), *xs), [1.0])
    assert [d.tolist() for d in dx] == [[0]] * 299 + [[1]]


@pytest.mark.parametrize(("operation", "expected"), [("SUM", 7.0), ("PROD", 8.0), ("MAX", 4.0)])
def test_numbers_without_axes(operation: str, expected: float) -> None:
    bench = on_stand(text(f"operation: {operation}"), 2.0, 1.0, 4.0)
    dx = gradients(bench, 3.0)
    assert bench.top[0].array.shape == ()
    assert bench.top[0].array == expected
    slopes = {"SUM": [1, 1, 1], "PROD": [4, 8, 2], "MAX": [0, 0, 1]}[operation]
    assert [float(d) for d in dx] == [3.0 * slope for slope in slopes]


def test_gradient_element_by_element() -> None:
    for case in ELTWISE:
        if case.label in ("sum", "coeff", "prod", "prod-unstable"):
            check_elements(case, step=1e-3, threshold=1e-3)
    maximum = Case(text("operation: MAX"), (normal(2, 3), normal(2, 3), normal(2, 3)))
    check_elements(maximum, step=1e-4, threshold=1e-3)


def test_errors() -> None:
    fails("coeff is given 1 times for 2 bottoms", lambda: on_stand(text("coeff: 1"), A, B))
    fails("coeff belongs to operation SUM", lambda: on_stand(text("operation: PROD coeff: 1 coeff: 1"), A, B))
    fails(
        r"equal shape.*bottom\[0\] 'bottom0' has shape \(3,\).*bottom\[1\] 'bottom1' has shape \(2,\)",
        lambda: on_stand(text(), A, [1.0, 2.0]),
    )
