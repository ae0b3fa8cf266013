"""PReLU: slopes per channel or shared, their default, their gradient."""

from __future__ import annotations

import numpy as np

from minicaffe.testing import check_elements
from minicaffe.testing.cases.elementwise import PRELU
from tests.layers.stand import fails, gradients, on_stand, output

X = np.array([[[-4.0, 2.0], [-8.0, 6.0]], [[1.0, -2.0], [3.0, -4.0]]])  # 2 x 2 x 2


def test_slopes_are_a_quarter_unless_filled_otherwise() -> None:
    assert on_stand('type: "PReLU"', X).layer.blobs[0].array.tolist() == [0.25, 0.25]
    half = on_stand('type: "PReLU" prelu_param { filler { value: 0.5 } }', X)
    assert half.layer.blobs[0].array.tolist() == [0.5, 0.5]


def test_one_slope_a_channel() -> None:
    y = output('type: "PReLU"', X, params=[[0.5, -1]])
    assert y.tolist() == [[[-2, 2], [8, 6]], [[1, -1], [3, 4]]]


def test_shared_slope_is_a_scalar_blob() -> None:
    bench = on_stand('type: "PReLU" prelu_param { channel_shared: true }', X, params=[0.5])
    gradients(bench, np.ones(X.shape))
    assert bench.layer.blobs[0].shape == ()
    assert bench.layer.blobs[0].diff_array == -18


def test_gradients_by_hand_also_in_place() -> None:
    for in_place in (False, True):
        bench = on_stand('type: "PReLU"', X, params=[[0.5, -1]], in_place=in_place)
        dx = gradients(bench, np.full(X.shape, 2.0))[0]
        assert dx.tolist() == [[[1, 2], [-2, 2]], [[2, 1], [2, -2]]]
        assert bench.layer.blobs[0].diff_array.tolist() == [-12, -24]


def test_equal_slopes_make_it_a_leaky_relu() -> None:
    leaky = output('type: "ReLU" relu_param { negative_slope: 0.25 }', X)
    assert output('type: "PReLU"', X).tolist() == leaky.tolist()


def test_gradient_element_by_element() -> None:
    for case in PRELU:
        check_elements(case, step=1e-2, threshold=1e-3, kink=0, kink_range=0.01)


def test_needs_an_axis_of_channels() -> None:
    fails(r"2 axes or more.*shape \(3,\)", lambda: on_stand('type: "PReLU"', np.zeros(3)))


def test_channels_may_not_change() -> None:
    bench = on_stand('type: "PReLU"', X)
    bench.bottom[0].reshape(2, 3, 2)
    fails("slopes for 2 channels", bench.forward)


def test_an_empty_batch_is_fine() -> None:
    bench = on_stand('type: "PReLU"', np.zeros((0, 3, 2)))
    assert gradients(bench, np.zeros((0, 3, 2)))[0].shape == (0, 3, 2)
    assert not bench.layer.blobs[0].diff_array.any()
