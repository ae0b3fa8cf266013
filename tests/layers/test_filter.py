"""Filter: what is kept, when nothing is known yet, when nothing is kept at all."""

from __future__ import annotations

import numpy as np

from minicaffe.testing import Case, check_elements, given, normal
from tests.layers.stand import fails, gradients, on_stand, outputs

X = np.arange(24.0).reshape(4, 3, 2)
Y = np.arange(4.0)
KEEP = np.array([0.0, 1.0, 0.0, -0.5])


def test_items_with_a_selector_that_is_not_zero() -> None:
    x, y = outputs('type: "Filter"', X, Y, KEEP.reshape(4, 1, 1), tops=2)
    assert x.tolist() == X[[1, 3]].tolist()
    assert y.tolist() == [1, 3]


def test_while_the_net_is_built_all_are_kept() -> None:
    bench = on_stand('type: "Filter"', X, np.zeros(4))
    assert bench.top[0].shape == (4, 3, 2)
    bench.layer.reshape(bench.bottom, bench.top)
    assert bench.top[0].shape == (0, 3, 2)


def test_a_first_forward_without_another_reshape_selects_too() -> None:
    bench = on_stand('type: "Filter"', X, KEEP)
    bench.layer.forward(bench.bottom, bench.top)
    assert bench.top[0].array.tolist() == X[[1, 3]].tolist()


def test_none_kept() -> None:
    bench = on_stand('type: "Filter"', X, np.zeros(4))
    dx = gradients(bench, np.zeros((0, 3, 2)), wanted=(0,))[0]
    assert bench.top[0].array.shape == (0, 3, 2)
    assert not dx.any()


def test_gradient_goes_back_to_those_kept() -> None:
    bench = on_stand('type: "Filter"', X, KEEP)
    dx = gradients(bench, np.stack([X[0] + 1, X[0] + 2]), wanted=(0,))[0]
    assert dx.tolist() == [
        np.zeros((3, 2)).tolist(),
        (X[0] + 1).tolist(),
        np.zeros((3, 2)).tolist(),
        (X[0] + 2).tolist(),
    ]


def test_gradient_element_by_element() -> None:
    check_elements(Case('type: "Filter"', (normal(4, 2), given(KEEP)), (0,)), step=1e-2, threshold=1e-3)


def test_errors() -> None:
    bench = on_stand('type: "Filter"', X, KEEP)
    fails("no gradient for bottom.1.", lambda: gradients(bench, np.zeros((2, 3, 2)), wanted=(0, 1)))
    fails(
        "2 bottoms and 2 tops; it needs a top for each bottom but", lambda: on_stand('type: "Filter"', X, KEEP, tops=2)
    )
    fails("one number an item", lambda: on_stand('type: "Filter"', X, np.zeros((4, 2))))
    fails(r"bottoms of 3 items.*\(4, 3, 2\)", lambda: on_stand('type: "Filter"', X, np.zeros(3)))
