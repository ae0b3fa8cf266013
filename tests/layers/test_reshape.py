"""Reshape: every rule of its shape."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe.layers.reshape import Reshape
from tests.layers.stand import fails, on_stand, shape_of


def text(dims: str, more: str = "") -> str:
    shape = " ".join(f"dim: {dim}" for dim in dims.split())
    return f'type: "Reshape" reshape_param {{ shape {{ {shape} }} {more} }}'


@pytest.mark.parametrize(
    ("dims", "more", "bottom", "top"),
    [
        ("0 -1", "", (2, 3, 6, 5), (2, 90)),
        ("0 0 0 0", "", (2, 3, 6, 5), (2, 3, 6, 5)),
        ("0 0 -1 0", "", (2, 3, 6, 5), (2, 3, 6, 5)),
        ("0 3 -1", "", (2, 3, 6, 5), (2, 3, 30)),
        ("0 0 10 -1", "", (2, 3, 6, 5), (2, 3, 10, 3)),
        ("-1", "", (2, 3, 6, 5), (180,)),
        ("2 6 5", "axis: 1", (2, 3, 20), (2, 2, 6, 5)),
        ("6 10", "axis: 2", (2, 3, 6, 10), (2, 3, 6, 10)),
        ("-1", "axis: 1 num_axes: 2", (2, 3, 6, 5), (2, 18, 5)),
        ("3 1 2", "axis: 1 num_axes: 1", (2, 6, 5), (2, 3, 1, 2, 5)),
        ("1", "axis: 0 num_axes: 0", (3, 4), (1, 3, 4)),
        ("1 1", "axis: -1 num_axes: 0", (3, 4), (3, 4, 1, 1)),
        ("1", "axis: -2 num_axes: 0", (3, 4), (3, 1, 4)),
        ("-1", "axis: -3", (3, 4, 5), (3, 20)),
        ("0 -1", "axis: 1", (2, 3, 4, 5), (2, 3, 20)),
        ("", "", (1, 1), ()),
        ("1 1 1", "", (), (1, 1, 1)),
        ("0 -1 4 5", "", (0, 60), (0, 3, 4, 5)),
        ("-1 20", "", (0, 4, 5), (0, 20)),
        ("-1 20", "axis: 1", (0, 4, 5), (0, 1, 20)),
    ],
)
def test_shapes(dims: str, more: str, bottom: tuple[int, ...], top: tuple[int, ...]) -> None:
    assert shape_of(text(dims, more), bottom) == top


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.data())
def test_the_inferred_size_makes_the_counts_equal(shape: list[int], data: st.DataObject) -> None:
    dims = [data.draw(st.sampled_from([0, size])) for size in shape]
    dims[data.draw(st.integers(0, len(dims) - 1))] = -1
    assert shape_of(text(" ".join(map(str, dims))), tuple(shape)) == tuple(shape)


def test_the_top_is_the_bottoms_memory_also_after_it_grew() -> None:
    bench = on_stand(text("0 -1 2"), np.arange(12.0).reshape(2, 6))
    for shape in ((2, 6), (5, 8), (1, 4)):
        bench.bottom[0].reshape(*shape)
        bench.bottom[0].array[...] = np.arange(float(math.prod(shape))).reshape(shape)
        bench.forward()
        assert bench.top[0].array.tolist() == bench.bottom[0].array.reshape(shape[0], -1, 2).tolist()
        bench.top[0].diff_array[...] = 3
        assert (bench.bottom[0].diff_array == 3).all()


@pytest.mark.parametrize(
    ("dims", "more", "words"),
    [
        ("5 7", "", "shape 5 × 7 = 35 cannot hold 288 numbers.*bottom.0. 'bottom0' has shape .2, 3, 6, 8."),
        ("0 5 -1", "", r"shape \[2, 5, -1\].*2 × 3 × 6 × 8 = 288 numbers, because 2 × 5 = 10 does not divide 288"),
        ("-1 -1", "", "more than one -1"),
        ("-2", "", "a size below -1"),
        ("0 0 0 0 0", "", "the 0 in place 4 of shape .* copies axis 4"),
        ("1", "axis: 5", "axis 5 is out of range for a blob of 4 axes"),
        ("1", "axis: -6", "axis -6 is out of range"),
        ("1", "axis: 2 num_axes: 3", "axis 2 . num_axes 3 reach beyond the 4 axes"),
        ("1", "num_axes: -2", "num_axes must be -1"),
    ],
)
def test_errors(dims: str, more: str, words: str) -> None:
    fails(words, lambda: on_stand(text(dims, more), np.zeros((2, 3, 6, 8))))


def test_is_never_in_place() -> None:
    assert not Reshape.in_place
