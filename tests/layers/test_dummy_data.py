"""DummyData: constants that stay, random numbers that do not, and shapes in both notations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minicaffe.errors import NetError

CONSTANT = 'data_filler { type: "constant" value: 7 }'
GAUSSIAN = 'data_filler { type: "gaussian" mean: -10 std: 1 }'


def text(param: str) -> str:
    return f'type: "DummyData" dummy_data_param {{ {param} }}'


def test_zeros_without_a_filler(feeder: Callable[..., Any]) -> None:
    dummy = feeder(text("num: 5 channels: 3 height: 2 width: 4"), tops=1)
    assert dummy.shapes == [(5, 3, 2, 4)]
    assert (dummy.next()[0] == 0).all()


def test_constants_are_there_before_forward_and_keep_what_is_written_to_them(feeder: Callable[..., Any]) -> None:
    dummy = feeder(text(f"shape {{ dim: 3 dim: 2 }} {CONSTANT}"), tops=2)
    assert dummy.shapes == [(3, 2), (3, 2)]
    for blob in dummy.top:
        assert (blob.data == 7).all()
        blob.data[...] = np.arange(6).reshape(3, 2)
    for values in dummy.next():
        np.testing.assert_array_equal(values, np.arange(6).reshape(3, 2))


def test_random_numbers_are_drawn_anew_each_time(feeder: Callable[..., Any]) -> None:
    dummy = feeder(text(f"num: 50 channels: 1 height: 4 width: 5 {GAUSSIAN}"), tops=1)
    first, second = dummy.next()[0], dummy.next()[0]
    assert (first != second).all()
    for values in (first, second):
        assert abs(values.mean() + 10) < 0.15
        assert abs(values.std() - 1) < 0.15


def test_mixed_tops(feeder: Callable[..., Any]) -> None:
    shapes = "num: 5 num: 6 num: 7 channels: 3 height: 2 height: 1 height: 4 width: 4"
    dummy = feeder(text(f"{shapes} {CONSTANT} {GAUSSIAN} {CONSTANT.replace('7', '9')}"), tops=3)
    assert dummy.shapes == [(5, 3, 2, 4), (6, 3, 1, 4), (7, 3, 4, 4)]
    a, b, c = dummy.next()
    assert (a == 7).all()
    assert b.max() < 0
    assert (c == 9).all()
    assert (dummy.next()[1] != b).all()


def test_the_seed_decides(feeder: Callable[..., Any]) -> None:
    gaussian = text(f"shape {{ dim: 9 }} {GAUSSIAN}")
    runs = [[feeder(gaussian, 1, seed=seed).next()[0].tolist()] for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_shapes_of_any_number_of_axes(feeder: Callable[..., Any]) -> None:
    dummy = feeder(text("shape { dim: 2 dim: 1 dim: 3 dim: 1 dim: 2 } shape { }"))
    assert dummy.shapes == [(2, 1, 3, 1, 2), ()]


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ("", "needs the shapes of its tops"),
        ("shape { dim: 2 } num: 2 channels: 1 height: 1 width: 1", "not both"),
        ("num: 2 channels: 1 height: 1", "width is given 0 times: give it once, or for each of 3 tops"),
        ("shape { dim: 2 } shape { dim: 3 }", "shape is given 2 times"),
        (f"shape {{ dim: 2 }} {CONSTANT} {GAUSSIAN}", "data_filler is given 2 times"),
    ],
)
def test_counts_that_do_not_fit(feeder: Callable[..., Any], param: str, message: str) -> None:
    with pytest.raises(NetError, match=rf"net\.prototxt:1: layer 'data' \(DummyData\): .*{message}"):
        feeder(text(param), tops=3)
