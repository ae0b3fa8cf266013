"""What the elementwise layers share: copies of x only where needed, and quiet infinities."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.layers.elementwise import Elementwise, keep
from minicaffe.testing import check_elements
from minicaffe.testing.cases import elementwise
from tests.layers.stand import gradients, on_stand, output

CLIP = 'type: "Clip" clip_param { min: -1 max: 1 }'
KINKS = {"ReLU", "ELU", "AbsVal", "Clip", "PReLU"}


def test_the_base_is_the_identity() -> None:
    x, y = np.arange(3.0), np.zeros(3)
    Elementwise().function(x, y)
    assert y.tolist() == [0, 1, 2]
    Elementwise().gradient(x, y, 2 * x, y)
    assert y.tolist() == [0, 2, 4]


def test_x_is_kept_in_place_only_and_only_by_those_that_read_it() -> None:
    for text, in_place, kept in ((CLIP, True, True), (CLIP, False, False), ('type: "ReLU"', True, False)):
        bench = on_stand(text, [-2.0, 0.5, 3.0], in_place=in_place)
        bench.forward()
        assert (bench.layer.kept_x is not None) == kept  # type: ignore[attr-defined]


def test_the_copy_reuses_its_memory() -> None:
    first = keep(np.ones((2, 3)))
    assert keep(np.zeros((2, 3)), first) is first
    assert not first.any()
    assert keep(np.ones((3, 2)), first) is not first
    assert keep(np.ones((2, 3), np.float32), first).dtype == np.float32


@pytest.mark.parametrize("text", ['type: "Exp"', 'type: "Power" power_param { power: 30 }'])
def test_overflow_is_infinity_and_no_warning(text: str) -> None:
    assert output(text, [1e30], dtype=np.float32).tolist() == [np.inf]


def test_undefined_is_nan_and_no_warning() -> None:
    assert np.isnan(output('type: "Log"', [-1.0]))
    assert output('type: "Log"', [0.0]).tolist() == [-np.inf]
    assert np.isnan(output('type: "Power" power_param { power: 0.5 }', [-1.0]))


def test_a_bottom_not_asked_for_is_left_alone() -> None:
    assert gradients(on_stand('type: "TanH"', [1.0]), [1.0], wanted=())[0].tolist() == [7.25]


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)], ids=str)
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    "case", [case for case in elementwise.FUNCTIONS if case.type != "PReLU"], ids=lambda case: case.id
)
def test_a_number_without_axes_and_none_at_all(case: elementwise.Case, in_place: bool, shape: tuple[int, ...]) -> None:
    """As the same number in a row of one."""
    row = on_stand(case.layer, [0.6], train=False, in_place=in_place)
    bench = on_stand(case.layer, np.full(shape, 0.6), train=False, in_place=in_place)
    for one in (row, bench):
        one.forward()
    assert bench.top[0].shape == shape
    assert (bench.top[0].array == row.top[0].array[0]).all()
    if case.gradients is None:
        dx, expected = (gradients(one, np.full(one.top[0].shape, 2.0))[0] for one in (bench, row))
        assert dx.shape == shape
        assert (dx == expected[0]).all()


@pytest.mark.parametrize(
    "case", [case for case in elementwise.FUNCTIONS if case.gradients is None], ids=lambda case: case.id
)
def test_gradient_element_by_element(case: elementwise.Case) -> None:
    kinked = case.type in KINKS
    check_elements(case, step=1e-3, threshold=1e-3, kink=0, kink_range=0.01 if kinked else -1)
