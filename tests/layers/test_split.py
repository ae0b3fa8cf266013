"""Split: one memory for the data, a sum of those gradients that exist."""

from __future__ import annotations

import numpy as np

from minicaffe.layers.split import Split
from minicaffe.testing import Case, check_elements, normal
from tests.layers.stand import gradients, on_stand

X = np.arange(6.0).reshape(2, 3)


def test_tops_are_the_bottoms_data_with_diffs_of_their_own() -> None:
    bench = on_stand('type: "Split"', X, tops=3)
    bench.forward()
    for top in bench.top:
        assert top.shares_data_with(bench.bottom[0])
        assert not top.shares_diff_with(bench.bottom[0])
        assert top.array.tolist() == X.tolist()


def test_gradients_add_up() -> None:
    assert gradients(on_stand('type: "Split"', X, tops=3), X, 2 * X, 4 * X)[0].tolist() == (7 * X).tolist()


def test_diffs_that_nobody_wrote_take_no_memory() -> None:
    for written in ([], [1], [0, 2]):
        bench = on_stand('type: "Split"', X, tops=3)
        bench.forward()
        for t in written:
            bench.top[t].diff_array[...] = t + 1
        bench.backward()
        assert (bench.bottom[0].diff_array == sum(t + 1 for t in written)).all()
        assert [top.has_diff for top in bench.top] == [t in written for t in range(3)]


def test_gradient_element_by_element() -> None:
    check_elements(Case('type: "Split"', (normal(2, 3),), tops=2), step=1e-2, threshold=1e-2)


def test_is_never_in_place() -> None:
    assert not Split.in_place
