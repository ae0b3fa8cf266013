"""Convolution: every form of its parameters against loops, Caffe's own tests, and errors that help."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import check_elements
from minicaffe.testing.cases.vision import CONVOLUTION
from tests.layers.stand import fails, gradients, on_stand, output, outputs, shape_of
from tests.ops import naive

RNG = np.random.Generator(np.random.PCG64(7))


def text(param: str) -> str:
    return f'type: "Convolution" convolution_param {{ {param} }}'


@pytest.mark.parametrize(
    ("param", "kernel", "stride", "pad", "dilation", "positions"),
    [
        ("kernel_size: 3", (3, 3), (1, 1), (0, 0), (1, 1), (5, 4)),
        ("kernel_size: 3 stride: 2 pad: 1", (3, 3), (2, 2), (1, 1), (1, 1), (4, 3)),
        ("kernel_h: 2 kernel_w: 3 stride_h: 3 stride_w: 1 pad_w: 2", (2, 3), (3, 1), (0, 2), (1, 1), (2, 8)),
        ("kernel_size: 2 kernel_size: 3 stride: 1 stride: 2 pad: 1 pad: 0", (2, 3), (1, 2), (1, 0), (1, 1), (8, 2)),
        ("kernel_size: 3 dilation: 1 dilation: 2 pad: 2", (3, 3), (1, 1), (2, 2), (1, 2), (9, 6)),
    ],
)
def test_two_spatial_axes(
    param: str, kernel: tuple[int, ...], stride: tuple[int, ...], pad: tuple[int, ...], dilation: tuple[int, ...],
    positions: tuple[int, ...],
) -> None:  # fmt: skip
    x, W, b = RNG.standard_normal((2, 4, 7, 6)), RNG.standard_normal((6, 2, *kernel)), RNG.standard_normal(6)
    x, W, b = (array.astype(np.float32).astype(np.float64) for array in (x, W, b))
    y = output(text(f"num_output: 6 group: 2 {param}"), x, params=[W, b])
    expected = naive.conv(x, W, positions, stride, pad, dilation, 2) + b[:, None, None]
    np.testing.assert_allclose(y, expected, atol=1e-12)


def test_three_spatial_axes_and_none() -> None:
    x = RNG.integers(-3, 4, (2, 3, 4, 5, 4)).astype(float)
    W = RNG.integers(-3, 4, (2, 3, 2, 2, 2)).astype(float)
    y = output(text("num_output: 2 kernel_size: 2 stride: 2 bias_term: false"), x, params=[W])
    assert (y == naive.conv(x, W, (2, 2, 2), (2,) * 3, (0,) * 3, (1,) * 3, 1)).all()
    x, W = RNG.integers(-3, 4, (4, 3)).astype(float), RNG.integers(-3, 4, (5, 3)).astype(float)
    for param in ("", "kernel_size: 3"):
        assert (output(text(f"num_output: 5 bias_term: false {param}"), x, params=[W]) == x @ W.T).all()


def test_axes_before_the_channels_are_the_batch() -> None:
    x = RNG.standard_normal((2, 3, 4, 5, 5))
    layer = text("num_output: 2 axis: 2 kernel_size: 3")
    one = on_stand(layer, x)
    one.forward()
    flat = output(
        text("num_output: 2 kernel_size: 3"), x.reshape(6, 4, 5, 5), params=[b.array for b in one.layer.blobs]
    )
    assert one.top[0].shape == (2, 3, 2, 3, 3)
    assert (one.top[0].array.reshape(flat.shape) == flat).all()
    assert shape_of(text("num_output: 2 axis: 0 kernel_size: 3"), (4, 5, 5)) == (2, 3, 3)


def test_sobel_is_two_passes_of_one_dimension() -> None:
    """A kernel that is an outer product equals its two factors one after the other."""
    x = RNG.standard_normal((2, 3, 7, 6))
    whole = np.tile(np.outer([1.0, 2, 1], [-1, 0, 1]), (1, 3, 1, 1))
    expected = output(text("num_output: 1 kernel_size: 3 stride: 2 bias_term: false"), x, params=[whole])
    column = np.tile(np.array([1.0, 2, 1]).reshape(3, 1), (1, 3, 1, 1))
    first = text("num_output: 1 kernel_h: 3 kernel_w: 1 stride_h: 2 stride_w: 1 bias_term: false")
    second = text("num_output: 1 kernel_h: 1 kernel_w: 3 stride_h: 1 stride_w: 2 bias_term: false")
    y = output(second, output(first, x, params=[column]), params=[np.array([-1.0, 0, 1]).reshape(1, 1, 1, 3)])
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_engine_and_force_nd_im2col_change_nothing() -> None:
    x, param = RNG.standard_normal((1, 2, 5, 5)), "num_output: 3 kernel_size: 3 weight_filler { type: 'xavier' }"
    expected = output(text(param), x)
    for more in ("engine: CAFFE", "engine: CUDNN", "force_nd_im2col: true"):
        assert (output(text(f"{param} {more}"), x) == expected).all()


def test_one_kernel_serves_all_bottoms() -> None:
    x = [RNG.standard_normal((1, 2, 4, 4)) for _ in range(2)]
    param = text("num_output: 3 kernel_size: 3 weight_filler { type: 'xavier' }")
    for one, both in zip((output(param, v) for v in x), outputs(param, *x, tops=2), strict=True):
        assert (one == both).all()


def test_gradients_element_by_element() -> None:
    for case in (CONVOLUTION[1], CONVOLUTION[2]):
        check_elements(case, step=1e-2, threshold=1e-3)


def test_bias_gradient_is_the_sum_over_images_and_positions() -> None:
    bench = on_stand(text("num_output: 2 kernel_size: 1"), np.zeros((3, 1, 2, 2)))
    dy = np.arange(24.0).reshape(3, 2, 2, 2)
    gradients(bench, dy)
    assert bench.layer.blobs[1].diff_array.tolist() == dy.sum(axis=(0, 2, 3)).tolist()


def test_blobs_and_fans() -> None:
    layer = on_stand(text("num_output: 6 group: 3 kernel_size: 5 kernel_size: 2"), np.zeros((1, 9, 8, 8))).layer
    assert [blob.shape for blob in layer.blobs] == [(6, 3, 5, 2), (6,)]


@pytest.mark.parametrize(
    ("param", "match"),
    [
        ("kernel_size: 3", "needs a num_output"),
        ("num_output: 4", r"kernel_size is given 0 times: give it once, or once for each of the 2 spatial axes"),
        ("num_output: 4 kernel_size: 0", "kernel_size 0 x 0 must be positive"),
        ("num_output: 4 kernel_h: 3", "kernel_size 3 x 0 must be positive"),
        (
            "num_output: 4 kernel_size: 3 kernel_h: 3 kernel_w: 3",
            "either kernel_size or kernel_h and kernel_w, not both",
        ),
        ("num_output: 4 kernel_size: 3 pad: 1 pad_h: 1", "either pad or pad_h and pad_w, not both"),
        ("num_output: 4 kernel_size: 3 stride_w: 2", "stride 0 x 2 must be positive"),
        ("num_output: 4 kernel_size: 3 stride: 0", "stride 0 x 0 must be positive"),
        ("num_output: 4 kernel_size: 3 dilation: 0", "dilation 0 x 0 must be positive"),
        ("num_output: 4 kernel_size: 1 kernel_size: 2 kernel_size: 3", "kernel_size is given 3 times"),
        ("num_output: 4 kernel_size: 3 group: 4", "group 4 must divide both its 6 input channels and num_output 4"),
        ("num_output: 5 kernel_size: 3 group: 2", "group 2 must divide"),
        ("num_output: 4 kernel_size: 3 group: 0", "group 0 must divide"),
        ("num_output: 4 kernel_size: 3 axis: 4", "axis 4 is out of range for a blob of 4 axes"),
        ("num_output: 4 kernel_size: 7", r"would be empty: size -1 x 0 from input 5 x 6, kernel 7 x 7.*bottom\[0\]"),
        ("num_output: 4 kernel_size: 3 axis: 2 pad_h: 1", r"pad_h and pad_w: the second form needs 2 spatial axes"),
        ("num_output: 4 kernel_size: 3 relu: true", "'relu' is a field of a fork of Caffe that is not computed here"),
    ],
)
def test_errors(param: str, match: str) -> None:
    fails(match, lambda: on_stand(text(param), np.zeros((2, 6, 5, 6))))


def test_no_channels() -> None:
    fails(
        "its bottom has no channels at axis 1",
        lambda: on_stand(text("num_output: 4 kernel_size: 1"), np.zeros((2, 0, 5, 6))),
    )


def test_later_shapes_must_fit() -> None:
    bench = on_stand(text("num_output: 4 kernel_size: 3"), np.zeros((2, 6, 5, 6)))
    for shape in ((2, 5, 5, 6), (2, 6, 5), (2, 6, 5, 6, 1)):
        bench.bottom[0].reshape(*shape)
        fails("set up for 4 axes with 6 channels at axis 1", bench.forward)
    fails(
        "all its bottoms must have the same shape",
        lambda: on_stand(text("num_output: 4 kernel_size: 3"), np.zeros((1, 2, 5, 5)), np.zeros((1, 2, 5, 4)), tops=2),
    )
