"""im2col and col2im: against loops, as each other's transpose, in blocks, and with any strides in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minicaffe import ops as package
from minicaffe.ops.im2col import conv_output_size, inside
from tests.ops import naive

few = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def passes(draw: st.DrawFn, axes: int | None = None) -> dict[str, Any]:
    """A kernel that passes over an image: at least one position along every axis."""
    axes = draw(st.integers(0, 3)) if axes is None else axes
    size, numbers = [], []
    for _ in range(axes):
        k, s, p, d = draw(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 3), st.integers(1, 2)))
        size.append(draw(st.integers(max(1, d * (k - 1) + 1 - 2 * p), 7)))
        numbers.append((k, s, p, d))
    kernel, stride, pad, dilation = (tuple(n[i] for n in numbers) for i in range(4))
    positions = tuple(conv_output_size(n, *of_axis) for n, of_axis in zip(size, numbers, strict=True))
    return {
        "shape": (draw(st.integers(1, 3)), draw(st.integers(1, 3)), *size),
        "positions": positions,
        "numbers": (kernel, stride, pad, dilation),
        "dtype": draw(st.sampled_from([np.float32, np.float64])),
    }


def drawn(shape: tuple[int, ...], dtype: Any, seed: int = 0, spread: bool = False) -> np.ndarray:
    """Normal numbers; with `spread` not contiguous."""
    rng = np.random.Generator(np.random.PCG64(seed))
    x = rng.standard_normal(shape[::-1] if spread else shape).astype(dtype)
    return x.T if spread else x


@few
@given(passes(), st.booleans())
def test_columns_are_those_of_loops(ops: package.Ops, case: dict[str, Any], spread: bool) -> None:
    kernel, *_ = case["numbers"]
    x = drawn(case["shape"], case["dtype"], spread=spread)
    expected = naive.columns(x, case["positions"], *case["numbers"])
    rows = int(np.prod((x.shape[1], *kernel)))
    out = drawn((rows, len(x), *case["positions"]), case["dtype"], spread=spread)
    ops.im2col(x, *case["numbers"], out)
    assert (out.reshape(expected.shape) == expected).all()


@few
@given(passes(), st.booleans())
def test_sums_are_the_transpose_of_columns(ops: package.Ops, case: dict[str, Any], spread: bool) -> None:
    kernel, *_ = case["numbers"]
    x = drawn(case["shape"], np.float64)
    rows = int(np.prod((x.shape[1], *kernel)))
    col = np.empty((rows, len(x), *case["positions"]))
    ops.im2col(x, *case["numbers"], col)
    other = drawn(col.shape, np.float64, 1, spread)
    total = np.zeros(x.shape)
    ops.col2im(other, *case["numbers"], total)
    assert np.vdot(total, x) == pytest.approx(np.vdot(other, col), abs=1e-9)
    ops.col2im(other, *case["numbers"], total)
    assert np.vdot(total, x) == pytest.approx(2 * np.vdot(other, col), abs=1e-9)


@few
@given(passes(2))
def test_kernels_agree_with_definitions(case: dict[str, Any]) -> None:
    x = drawn(case["shape"], case["dtype"])
    kernel, *_ = case["numbers"]
    shape = (x.shape[1] * kernel[0] * kernel[1], len(x), *case["positions"])
    results = []
    for ops in (package.definition(), package.default()):
        col, total = np.empty(shape, x.dtype), x.copy()
        ops.im2col(x, *case["numbers"], col)
        ops.col2im(col, *case["numbers"], total)
        results.append((col, total))
    (a, b), (c, d) = results
    assert (a == c).all()
    np.testing.assert_allclose(b, d, rtol=1e-5)


def test_a_negative_pad_starts_within_the_image(ops: package.Ops) -> None:
    x = drawn((2, 3, 9, 5), np.float32)
    whole = np.empty((27, 2, 5, 5), np.float32)
    ops.im2col(x, (3, 3), (2, 1), (1, 1), (1, 1), whole)
    for first, last in ((0, 2), (2, 5)):
        part = np.empty((27, 2, last - first, 5), np.float32)
        ops.im2col(x, (3, 3), (2, 1), (1 - 2 * first, 1), (1, 1), part)
        assert (part == whole[:, :, first:last]).all()


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [((5, 3, 1, 0, 1), 3), ((5, 3, 2, 1, 1), 3), ((5, 3, 1, 0, 2), 1), ((2, 3, 1, 0, 1), 0), ((3, 4, 2, 0, 1), 1)],
)
def test_output_size_divides_as_c_does(numbers: tuple[int, ...], expected: int) -> None:
    assert conv_output_size(*numbers) == expected


@few
@given(st.integers(-9, 9), st.integers(1, 4), st.integers(0, 9), st.integers(0, 9))
def test_inside_is_the_range_of_positions_that_read_the_image(offset: int, stride: int, size: int, n: int) -> None:
    lo, hi = inside(offset, stride, size, n)
    assert 0 <= lo <= hi <= n
    assert list(range(lo, hi)) == [o for o in range(n) if 0 <= o * stride + offset < size]
