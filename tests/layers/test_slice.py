"""Slice: equal parts and given points, and that Concat undoes it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe.testing import Case, check_elements, normal
from tests.layers.stand import fails, gradients, on_stand, output, outputs

X = np.arange(72.0).reshape(2, 6, 3, 2)


def text(param: str = "") -> str:
    return f'type: "Slice" slice_param {{ {param} }}'


@pytest.mark.parametrize("param", ["", "axis: 1", "slice_dim: 1", "axis: -3", "slice_point: 2 slice_point: 4"])
def test_equal_parts(param: str) -> None:
    a, b, c = outputs(text(param), X, tops=3)
    assert [a.tolist(), b.tolist(), c.tolist()] == [X[:, i : i + 2].tolist() for i in (0, 2, 4)]


def test_points() -> None:
    a, b, c = outputs(text("axis: -1 slice_point: 1 slice_point: 3"), np.arange(8.0).reshape(2, 4), tops=3)
    assert (a.tolist(), b.tolist(), c.tolist()) == ([[0], [4]], [[1, 2], [5, 6]], [[3], [7]])


def test_a_top_without_gradient_counts_as_zero() -> None:
    bench = on_stand(text(), X, tops=3)
    bench.forward()
    bench.top[1].diff_array[...] = 5
    bench.backward()
    dx = bench.bottom[0].diff_array
    assert (dx[:, 2:4] == 5).all()
    assert not dx[:, [0, 1, 4, 5]].any()
    assert not bench.top[0].has_diff


def test_one_top_is_the_bottom() -> None:
    bench = on_stand(text(), X)
    bench.forward()
    assert bench.top[0].shares_data_with(bench.bottom[0])
    assert bench.top[0].shares_diff_with(bench.bottom[0])


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=5), st.integers(0, 2))
def test_concat_undoes_it(sizes: list[int], axis: int) -> None:
    shape = [2, 3, 2]
    shape[axis] = sum(sizes)
    x = np.arange(float(np.prod(shape))).reshape(shape)
    points = " ".join(f"slice_point: {point}" for point in np.cumsum(sizes)[:-1])
    parts = outputs(text(f"axis: {axis} {points}"), x, tops=len(sizes))
    assert [part.shape[axis] for part in parts] == sizes
    assert output(f'type: "Concat" concat_param {{ axis: {axis} }}', *parts).tolist() == x.tolist()
    dx = gradients(on_stand(text(f"axis: {axis} {points}"), x, tops=len(sizes)), *parts)[0]
    assert dx.tolist() == x.tolist()


def test_gradient_element_by_element() -> None:
    check_elements(Case(text("slice_point: 1"), (normal(2, 3, 2),), tops=2), step=1e-2, threshold=1e-3)


@pytest.mark.parametrize(
    ("param", "tops", "words"),
    [
        ("", 4, "cannot cut axis 1 into 4 equal parts.*(2, 6, 3, 2)"),
        ("slice_point: 1", 3, "slice_point is given 1 times for 3 tops; 3 parts have 2 cuts"),
        ("slice_point: 4 slice_point: 2", 3, r"slice points \[4, 2\] must be increasing"),
        ("slice_point: 0 slice_point: 2", 3, r"slice points \[0, 2\] must be increasing"),
        ("slice_point: 2 slice_point: 6", 3, "leave something of axis 1, of size 6"),
        ("axis: 1 slice_dim: 1", 3, "axis and slice_dim are names of one thing"),
        ("axis: -5", 3, "axis -5 is out of range for a blob of 4 axes"),
    ],
)
def test_errors(param: str, tops: int, words: str) -> None:
    fails(words, lambda: on_stand(text(param), X, tops=tops))
