"""The CPU's algorithms of convolution: each against the definition in float64, over shapes that call for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from minicaffe import ops as package
from minicaffe.ops import convolution as definition
from minicaffe.ops.cpu import blas, by_channel, columns, pointwise, threads, winograd
from minicaffe.ops.cpu.vector import LANES
from minicaffe.ops.im2col import conv_output_size
from tests.ops.test_im2col import drawn

some = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Largest errors as a share of the largest value: rounding of float32 in sums, and in Winograd's transforms.
TOLERANCE = {"winograd": 1e-5, "product": 5e-6, "columns": 5e-6, "direct": 5e-6, "plain": 5e-6}


class Case(NamedTuple):
    """Shapes of x, W and y, and how the kernel passes."""

    x: tuple[int, ...]
    W: tuple[int, ...]
    y: tuple[int, ...]
    passing: tuple[Any, ...]

    def arrays(self, spread: bool = False) -> tuple[np.ndarray, ...]:
        """Return x, W, b and dy; with `spread` not contiguous."""
        x, W, dy = (drawn(shape, np.float32, i, spread) for i, shape in enumerate((self.x, self.W, self.y)))
        return x, W, drawn(self.y[1:2], np.float32, 3), dy

    def algorithms(self) -> dict[str, str]:
        return package.default().conv_algorithm(self.x, self.W, *self.passing, np.float32)


def case(N: int, channels: int, outputs: int, group: int, axes: list[tuple[int, int, int, int, int]]) -> Case:
    """Make a case of channels and outputs of each group, and size, kernel, stride, pad, dilation of each axis."""
    size, kernel, stride, pad, dilation = zip(*axes, strict=True)
    positions = [conv_output_size(*axis) for axis in axes]
    return Case(
        (N, channels * group, *size),
        (outputs * group, channels, *kernel),
        (N, outputs * group, *positions),
        (stride, pad, dilation, group),
    )


@st.composite
def axis(draw: st.DrawFn, kernel: Any, stride: Any, pad: Any, dilation: Any, longest: int) -> tuple[int, ...]:
    k, s, p, d = draw(st.tuples(kernel, stride, pad, dilation))
    return draw(st.integers(max(1, d * (k - 1) + 1 - 2 * p), longest)), k, s, p, d


@pytest.fixture(autouse=True, scope="module")
def in_threads() -> Iterator[None]:
    """Divide even the smallest work among three threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "count", lambda: 3)
        patch.setattr(blas, "MULTIPLICATIONS", 1)
        patch.setattr(by_channel, "PRODUCTS", 1)
        patch.setattr(winograd, "LEAST", 1)
        for numbers in ("FRAMED", "TURNED", "WRITTEN"):
            patch.setattr(columns, numbers, 1)
        for numbers in ("MOVED", "ADDED"):
            patch.setattr(pointwise, numbers, 1)
        yield


one = st.just(1)
small = axis(st.just(3), one, st.integers(0, 2), one, 23)
point = axis(one, st.integers(1, 3), st.just(0), one, 20)
large = axis(st.integers(1, 7), st.integers(1, 4), st.integers(0, 3), st.integers(1, 2), 20)


@st.composite
def cases(draw: st.DrawFn, axes: Any, most: int, groups: int = 3, least: int = 1) -> Case:
    N, C, K, group = draw(
        st.tuples(st.integers(1, 3), st.integers(least, most), st.integers(least, most), st.integers(1, groups))
    )
    return case(N, C, K, group, [draw(axes), draw(axes)])


def close(actual: np.ndarray, expected: np.ndarray, algorithm: str, terms: int) -> None:
    """Compare sums of so many products of numbers around 1: a sum that happens to be small is no more exact."""
    scale = max(float(np.abs(expected).max(initial=0)), terms**0.5)
    np.testing.assert_allclose(actual / scale, expected / scale, rtol=0, atol=TOLERANCE[algorithm])


