"""LRN: both regions against their formulas, what each ignores, gradients, errors."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import check_elements
from minicaffe.testing.cases.vision import LRN
from tests.layers.stand import fails, on_stand, output
from tests.ops import naive

X = np.random.Generator(np.random.PCG64(1)).standard_normal((2, 17, 5, 4)).astype(np.float32).astype(np.float64)


def text(param: str = "") -> str:
    return f'type: "LRN" lrn_param {{ {param} }}'


@pytest.mark.parametrize("size", [1, 5, 15])
def test_across_channels(size: int) -> None:
    y = output(text(f"local_size: {size} alpha: 0.5 beta: 0.25 k: 2"), X)
    np.testing.assert_allclose(y, naive.lrn_across(X, size, 0.5, 0.25, 2))
    np.testing.assert_allclose(output(text(), X), naive.lrn_across(X, 5, 1, 0.75, 1))


@pytest.mark.parametrize("size", [3, 5])
def test_within_channel_ignores_k_and_always_divides_by_the_whole_window(size: int) -> None:
    y = output(text(f"local_size: {size} alpha: 0.5 norm_region: WITHIN_CHANNEL k: 7"), X)
    reach = size // 2
    padded = np.pad(X**2, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    sums = sum(padded[:, :, i : i + 5, j : j + 4] for i in range(size) for j in range(size))
    np.testing.assert_allclose(y, X * (1 + 0.5 * sums / size**2) ** -0.75)


def test_gradients_element_by_element() -> None:
    for case in LRN[1:4]:
        check_elements(case, step=1e-2, threshold=1e-2)


def test_errors() -> None:
    fails("local_size: 4 } must be odd", lambda: on_stand(text("local_size: 4"), X))
    fails("local_size: 0 } must be odd", lambda: on_stand(text("local_size: 0"), X))
    fails("needs a bottom with 4 axes", lambda: on_stand(text(), X[0]))
    fails("'fuse_type' is a field of a fork", lambda: on_stand(text("fuse_type: FUSED_POOL_MAX"), X))
