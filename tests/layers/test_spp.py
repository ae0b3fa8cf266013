"""SPP: sizes of many pyramids, levels equal to the poolings they are, gradients."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import check_elements
from minicaffe.testing.cases.vision import SPP
from tests.layers.stand import fails, on_stand, output, shape_of


def text(height: int, more: str = "") -> str:
    return f'type: "SPP" spp_param {{ pyramid_height: {height} {more} }}'


@pytest.mark.parametrize("size", [(9, 8), (14, 11), (32, 17), (64, 48)])
@pytest.mark.parametrize("height", [1, 2, 3])
def test_sizes(height: int, size: tuple[int, int]) -> None:
    expected = (3, 6, 1, 1) if height == 1 else (3, 6 * (4**height - 1) // 3)
    assert shape_of(text(height), (3, 6, *size)) == expected


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
def test_levels_are_poolings(pool: str) -> None:
    x = np.random.Generator(np.random.PCG64(1)).standard_normal((2, 3, 9, 11))
    y = output(text(3, f"pool: {pool}"), x)
    windows = (
        "kernel_h: 9 kernel_w: 11 stride_h: 9 stride_w: 11",
        "kernel_h: 5 kernel_w: 6 stride_h: 5 stride_w: 6 pad_h: 1 pad_w: 1",
        "kernel_h: 3 kernel_w: 3 stride_h: 3 stride_w: 3 pad_h: 2 pad_w: 1",
    )
    levels = [output(f'type: "Pooling" pooling_param {{ pool: {pool} {w} }}', x).reshape(2, -1) for w in windows]
    assert (y == np.concatenate(levels, axis=1)).all()


def test_stochastic_picks_elements() -> None:
    x = np.random.Generator(np.random.PCG64(1)).uniform(0.1, 1, (1, 2, 8, 8))
    bench = on_stand(text(2, "pool: STOCHASTIC"), x)
    bench.forward()
    assert set(bench.top[0].array.flat) <= set(bench.bottom[0].array.flat)


def test_gradients_element_by_element() -> None:
    for case in SPP:
        check_elements(case, step=1e-4, threshold=1e-2)


def test_errors() -> None:
    fails("needs a pyramid_height", lambda: on_stand('type: "SPP"', np.zeros((1, 1, 4, 4))))
    fails("grid of 4 x 4 does not fit on a map of 5 x 8", lambda: on_stand(text(3), np.zeros((1, 1, 5, 8))))
    fails("needs a bottom with 4 axes", lambda: on_stand(text(2), np.zeros((1, 4, 4))))