def agrees(shape: Case, spread: bool = False) -> None:
    """Compare all three passes with the definition in float64."""
    ops, (x, W, b, dy) = package.default(), shape.arrays(spread)
    algorithms = dict.fromkeys(shape.algorithms(), "plain") if spread else shape.algorithms()
    exact = [a.astype(np.float64) for a in (x, W, b, dy)]
    y, expected = np.full_like(dy, np.nan), np.empty(dy.shape)
    for bias in (True, False):
        for relu in (False, True):
            ops.conv(x, W, b if bias else None, *shape.passing, y, relu=relu)
            definition.conv(exact[0], exact[1], exact[2] if bias else None, *shape.passing, expected, relu=relu)
            close(y, expected, algorithms["forward"], W[0].size)
    dx, expected = np.full_like(x, np.nan), np.empty(x.shape)
    ops.conv_backward_data(dy, W, *shape.passing, dx)
    definition.conv_backward_data(exact[3], exact[1], *shape.passing, expected)
    close(dx, expected, algorithms["backward_data"], W[:, 0].size // shape.passing[3])
    dW, expected = np.ones(W.shape, np.float32), np.ones(W.shape)
    ops.conv_backward_weights(x, dy, dW, *shape.passing)
    definition.conv_backward_weights(exact[0], exact[3], expected, *shape.passing)
    close(dW, expected, algorithms["backward_weights"], dy[:, 0].size)


@some
@given(cases(small, 40, 2, 16))
def test_winograd(shape: Case) -> None:
    assert set(shape.algorithms().values()) <= {"winograd", "columns"}
    agrees(shape)


@pytest.mark.parametrize(("N", "channels", "outputs", "size"), [(1, 130, 300, 9), (1, 40, 24, 90), (3, 17, 270, 33)])
def test_winograd_in_blocks(N: int, channels: int, outputs: int, size: int) -> None:
    agrees(case(N, channels, outputs, 1, [(size, 3, 1, 1, 1), (size + 2, 3, 1, 1, 1)]))


@some
@given(cases(point, 70))
def test_product(shape: Case) -> None:
    assert shape.algorithms()["forward"] in ("product", "direct", "plain")
    agrees(shape)


@pytest.mark.parametrize(
    ("N", "channels", "outputs", "group", "size", "stride"),
    [(1, 300, 40, 1, 40, 1), (1, 64, 200, 1, 41, 2), (5, 400, 130, 1, 7, 1), (1, 600, 500, 1, 7, 1),
     (3, 20, 30, 2, 50, 3), (9, 100, 24, 1, 14, 1)],
)  # fmt: skip
def test_product_in_tiles(N: int, channels: int, outputs: int, group: int, size: int, stride: int) -> None:
    agrees(case(N, channels, outputs, group, [(size, 1, stride, 0, 1)] * 2))


@some
@given(cases(large, 20))
def test_columns(shape: Case) -> None:
    agrees(shape)


@pytest.mark.parametrize(
    ("N", "channels", "outputs", "group", "axis"),
    [(2, 3, 24, 1, (67, 11, 4, 0, 1)), (2, 48, 40, 2, (27, 5, 1, 2, 1)), (1, 40, 20, 1, (40, 3, 1, 2, 2)),
     (5, 700, 9, 1, (5, 3, 2, 1, 1)), (2, 3, 4, 1, (2, 3, 2, 0, 1)), (1, 5, 20, 1, (8, 5, 4, 0, 2))],
)  # fmt: skip
def test_columns_in_blocks(N: int, channels: int, outputs: int, group: int, axis: tuple[int, ...]) -> None:
    agrees(case(N, channels, outputs, group, [axis, axis]))


@some
@given(cases(large, 1, 40))
def test_each_channel_alone(shape: Case) -> None:
    agrees(shape)


@some
@given(large, large, st.integers(1, 3), st.integers(2, 9), st.integers(1, 3))
def test_several_outputs_of_each_channel(
    down: tuple[int, ...], across: tuple[int, ...], N: int, group: int, each: int
) -> None:
    shape = case(N, 1, each, group, [down, across])
    assert shape.algorithms()["forward"] == "direct"
    agrees(shape)


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_arrays_need_not_be_contiguous(kernel: int) -> None:
    agrees(case(2, 20, 24, 1, [(9, kernel, 1, 1, 1), (8, kernel, 1, 1, 1)]), spread=True)


def test_not_a_number_is_passed_on() -> None:
    ops = package.default()
    for kernel in (1, 3, 5):
        shape = case(1, 16, 16, 1, [(12, kernel, 1, kernel // 2, 1)] * 2)
        x, W, b, dy = shape.arrays()
        x[0, 3, 5, 5] = np.nan
        y = np.empty_like(dy)
        ops.conv(x, W, b, *shape.passing, y, relu=True)
        assert np.isnan(y[0, :, 5, 5]).all()


def passes(shape: Case) -> list[np.ndarray]:
    """Run all three passes of a case."""
    ops, (x, W, b, dy) = package.default(), shape.arrays()
    y, dx, dW = np.empty_like(dy), np.empty_like(x), np.zeros_like(W)
    ops.conv(x, W, b, *shape.passing, y, relu=True)
    ops.conv_backward_data(dy, W, *shape.passing, dx)
    ops.conv_backward_weights(x, dy, dW, *shape.passing)
    return [y, dx, dW]


@pytest.mark.parametrize(
    "shape",
    [case(2, 32, 40, 1, [(41, 3, 1, 1, 1)] * 2), case(3, 90, 64, 1, [(7, 3, 1, 1, 1)] * 2),
     case(3, 40, 50, 1, [(20, 1, 1, 0, 1)] * 2), case(1, 90, 250, 1, [(41, 1, 1, 0, 1)] * 2),
     case(1, 600, 500, 1, [(7, 1, 1, 0, 1)] * 2), case(2, 20, 30, 2, [(30, 5, 2, 2, 1)] * 2),
     case(1, 100, 150, 1, [(7, 3, 1, 1, 1)] * 2), case(3, 60, 80, 2, [(4, 3, 1, 1, 1)] * 2),
     case(1, 100, 80, 1, [(15, 3, 2, 1, 1)] * 2), case(2, 1, 1, 40, [(30, 3, 1, 1, 1)] * 2)],
    ids=["winograd", "few tiles", "product", "product in parts", "product in tiles", "columns", "few positions",
         "few positions in groups", "few positions in strides", "by channel"],
)  # fmt: skip
def test_results_do_not_depend_on_the_number_of_threads(shape: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for count in (1, 2, 3):
        monkeypatch.setattr(threads, "count", lambda count=count: count)
        results.append(passes(shape))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_the_rule() -> None:
    def forward(x: tuple[int, ...], W: tuple[int, ...], stride: int, pad: int, **others: Any) -> str:
        axes = len(x) - 2
        numbers = (stride,) * axes, (pad,) * axes, (others.get("dilation", 1),) * axes, others.get("group", 1)
        return package.default().conv_algorithm(x, W, *numbers, others.get("dtype", np.float32))["forward"]

    assert forward((1, 64, 60, 80), (64, 64, 3, 3), 1, 1) == "winograd"
    assert forward((1, 64, 60, 80), (64, 64, 3, 3), 2, 1) == "columns"
    assert forward((1, 64, 7, 7), (64, 64, 3, 3), 1, 1) == "winograd"
    assert forward((1, 64, 4, 4), (64, 64, 3, 3), 1, 1) == "columns"
    assert forward((2, 64, 7, 7), (64, 64, 3, 3), 1, 1) == "winograd"
    assert forward((1, 64, 60, 80), (64, 64, 3, 3), 1, 1, dilation=2) == "columns"
    assert forward((1, 3, 60, 80), (64, 3, 3, 3), 1, 1) == "columns"
    assert forward((1, 64, 60, 80), (64, 64, 1, 1), 1, 0) == "product"
    assert forward((1, 64, 60, 80), (64, 64, 1, 1), 2, 0) == "product"
    assert forward((1, 64, 60, 80), (64, 64, 1, 1), 1, 1) == "columns"
    assert forward((1, 64, 60, 80), (64, 64, 3, 3), 1, 1, dtype=np.float64) == "plain"
    assert forward((1, 64, 5, 6, 7), (64, 64, 3, 3, 3), 1, 1) == "plain"


def test_the_plain_way_is_the_definition() -> None:
    shape = case(2, 20, 24, 1, [(9, 3, 1, 1, 1), (8, 3, 1, 1, 1)])
    x, W, b, dy = shape.arrays()
    plain, y, expected = package.default().plain, np.empty_like(dy), np.empty_like(dy)
    plain.conv(x, W, b, *shape.passing, y)
    definition.conv(x, W, b, *shape.passing, expected)
    np.testing.assert_array_equal(y, expected)
    assert set(plain.conv_algorithm(shape.x, shape.W, *shape.passing, np.float32).values()) == {"plain"}


@pytest.mark.parametrize("lanes", [4 if LANES > 4 else 8])
def test_vectors_of_other_processors(lanes: int) -> None:
    """Vectors of any length are computed on any processor, whole, in pieces or in part."""
    program = (
        "from tests.ops.cpu.test_convolution import agrees, case; from minicaffe.ops.cpu.vector import LANES\n"
        f"assert LANES == {lanes}\n"
        "agrees(case(2, 20, 35, 1, [(11, 3, 1, 1, 1), (23, 3, 1, 1, 1)]))\n"
        "agrees(case(1, 20, 35, 2, [(13, 5, 1, 2, 1), (27, 5, 2, 1, 1)]))\n"
        "agrees(case(1, 32, 35, 1, [(13, 1, 1, 0, 1), (27, 1, 1, 0, 1)]))\n"
    )
    others = {**os.environ, "MINICAFFE_LANES": str(lanes)}
    subprocess.run([sys.executable, "-c", program], env=others, check=True)
