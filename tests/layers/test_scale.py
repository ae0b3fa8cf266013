"""Scale: where the factor lies, with and without a bias, learned or given."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import check_elements
from minicaffe.testing.cases.elementwise import BROADCAST
from tests.layers.stand import fails, gradients, on_stand, output

X = np.arange(120.0).reshape(2, 3, 4, 5) / 10 - 5


def text(param: str = "") -> str:
    return f'type: "Scale" scale_param {{ {param} }}'


@pytest.mark.parametrize(
    ("axis", "shape"),
    [(0, (2,)), (0, (2, 3)), (1, (3,)), (1, (3, 4)), (2, (4, 5)), (-1, (5,)), (0, (2, 3, 4, 5)), (3, ())],
)
def test_a_learned_factor_and_a_given_one_agree_with_broadcasting(axis: int, shape: tuple[int, ...]) -> None:
    gamma = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    expected = X.astype(np.float32) * gamma.reshape(shape + (1,) * (4 - axis % 4 - len(shape)) if shape else ())
    learned = output(text(f"axis: {axis} num_axes: {len(shape)}"), X, params=[gamma])
    np.testing.assert_allclose(learned, expected)
    np.testing.assert_allclose(output(text(f"axis: {axis}"), X, gamma), expected)


def test_to_the_end() -> None:
    assert on_stand(text("axis: 2 num_axes: -1"), X).layer.blobs[0].shape == (4, 5)


def test_factor_one_and_bias_zero_unless_filled_otherwise() -> None:
    plain = on_stand(text("bias_term: true"), X).layer
    assert plain.blobs[0].array.tolist() == [1, 1, 1]
    assert (plain.fillers[1].type, plain.fillers[1].value) == ("constant", 0)
    filled = on_stand(text("bias_term: true filler { value: 3 } bias_filler { value: 4 }"), X).layer
    assert [blob.array.tolist() for blob in filled.blobs] == [[3] * 3, [4] * 3]


@pytest.mark.parametrize("in_place", [False, True])
def test_gradients_by_hand(in_place: bool) -> None:
    gamma, beta = np.array([1.0, 2, 3]), np.array([-1.0, 0, 1])
    bench = on_stand(text("bias_term: true"), X, params=[gamma, beta], in_place=in_place)
    dy = np.cos(X)
    dx = gradients(bench, dy)[0]
    x = X.astype(np.float32)
    np.testing.assert_allclose(dx, dy * gamma.reshape(3, 1, 1))
    np.testing.assert_allclose(bench.layer.blobs[0].diff_array, (dy * x).sum(axis=(0, 2, 3)))
    np.testing.assert_allclose(bench.layer.blobs[1].diff_array, dy.sum(axis=(0, 2, 3)))


def test_two_bottoms_with_a_bias_have_only_the_bias_to_learn() -> None:
    bench = on_stand(text("axis: 0 bias_term: true"), X, np.ones((2, 3)), params=[np.full((2, 3), 5.0)])
    bench.forward()
    assert [blob.shape for blob in bench.layer.blobs] == [(2, 3)]
    np.testing.assert_allclose(bench.top[0].array, X + 5, rtol=1e-6)


def test_a_given_factor_gets_its_gradient_overwritten_a_learned_one_added_to() -> None:
    dy = np.ones(X.shape)
    given = on_stand(text(), X, np.ones(3))
    learned = on_stand(text(), X)
    once = gradients(given, dy)[1]
    gradients(learned, dy)
    given.backward()
    learned.backward()
    np.testing.assert_allclose(given.bottom[1].diff_array, once)
    np.testing.assert_allclose(learned.layer.blobs[0].diff_array, 2 * once)


def test_no_copy_of_x_where_the_factor_does_not_learn() -> None:
    bench = on_stand(text(), X, in_place=True)
    bench.layer.param_propagate_down = [False]
    bench.forward()
    assert bench.layer.kept_x is None  # type: ignore[attr-defined]


def test_gradient_element_by_element() -> None:
    for case in BROADCAST:
        if case.label in ("bias", "axes", "two", "scalar", "two-scalar"):
            check_elements(case, step=1e-2, threshold=1e-3)


@pytest.mark.parametrize(
    ("param", "words"),
    [
        ("axis: 4", "axis 4 is out of range for a blob of 4 axes"),
        ("axis: 2 num_axes: 3", "axis: 2 and num_axes: 3 reach beyond the 4 axes"),
        ("num_axes: -2", "num_axes: -2 must be -1"),
    ],
)
def test_parameters_out_of_range(param: str, words: str) -> None:
    fails(words, lambda: on_stand(text(param), X))


def test_shapes_that_do_not_fit_are_shown() -> None:
    fails(
        r"along axis 1 on has shape \(4,\), but the bottom has \(3,\) there.*bottom\[0\].*\(2, 3, 4, 5\).*bottom\[1\]",
        lambda: on_stand(text(), X, np.ones(4)),
    )
    bench = on_stand(text(), X)
    bench.bottom[0].reshape(2, 4)
    fails(r"has shape \(3,\), but the bottom has \(4,\)", bench.forward)


def test_the_bias_cannot_follow_another_shape() -> None:
    bench = on_stand(text("bias_term: true"), X, np.ones(3))
    bench.bottom[1].reshape(3, 4)
    fails(r"its bias has shape \(3,\), its scale \(3, 4\)", bench.forward)
