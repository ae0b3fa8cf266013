"""SoftmaxWithLoss against plain loops, its ignored labels and its second top."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given as sampled
from hypothesis import settings
from hypothesis import strategies as st

from minicaffe.errors import NetError
from minicaffe.testing import Case, check_elements, given, labels, normal
from minicaffe.testing.bench import Bench


def bench(text: str, x: object, target: object, tops: int = 1) -> Bench:
    case = Case(f'type: "SoftmaxWithLoss" {text}', (given(x), given(target)), gradients=(0,), tops=tops, through=(0,))
    return Bench(case)


def by_loops(x: np.ndarray, target: np.ndarray, ignore: int | None) -> tuple[float, int]:
    """Return the sum of the losses of N x C x inner scores and how many labels count."""
    total, valid = 0.0, 0
    for n in range(x.shape[0]):
        for i in range(x.shape[2]):
            if target[n, i] != ignore:
                e = [math.exp(v) for v in x[n, :, i]]
                total -= math.log(e[int(target[n, i])] / sum(e))
                valid += 1
    return total, valid


@settings(deadline=None, max_examples=25)
@sampled(
    st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3)),
    st.sampled_from(["FULL", "VALID", "BATCH_SIZE", "NONE"]),
    st.sampled_from([None, 0]),
    st.integers(0, 2**32),
)
def test_loss_is_what_plain_loops_give(shape: tuple[int, int, int], mode: str, ignore: int | None, seed: int) -> None:
    N, C, inner = shape
    rng = np.random.Generator(np.random.PCG64(seed))
    x, target = rng.standard_normal(shape).astype(np.float32), rng.integers(0, C, (N, inner))
    skip = "" if ignore is None else f"ignore_label: {ignore}"
    stand = bench(f"loss_param {{ normalization: {mode} {skip} }}", x, target)
    stand.forward()
    total, valid = by_loops(x.astype(np.float64), target, ignore)
    divisor = max(1, {"FULL": N * inner, "VALID": valid, "BATCH_SIZE": N, "NONE": 1}[mode])
    assert float(stand.top[0].data) == pytest.approx(total / divisor, rel=1e-6, abs=1e-12)


def test_ignoring_each_label_in_turn_adds_up() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    x, target = rng.standard_normal((10, 5, 2, 3)), rng.integers(0, 5, (10, 2, 3))
    whole = bench("loss_param { normalize: false }", x, target)
    parts = [bench(f"loss_param {{ normalize: false ignore_label: {label} }}", x, target) for label in range(5)]
    for stand in (whole, *parts):
        stand.forward()
    assert sum(float(part.top[0].data) for part in parts) == pytest.approx(4 * float(whole.top[0].data), rel=1e-9)


def test_ignored_places_have_no_gradient_even_where_the_scores_are_not_finite() -> None:
    x = np.array([[1.0, 2.0], [np.nan, 0.0], [0.5, 0.5]])
    with np.errstate(invalid="ignore"):
        results = bench("loss_param { ignore_label: -1 }", x, [0, -1, 1]).run()
    assert np.isfinite(results.tops[0])
    assert (results.bottoms[0][1] == 0).all()
    assert (results.bottoms[0][[0, 2]] != 0).all()


def test_loss_weight_scales_the_gradient() -> None:
    stand = bench("", [[1.0, 2.0, 3.0]], [0])
    stand.forward()
    gradients = []
    for weight in (1.0, 3.5):
        stand.seed_diffs([np.array(weight)])
        stand.backward()
        gradients.append(stand.bottom[0].diff.copy())
    np.testing.assert_allclose(gradients[1], 3.5 * gradients[0], rtol=1e-12)


def test_the_second_top_is_the_probabilities() -> None:
    stand = bench("", [[0.0, math.log(3.0)]], [1], tops=2)
    stand.forward()
    np.testing.assert_allclose(stand.top[1].data, [[0.25, 0.75]], rtol=1e-6)
    assert float(stand.top[0].data) == pytest.approx(-math.log(0.75), rel=1e-6)


def test_a_hopeless_label_costs_the_logarithm_of_the_smallest_float() -> None:
    stand = bench("", [[0.0, 1000.0]], [0])
    stand.forward()
    assert float(stand.top[0].data) == pytest.approx(-math.log(1.17549435e-38), rel=1e-6)


def test_gradient_element_by_element() -> None:
    case = Case('type: "SoftmaxWithLoss" loss_weight: 3.7', (normal(3, 4, 2), labels(4, 3, 2)), gradients=(0,))
    check_elements(case, step=1e-2, threshold=1e-2)


def test_wrong_number_of_labels_is_explained() -> None:
    with pytest.raises(NetError, match=r"6 labels are needed, one for every place .* class axis 1: bottom\[1\] has 2"):
        bench("", np.zeros((2, 4, 3)), [0, 1])


def test_axis_out_of_range() -> None:
    with pytest.raises(NetError, match="axis 2 is out of range"):
        bench("softmax_param { axis: 2 }", np.zeros((2, 4)), [0, 1])


@pytest.mark.parametrize("text", ["label_smoothing: 0.1", "weight_by_label_freqs: true"])
def test_what_only_forks_know_is_not_passed_over(text: str) -> None:
    field = text.partition(":")[0]
    with pytest.raises(NetError, match=f"'{field}' is a field of a fork of Caffe that is not computed here"):
        bench(f"loss_param {{ {text} }}", np.zeros((2, 4)), [0, 1])
