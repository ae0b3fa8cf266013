"""Concat: along any axis, by either name of it, and one blob alone."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import Case, check_elements, normal
from tests.layers.stand import fails, gradients, on_stand, output

RNG = np.random.default_rng(5)
A, B, C = RNG.normal(size=(2, 3, 4)), RNG.normal(size=(2, 1, 4)), RNG.normal(size=(2, 2, 4))


@pytest.mark.parametrize("param", ["", "axis: 1", "axis: -2", "concat_dim: 1"])
def test_along_the_channels(param: str) -> None:
    y = output(f'type: "Concat" concat_param {{ {param} }}', A, B, C)
    np.testing.assert_allclose(y, np.concatenate([A, B, C], axis=1), rtol=1e-6)


@pytest.mark.parametrize("axis", [0, 2])
def test_along_another_axis(axis: int) -> None:
    y = output(f'type: "Concat" concat_param {{ axis: {axis} }}', A, A)
    np.testing.assert_allclose(y, np.concatenate([A, A], axis=axis), rtol=1e-6)


def test_each_bottom_gets_its_part_of_the_gradient_if_it_wants_it() -> None:
    dy = RNG.normal(size=(2, 6, 4))
    dx = gradients(on_stand('type: "Concat"', A, B, C), dy, wanted=(0, 2))
    np.testing.assert_array_equal(dx[0], dy[:, :3])
    np.testing.assert_array_equal(dx[2], dy[:, 4:])
    assert (dx[1] == 7.25).all()


def test_one_bottom_is_the_top() -> None:
    bench = on_stand('type: "Concat"', A)
    bench.forward()
    assert bench.top[0].shares_data_with(bench.bottom[0])
    assert bench.top[0].shares_diff_with(bench.bottom[0])


def test_an_empty_bottom_adds_nothing() -> None:
    np.testing.assert_allclose(output('type: "Concat"', A, np.zeros((2, 0, 4))), A, rtol=1e-6)


def test_gradient_element_by_element() -> None:
    for axis in (0, 1):
        case = Case(f'type: "Concat" concat_param {{ axis: {axis} }}', (normal(2, 2, 2), normal(2, 2, 2)))
        check_elements(case, step=1e-2, threshold=1e-2)


def test_errors() -> None:
    both = 'type: "Concat" concat_param { axis: 1 concat_dim: 1 }'
    fails("axis and concat_dim are names of one thing", lambda: on_stand(both, A, B))
    fails(
        r"alike in all axes but axis 1.*\(2, 3, 4\).*\(2, 3\)", lambda: on_stand('type: "Concat"', A, np.zeros((2, 3)))
    )
    fails(r"alike in all axes but axis 1.*\(3, 3, 4\)", lambda: on_stand('type: "Concat"', A, np.zeros((3, 3, 4))))
    fails("axis 3 is out of range for a blob of 3", lambda: on_stand('type: "Concat" concat_param { axis: 3 }', A, B))
    fails("concat_dim 3 is out", lambda: on_stand('type: "Concat" concat_param { concat_dim: 3 }', A, B))
