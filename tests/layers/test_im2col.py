"""Im2col: the order of its channels, any number of axes, gradients."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import check_elements
from minicaffe.testing.cases.vision import IM2COL
from tests.layers.stand import fails, on_stand, output, shape_of
from tests.ops import naive


def text(param: str) -> str:
    return f'type: "Im2col" convolution_param {{ {param} }}'


@pytest.mark.parametrize("more", ["", "force_nd_im2col: true"])
def test_channels_come_in_the_order_channel_row_column(more: str) -> None:
    x = np.arange(2 * 2 * 5 * 4.0).reshape(2, 2, 5, 4)
    y = output(text(f"kernel_h: 3 kernel_w: 2 pad_h: 1 stride: 2 {more}"), x)
    expected = naive.columns(x, (3, 2), (3, 2), (2, 2), (1, 0), (1, 1))  # c, ky, kx, n, h, w
    assert (y == np.moveaxis(expected.reshape(12, 2, 3, 2), 1, 0)).all()


def test_shapes() -> None:
    assert shape_of(text("kernel_size: 3 dilation: 2"), (2, 3, 7, 6)) == (2, 27, 3, 2)
    assert shape_of(text("axis: 2 kernel_size: 2"), (2, 3, 4, 5, 6)) == (2, 3, 16, 4, 5)
    assert shape_of(text("kernel_size: 2"), (2, 3, 4)) == (2, 6, 3)
    assert shape_of(text("kernel_size: 2"), (2, 3, 4, 4, 4)) == (2, 24, 3, 3, 3)


def test_gradients_element_by_element() -> None:
    for case in IM2COL[:2]:
        check_elements(case, step=1e-2, threshold=1e-2)


def test_errors() -> None:
    fails("needs a spatial axis", lambda: on_stand(text("kernel_size: 1"), np.zeros((2, 3))))
    fails("would be empty", lambda: on_stand(text("kernel_size: 9"), np.zeros((2, 3, 4, 4))))
    fails("kernel_size is given 0 times", lambda: on_stand(text(""), np.zeros((2, 3, 4, 4))))
