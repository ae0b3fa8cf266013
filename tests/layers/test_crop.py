"""Crop: which axes, where from, and what fits."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import Case, check_elements, normal
from tests.layers.stand import fails, gradients, on_stand, output

X = np.arange(2 * 4 * 6 * 5.0).reshape(2, 4, 6, 5)


def text(param: str = "") -> str:
    return f'type: "Crop" crop_param {{ {param} }}'


@pytest.mark.parametrize(
    ("param", "reference", "window"),
    [
        ("", (2, 4, 3, 2), np.s_[:, :, :3, :2]),
        ("", (9, 9, 3, 2), np.s_[:, :, :3, :2]),
        ("axis: 0", (1, 2, 3, 4), np.s_[:1, :2, :3, :4]),
        ("axis: -2 offset: 2", (1, 1, 3, 2), np.s_[:, :, 2:5, 2:4]),
        ("axis: 2 offset: 1 offset: 2", (1, 1, 5, 3), np.s_[:, :, 1:, 2:]),
        ("axis: 1 offset: 0 offset: 3 offset: 1", (1, 2, 3, 4), np.s_[:, :2, 3:, 1:]),
    ],
)
def test_values_and_gradient(param: str, reference: tuple[int, ...], window: tuple[slice, ...]) -> None:
    bench = on_stand(text(param), X, np.zeros(reference))
    dx, d_reference = gradients(bench, X[window] + 1)
    assert bench.top[0].array.tolist() == X[window].tolist()
    expected = np.zeros(X.shape)
    expected[window] = X[window] + 1
    assert dx.tolist() == expected.tolist()
    assert not d_reference.any()


def test_five_axes() -> None:
    x = np.arange(2.0 * 3 * 3 * 4 * 2).reshape(2, 3, 3, 4, 2)
    y = output(text("axis: 2 offset: 1 offset: 2 offset: 0"), x, np.zeros((1, 1, 2, 2, 1)))
    assert y.tolist() == x[:, :, 1:, 2:, :1].tolist()


def test_the_reference_takes_no_memory_for_a_gradient_it_has_not() -> None:
    bench = on_stand(text(), X, np.zeros((2, 4, 3, 2)))
    bench.forward()
    bench.top[0].diff_array[...] = 1
    bench.backward((0, 1))
    assert not bench.bottom[1].has_diff


def test_gradient_element_by_element() -> None:
    case = Case(text("offset: 1 offset: 0"), (normal(1, 2, 3, 2), normal(1, 2, 2, 2)), (0,))
    check_elements(case, step=1e-2, threshold=1e-3)


@pytest.mark.parametrize(
    ("param", "reference", "words"),
    [
        ("", (2, 4, 7, 5), r"axis 2: offset 0 \+ size 7 exceed 6"),
        ("offset: 0 offset: 4", (2, 4, 6, 2), r"axis 3: offset 4 \+ size 2 exceed 5.*bottom.1."),
        ("offset: 1 offset: 1 offset: 1", (2, 4, 3, 2), "offset is given 3 times.*each of the 2 axes"),
        ("axis: 4", (2, 4, 3, 2), "axis 4 is out of range"),
        ("", (3, 2), r"needs a bottom\[1\] of 4 axes"),
    ],
)
def test_errors(param: str, reference: tuple[int, ...], words: str) -> None:
    fails(words, lambda: on_stand(text(param), X, np.zeros(reference)))
