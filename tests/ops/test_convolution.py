"""Convolution: against loops, its gradients as transposes, in blocks of any size, within little memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicaffe import ops as package
from minicaffe.ops import convolution
from tests.ops import naive
from tests.ops.test_im2col import drawn, few, passes


def arrays(case: dict[str, Any], group: int, each: int) -> tuple[np.ndarray, ...]:
    """Return x, W, b and dy for a case with `group` groups of `each` outputs."""
    N, C, *size = case["shape"]
    x = drawn((N, C * group, *size), np.float64)
    W = drawn((each * group, C, *case["numbers"][0]), np.float64, 1)
    return x, W, drawn((each * group,), np.float64, 2), drawn((N, each * group, *case["positions"]), np.float64, 3)


@few
@given(passes(), st.integers(1, 3), st.integers(1, 2), st.integers(1, 40))
def test_agrees_with_loops_in_blocks_of_any_size(
    ops: package.Ops, case: dict[str, Any], group: int, each: int, room: int
) -> None:
    x, W, b, dy = arrays(case, group, each)
    _, *passing = case["numbers"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "BLOCK_ELEMENTS", 0)
        patch.setattr(convolution, "BLOCK_POSITIONS", room)
        patch.setattr(convolution, "STRAIGHT_POSITIONS", room // 2)
        y, plain = np.empty(dy.shape), np.empty(dy.shape)
        ops.conv(x, W, b, *passing, group, y)
        ops.conv(x, W, None, *passing, group, plain)
        dx, dW = np.full(x.shape, 9.0), np.ones(W.shape)
        ops.conv_backward_data(dy, W, *passing, group, dx)
        ops.conv_backward_weights(x, dy, dW, *passing, group)
    expected = naive.conv(x, W, case["positions"], *passing, group)
    np.testing.assert_allclose(plain, expected, atol=1e-12)
    np.testing.assert_allclose(y, expected + b.reshape(-1, *(1,) * len(case["positions"])), atol=1e-12)
    assert np.vdot(dx, x) == pytest.approx(np.vdot(dy, expected), abs=1e-9)
    assert np.vdot(dW - 1, W) == pytest.approx(np.vdot(dy, expected), abs=1e-9)


@few
@given(passes(2), st.integers(1, 2))
def test_gradients_are_exact_for_every_element(ops: package.Ops, case: dict[str, Any], group: int) -> None:
    x, W, _, dy = arrays(case, group, 1)
    _, *passing = case["numbers"]
    dx, dW = np.empty(x.shape), np.zeros(W.shape)
    ops.conv_backward_data(dy, W, *passing, group, dx)
    ops.conv_backward_weights(x, dy, dW, *passing, group)
    for array, gradient in ((x, dx), (W, dW)):
        at = tuple(n // 2 for n in array.shape)
        values = []
        for by in (1.0, -1.0):
            array[at] += by
            values.append(np.vdot(dy, naive.conv(x, W, case["positions"], *passing, group)))
            array[at] -= by
        assert gradient[at] == pytest.approx((values[0] - values[1]) / 2, abs=1e-9)


@pytest.mark.parametrize("kernel", [1, 3])
def test_arrays_need_not_be_contiguous(ops: package.Ops, kernel: int) -> None:
    pad = kernel // 2
    x, W = drawn((2, 4, 6, 5), np.float32, spread=True), drawn((6, 2, kernel, kernel), np.float32, 1, spread=True)
    expected = naive.conv(x, W, (6, 5), (1, 1), (pad, pad), (1, 1), 2)
    y = np.zeros((5, 6, 6, 2), np.float32).T
    ops.conv(x, W, None, (1, 1), (pad, pad), (1, 1), 2, y)
    np.testing.assert_allclose(y, expected, atol=1e-4)
    dx, dW = np.zeros((5, 6, 4, 2), np.float32).T, np.zeros(W.shape, np.float32)
    ops.conv_backward_data(y, W, (1, 1), (pad, pad), (1, 1), 2, dx)
    ops.conv_backward_weights(x, y, dW, (1, 1), (pad, pad), (1, 1), 2)
    assert np.vdot(dx, x) == pytest.approx(np.vdot(y, y), rel=1e-4)
    assert np.vdot(dW, W) == pytest.approx(np.vdot(y, y), rel=1e-4)
    with pytest.raises(ValueError, match="dW must be C-contiguous"):
        ops.conv_backward_weights(x, y, W, (1, 1), (pad, pad), (1, 1), 2)


def test_no_images_at_all(ops: package.Ops) -> None:
    x, W, y = np.zeros((0, 2, 5, 5)), np.ones((3, 2, 3, 3)), np.zeros((0, 3, 3, 3))
    dW = np.zeros(W.shape)
    ops.conv(x, W, None, (1, 1), (0, 0), (1, 1), 1, y)
    ops.conv_backward_data(y, W, (1, 1), (0, 0), (1, 1), 1, x)
    ops.conv_backward_weights(x, y, dW, (1, 1), (0, 0), (1, 1), 1)
    assert not dW.any()


def test_a_large_image_takes_little_memory(ops: package.Ops) -> None:
    x, W, y = (
        np.ones((1, 16, 400, 600), np.float32),
        np.ones((4, 16, 3, 3), np.float32),
        np.empty((1, 4, 400, 600), "f"),
    )
    dW = np.zeros_like(W)
    columns = x.nbytes * 9
    tracemalloc.start()
    ops.conv(x, W, None, (1, 1), (1, 1), (1, 1), 1, y)
    ops.conv_backward_weights(x, y, dW, (1, 1), (1, 1), (1, 1), 1)
    ops.conv_backward_data(y, W, (1, 1), (1, 1), (1, 1), 1, x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < columns / 5


def test_blocks_cover_every_position_once() -> None:
    for N, positions, height in ((3, (50, 70), 4000), (40, (6, 6), 100), (2, (1, 5000), 10**6), (5, (), 30)):
        seen = np.zeros((N, 1, *positions), int)
        for block in convolution.blocks(N, positions, height):
            block.of(seen)[...] += 1
        assert (seen == 1).all()
