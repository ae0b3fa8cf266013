"""Deconvolution: the transpose of Convolution, its shapes, Caffe's own arithmetic test, bilinear enlargement."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe import fillers
from minicaffe.testing import check_elements
from minicaffe.testing.cases.vision import DECONVOLUTION
from tests.layers.stand import fails, gradients, on_stand, output, shape_of

RNG = np.random.Generator(np.random.PCG64(7))


def text(param: str, kind: str = "Deconvolution") -> str:
    return f'type: "{kind}" convolution_param {{ {param} }}'


def test_constant_weights() -> None:
    """3x3 kernels of ones, stride 2, on ones: one more for every window that overlaps."""
    y = output(
        text("num_output: 4 kernel_size: 3 stride: 2"), np.ones((2, 3, 6, 4)),
        params=[np.ones((3, 4, 3, 3)), np.full(4, 0.1)],
    )  # fmt: skip
    assert y.shape == (2, 4, 13, 9)
    for h in range(13):
        for w in range(9):
            overlaps = (1 + (h % 2 == 0 and 0 < h < 12)) * (1 + (w % 2 == 0 and 0 < w < 8))
            np.testing.assert_allclose(y[:, :, h, w], 3 * overlaps + 0.1, rtol=1e-6)


@pytest.mark.parametrize("more", ["", "stride: 2 pad: 1", "group: 2 dilation: 2", "stride: 3 bias_term: false"])
def test_is_the_transpose_of_convolution(more: str) -> None:
    x, W = RNG.standard_normal((2, 4, 3, 4)), RNG.standard_normal((4, 2 if "group" in more else 4, 3, 3))
    bench = on_stand(text(f"num_output: 4 kernel_size: 3 {more}"), x, params=[W, np.zeros(4)])
    bench.forward()
    back = gradients(
        on_stand(text(f"num_output: 4 kernel_size: 3 {more}", "Convolution"), bench.top[0].array, params=[W]), x
    )
    np.testing.assert_allclose(bench.top[0].array, back[0], atol=1e-6)


def test_sizes() -> None:
    assert shape_of(text("num_output: 2 kernel_size: 4 stride: 2 pad: 1"), (1, 3, 5, 7)) == (1, 2, 10, 14)
    assert shape_of(text("num_output: 2 kernel_size: 3 dilation: 2"), (1, 3, 5, 7)) == (1, 2, 9, 11)
    assert shape_of(text("num_output: 2 kernel_size: 2 stride: 3"), (1, 3, 2, 3, 4)) == (1, 2, 5, 8, 11)


def test_bilinear_filler_enlarges_smoothly() -> None:
    x = np.arange(12.0).reshape(1, 1, 3, 4).repeat(2, axis=1)
    bench = on_stand(
        text(
            "num_output: 2 group: 2 kernel_size: 4 stride: 2 pad: 1 bias_term: false weight_filler { type: 'bilinear' }"
        ),
        x,
    )
    blob = bench.layer.blobs[0]
    assert blob.shape == (2, 1, 4, 4)
    fillers.fill(blob, bench.layer.fillers[0], RNG)
    bench.forward()
    inner = bench.top[0].array[0, 0, 1:-1, 1:-1]
    np.testing.assert_allclose(inner, 1.25 + 2 * np.arange(4)[:, None] + 0.5 * np.arange(6))


def test_gradients_element_by_element() -> None:
    for case in DECONVOLUTION[1:3]:
        check_elements(case, step=1e-2, threshold=1e-3)


def test_errors() -> None:
    x = np.zeros((1, 4, 3, 3))
    fails("size -1 x -1 from input 3 x 3", lambda: on_stand(text("num_output: 2 kernel_size: 1 pad: 2"), x))
    fails("group 2 must divide both its 4 input channels and num_output 3", lambda: on_stand(
        text("num_output: 3 kernel_size: 1 group: 2"), x))  # fmt: skip
