"""ROIPooling: shapes, growing boxes, gradients as Caffe's test checks them, errors that name the roi."""

from __future__ import annotations

import numpy as np

from minicaffe.testing import Case, check_elements, distinct, given
from minicaffe.testing.cases.vision import ROI_POOLING
from tests.layers.stand import fails, gradients, on_stand, output
from tests.ops import naive

RNG = np.random.Generator(np.random.PCG64(1))
X = RNG.standard_normal((2, 3, 12, 15)).astype(np.float32).astype(np.float64)
ROIS = np.array([[0, 0, 0, 239, 191], [1, 24, 40, 120, 88], [0, 8, 8, 8, 8], [1, 300, 10, 400, 90]], float)


def text(param: str = "pooled_h: 3 pooled_w: 2 spatial_scale: 0.0625") -> str:
    return f'type: "ROIPooling" roi_pooling_param {{ {param} }}'


def test_values_and_gradient() -> None:
    bench = on_stand(text(), X, ROIS)
    dy = RNG.standard_normal((4, 3, 3, 2))
    dx, none = gradients(bench, dy, wanted=[0, 1])
    y, expected = naive.roi_pool(X, ROIS, (3, 2), 0.0625, dy)
    assert (bench.top[0].array == y).all()
    np.testing.assert_allclose(dx, expected, atol=1e-12)
    assert not none.any()


def test_the_number_of_rois_may_change_even_to_none() -> None:
    bench = on_stand(text(), X, ROIS)
    bench.bottom[1].reshape(0, 5)
    bench.forward()
    assert bench.top[0].shape == (0, 3, 3, 2)
    bench.backward([0])
    assert not bench.bottom[0].diff_array.any()


def test_four_axes_of_rois_as_old_nets_have_them() -> None:
    assert (output(text(), X, ROIS.reshape(4, 5, 1, 1)) == output(text(), X, ROIS)).all()


def test_pad_ratio_grows_the_box_on_every_side() -> None:
    param = "pooled_h: 2 pooled_w: 2 spatial_scale: 0.0625"
    grown = ROIS.copy()
    for axis in (1, 2):
        pad = 0.25 * (ROIS[:, axis + 2] - ROIS[:, axis] + 1)
        grown[:, axis] -= pad
        grown[:, axis + 2] += pad
    assert (output(text(f"{param} pad_ratio: 0.25"), X, ROIS) == output(text(param), X, grown)).all()


def test_gradients_element_by_element() -> None:
    check_elements(ROI_POOLING[0], step=1e-4, threshold=1e-2)


def test_gradient_on_random_rois() -> None:
    corners = RNG.uniform(0, 10, (4, 2))
    rois = np.hstack([RNG.integers(0, 2, (4, 1)), corners, corners + RNG.uniform(0, 8, (4, 2))])
    case = Case(text("pooled_h: 3 pooled_w: 4 spatial_scale: 0.5"), (distinct(2, 2, 6, 8), given(rois)), (0,))
    check_elements(case, step=1e-4, threshold=1e-2)


def test_errors() -> None:
    fails("pooled_h 0 and pooled_w 2 must be above 0", lambda: on_stand(text("pooled_w: 2"), X, ROIS))
    fails(r"bottom\[1\] must be rois, R x 5.*has shape \(4, 4\)", lambda: on_stand(text(), X, ROIS[:, 1:]))
    fails(r"bottom\[0\] must have 4 axes", lambda: on_stand(text(), X[0], ROIS))
    fails("write pooled_h and pooled_w", lambda: on_stand(text("pooled_size: 2"), X, ROIS))
    for value, match in ((2, "roi 1 .*names image 2, but the batch holds 0 to 1"), (np.nan, "roi 1 is not finite")):
        rois = ROIS.copy()
        rois[1, 0] = value
        fails(match, on_stand(text(), X, rois).forward)
