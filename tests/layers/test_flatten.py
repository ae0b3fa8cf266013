"""Flatten: which axes become one."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.layers.flatten import Flatten
from tests.layers.stand import fails, on_stand, shape_of


def text(param: str = "") -> str:
    return f'type: "Flatten" flatten_param {{ {param} }}'


@pytest.mark.parametrize(
    ("param", "shape"),
    [
        ("", (2, 60)),
        ("axis: 2", (2, 3, 20)),
        ("axis: 0", (120,)),
        ("end_axis: -2", (2, 12, 5)),
        ("axis: 0 end_axis: -2", (24, 5)),
        ("axis: -2 end_axis: -1", (2, 3, 20)),
        ("axis: 1 end_axis: 1", (2, 3, 4, 5)),
    ],
)
def test_shapes(param: str, shape: tuple[int, ...]) -> None:
    assert shape_of(text(param), (2, 3, 4, 5)) == shape


def test_the_top_is_the_bottoms_memory_also_after_it_grew() -> None:
    bench = on_stand(text(), np.arange(12.0).reshape(2, 3, 2))
    for shape in ((2, 3, 2), (5, 4, 3), (1, 2, 2)):
        bench.bottom[0].reshape(*shape)
        bench.bottom[0].array[...] = np.arange(float(np.prod(shape))).reshape(shape)
        bench.forward()
        assert bench.top[0].array.tolist() == bench.bottom[0].array.reshape(shape[0], -1).tolist()
        bench.top[0].diff_array[...] = 3
        assert (bench.bottom[0].diff_array == 3).all()


def test_an_empty_batch_stays_empty() -> None:
    assert shape_of(text(), (0, 3, 4)) == (0, 12)


def test_errors() -> None:
    fails("axis 1 is out of range for a blob of 1 axes", lambda: on_stand(text(), np.zeros(3)))
    fails("end_axis 3 is out of range", lambda: on_stand(text("end_axis: 3"), np.zeros((1, 2, 3))))
    fails("axis 2 comes after end_axis 1", lambda: on_stand(text("axis: 2 end_axis: 1"), np.zeros((1, 2, 3))))
    assert not Flatten.in_place
