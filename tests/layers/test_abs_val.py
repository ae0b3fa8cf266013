"""AbsVal: its values, its gradient, also in place."""

from __future__ import annotations

from tests.layers.stand import gradients, on_stand, output

X = [-2.0, 0.0, 3.0]


def test_values() -> None:
    assert output('type: "AbsVal"', X).tolist() == [2, 0, 3]


def test_gradient_is_the_sign_also_in_place() -> None:
    for in_place in (False, True):
        assert gradients(on_stand('type: "AbsVal"', X, in_place=in_place), [5.0, 5.0, 5.0])[0].tolist() == [-5, 0, 5]
