"""Sums by channel: right for every layout, and exact enough in single precision."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.layers.channels import channel_dot, channel_sum, column


@pytest.mark.parametrize("shape", [(2, 3, 4), (5, 3, 1), (1, 1, 200), (2, 3, 64), (0, 3, 4), (2, 3, 0), (1, 0, 5)])
def test_sums(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=shape), rng.normal(size=shape)
    np.testing.assert_allclose(channel_sum(np, x), x.sum(axis=(0, 2)), atol=1e-12)
    np.testing.assert_allclose(channel_dot(np, x, y), (x * y).sum(axis=(0, 2)), atol=1e-12)


def test_long_sums_stay_exact_in_single() -> None:
    x = np.full((1, 2, 1_000_000), 1.1, np.float32)
    np.testing.assert_allclose(channel_sum(np, x), x.astype(float).sum(axis=(0, 2)), rtol=1e-5)
    np.testing.assert_allclose(channel_dot(np, x, x), (x.astype(float) ** 2).sum(axis=(0, 2)), rtol=1e-4)


def test_column() -> None:
    assert column(np.arange(6.0).reshape(2, 3)).shape == (6, 1)
    assert column(np.array(1.0)).shape == (1, 1)
