"""Pooling: Caffe's own vectors, sizes, masks, every spelling of its parameters, and errors that help."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import check_elements
from minicaffe.testing.cases.vision import POOLING
from tests.layers.stand import fails, gradients, on_stand, output, outputs, shape_of

MAGIC = np.array(
    [
        [35, 1, 6, 26, 19, 24],
        [3, 32, 7, 21, 23, 25],
        [31, 9, 2, 22, 27, 20],
        [8, 28, 33, 17, 10, 15],
        [30, 5, 34, 12, 14, 16],
        [4, 36, 29, 13, 18, 11],
    ]
)


def text(param: str) -> str:
    return f'type: "Pooling" pooling_param {{ {param} }}'


def planes(rows: object) -> np.ndarray:
    """Return the rows as all four planes of a 2 x 2 batch."""
    return np.tile(np.asarray(rows, float), (2, 2, 1, 1))


def test_square_kernel_and_mask() -> None:
    x = planes([[1, 2, 5, 2, 3], [9, 4, 1, 4, 8], [1, 2, 5, 2, 3]])
    y, mask = outputs(text("kernel_size: 2"), x, tops=2)
    assert (y == planes([[9, 5, 5, 8], [9, 5, 5, 8]])).all()
    assert (mask == planes([[5, 2, 2, 9], [5, 12, 12, 9]])).all()
    dx = gradients(on_stand(text("kernel_size: 2"), x), planes([[1, 1, 1, 1]] * 2))[0]
    assert (dx == planes([[0, 0, 2, 0, 0], [2, 0, 0, 0, 2], [0, 0, 2, 0, 0]])).all()


def test_rectangular_kernels() -> None:
    tall = output(text("kernel_h: 3 kernel_w: 2"), planes(MAGIC))
    assert (
        tall == planes([[35, 32, 26, 27, 27], [32, 33, 33, 27, 27], [31, 34, 34, 27, 27], [36, 36, 34, 18, 18]])
    ).all()
    wide = output(text("kernel_h: 2 kernel_w: 3"), planes(MAGIC.T))
    assert (wide == tall.swapaxes(2, 3)).all()


def test_padded() -> None:
    x = planes([[1, 2, 4], [2, 3, 2], [4, 2, 1]])
    assert (output(text("kernel_size: 3 stride: 2 pad: 2"), x) == planes([[1, 4, 4], [4, 4, 4], [4, 4, 1]])).all()
    y = output(text("pool: AVE kernel_size: 3 pad: 1"), planes(np.full((3, 3), 2)))
    np.testing.assert_allclose(y, planes([[8 / 9, 4 / 3, 8 / 9], [4 / 3, 2, 4 / 3], [8 / 9, 4 / 3, 8 / 9]]), atol=1e-5)


def test_overhang_counts_in_no_average_but_padding_does() -> None:
    x = planes(np.ones((4, 4)))
    assert (output(text("pool: AVE kernel_size: 3 stride: 2"), x) == 1).all()
    corner = output(text("pool: AVE kernel_size: 3 stride: 2 pad: 1"), x)[0, 0]
    np.testing.assert_allclose(corner, np.outer([2 / 3, 1, 1 / 2], [2 / 3, 1, 1 / 2]), rtol=1e-6)


@pytest.mark.parametrize(
    ("param", "size"),
    [
        ("kernel_size: 3 stride: 2", (3, 2)),
        ("kernel_size: 2 stride: 2", (4, 3)),
        ("kernel_size: 2 stride: 2 round_mode: FLOOR", (3, 2)),
        ("kernel_size: 2 stride: 2 ceil_mode: false", (3, 2)),
        ("kernel_size: 2 stride: 2 ceil_mode: true round_mode: CEIL engine: CUDNN", (4, 3)),
        ("kernel_size: 3 stride: 2 pad: 1", (4, 3)),
        ("kernel_size: 3 stride: 2 pad_h: 1 pad_w: 0", (4, 2)),
        ("kernel_size: 3 stride_h: 1 stride_w: 3", (5, 2)),
        ("kernel_h: 7 kernel_w: 1 stride: 4", (1, 2)),
        ("kernel_size: 9 stride: 9", (1, 1)),
        ("global_pooling: true", (1, 1)),
        ("global_pooling: true stride: 1 pad_h: 0 pad_w: 0", (1, 1)),
    ],
)
def test_sizes(param: str, size: tuple[int, int]) -> None:
    assert shape_of(text(param), (2, 3, 7, 5)) == (2, 3, *size)


def test_a_window_that_would_start_in_the_padding_is_dropped() -> None:
    assert shape_of(text("kernel_size: 2 stride: 2 pad: 1"), (1, 1, 3, 3)) == (1, 1, 2, 2)
    assert shape_of(text("kernel_size: 2 stride: 2 pad_h: 1 pad_w: 0"), (1, 1, 3, 3)) == (1, 1, 2, 2)
    assert shape_of(text("kernel_size: 1 stride: 2"), (1, 1, 4, 4)) == (1, 1, 3, 3)


def test_global_pooling_follows_the_size_of_its_bottom() -> None:
    for pool, function in (("MAX", np.max), ("AVE", np.mean)):
        bench = on_stand(text(f"pool: {pool} global_pooling: true"), np.zeros((1, 1, 2, 2)))
        for shape in ((2, 3, 4, 5), (1, 3, 6, 2)):
            x = np.random.Generator(np.random.PCG64(1)).standard_normal(shape)
            bench.bottom[0].reshape(*shape)
            bench.bottom[0].array[...] = x
            bench.forward()
            np.testing.assert_allclose(bench.top[0].array, function(x, axis=(2, 3), keepdims=True))


def test_stochastic() -> None:
    x = np.random.Generator(np.random.PCG64(1)).uniform(0, 1, (2, 3, 6, 5))
    param = text("pool: STOCHASTIC kernel_size: 3 stride: 2")
    bench = on_stand(param, x)
    dx = gradients(bench, np.ones((2, 3, 3, 2)))[0]
    picked = bench.top[0].array.copy()
    for n, c, i, j in np.ndindex(picked.shape):
        assert picked[n, c, i, j] in bench.bottom[0].array[n, c, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
    assert dx.sum() == picked.size
    assert set(bench.bottom[0].array[dx > 0]) == set(picked.flat)
    bench.forward()
    assert (bench.top[0].array != picked).any()
    expected = output(param, x, train=False)
    assert (expected <= output(text("kernel_size: 3 stride: 2"), x)).all()
    window = bench.bottom[0].array[0, 0, :3, :3]
    assert expected[0, 0, 0, 0] == pytest.approx((window**2).sum() / window.sum())
    fails("gradient only in phase TRAIN", lambda: gradients(on_stand(param, x, train=False), np.ones(picked.shape)))


def test_gradients_element_by_element() -> None:
    for case in POOLING:
        if case.label in ("max-pad", "max-mask", "ave-pad"):
            check_elements(case, step=1e-4, threshold=1e-2)


@pytest.mark.parametrize(
    ("param", "match"),
    [
        ("", "needs a kernel_size"),
        ("kernel_size: 0", "kernel 0 x 0 must be positive"),
        ("kernel_size: 2 stride: 0", "stride 0 x 0 must be positive"),
        ("kernel_size: 2 kernel_h: 2 kernel_w: 2", "either kernel_size or kernel_h and kernel_w"),
        ("kernel_h: 2", "either kernel_size or kernel_h and kernel_w, both of them"),
        ("kernel_size: 2 pad_h: 1", "either pad or pad_h and pad_w, both of them"),
        ("kernel_size: 2 stride: 1 stride_h: 1 stride_w: 1", "either stride or stride_h and stride_w"),
        ("kernel_size: 2 pad: 2", "pad 2 x 2 must be smaller than the kernel, 2 x 2"),
        ("pool: STOCHASTIC kernel_size: 3 pad: 1", "STOCHASTIC pooling takes no pad"),
        ("global_pooling: true kernel_size: 2", "leave out kernel_size"),
        ("global_pooling: true stride: 2", "needs stride 1 and pad 0"),
        ("kernel_size: 9", r"would be empty: size -1 x -2 from input 7 x 6, kernel 9 x 9, stride 1 x 1.*bottom\[0\]"),
        ("kernel_size: 2 torch_pooling: true", "'torch_pooling' is a field of a fork"),
        ("kernel_size: 2 avg_include_pad: false", "'avg_include_pad' is a field of a fork"),
        ("kernel_size: 2 kernel_size_3d: 2", "'kernel_size_3d' is a field of a fork"),
    ],
)
def test_errors(param: str, match: str) -> None:
    fails(match, lambda: on_stand(text(param), np.zeros((1, 1, 7, 6))))


def test_errors_of_shape_and_count() -> None:
    fails("needs a bottom with 4 axes", lambda: on_stand(text("kernel_size: 2"), np.zeros((3, 7, 6))))
    fails("needs a bottom with 4 axes", lambda: on_stand(text("global_pooling: true"), np.zeros((3, 7))))
    for pool in ("AVE", "STOCHASTIC"):
        param = text(f"pool: {pool} kernel_size: 2")
        fails("only MAX pooling has a second top", lambda param=param: on_stand(param, np.zeros((1, 1, 3, 3)), tops=2))
