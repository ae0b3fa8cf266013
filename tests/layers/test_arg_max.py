"""ArgMax: shapes, values, order, ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.layers.stand import fails, gradients, on_stand, output, shape_of

X = np.random.default_rng(7).normal(size=(3, 4, 5)).astype(np.float32).astype(float)


def text(param: str = "") -> str:
    return f'type: "ArgMax" argmax_param {{ {param} }}'


def brute_force(row: np.ndarray, k: int) -> list[int]:
    return sorted(range(len(row)), key=lambda i: (row[i], i), reverse=True)[:k]


@pytest.mark.parametrize(
    ("param", "bottom", "top"),
    [
        ("", (3, 7), (3, 1, 1)),
        ("", (3, 7, 2, 2, 2), (3, 1, 1, 1, 1)),
        ("top_k: 3", (3, 7, 2, 2), (3, 1, 3, 1)),
        ("top_k: 3 out_max_val: true", (3, 7, 2), (3, 2, 3)),
        ("axis: 1 top_k: 3", (3, 7, 2), (3, 3, 2)),
        ("axis: -2 top_k: 3 out_max_val: true", (3, 7, 2), (3, 3, 2)),
    ],
)
def test_shapes(param: str, bottom: tuple[int, ...], top: tuple[int, ...]) -> None:
    assert shape_of(text(param), bottom) == top


@pytest.mark.parametrize("k", [1, 5, 20])
def test_over_whole_items(k: int) -> None:
    expected = [brute_force(item, k) for item in X.reshape(3, 20)]
    assert output(text(f"top_k: {k}"), X)[:, 0].tolist() == expected
    both = output(text(f"top_k: {k} out_max_val: true"), X)
    assert both[:, 0].tolist() == expected
    np.testing.assert_array_equal(both[:, 1], np.sort(X.reshape(3, 20), axis=1)[:, ::-1][:, :k])


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_along_an_axis(axis: int, k: int) -> None:
    indices = output(text(f"axis: {axis} top_k: {k}"), X)
    np.testing.assert_array_equal(indices, np.apply_along_axis(brute_force, axis, X, k))
    values = output(text(f"axis: {axis} top_k: {k} out_max_val: true"), X)
    np.testing.assert_array_equal(values, np.take_along_axis(X, indices.astype(int), axis))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=8), st.data())
def test_of_equals_the_larger_index_comes_first(row: list[int], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(row)))
    assert output(text(f"top_k: {k}"), [row])[0, 0].tolist() == brute_force(np.array(row), k)


def test_errors() -> None:
    fails("top_k: 0 must lie between 1 and 20", lambda: on_stand(text("top_k: 0"), X))
    fails("top_k: 5 must lie between 1 and 4", lambda: on_stand(text("axis: 1 top_k: 5"), X))
    fails("axis 3 is out of range", lambda: on_stand(text("axis: 3"), X))
    fails("no gradient", lambda: gradients(on_stand(text(), X), np.ones((3, 1, 1))))
