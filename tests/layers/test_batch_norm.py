"""BatchNorm: normalised output, running statistics, who may set its learning rates."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import check_elements
from minicaffe.testing.bench import Bench
from minicaffe.testing.cases.elementwise import NORMALISATION
from tests.layers.stand import fails, gradients, on_stand

X = np.random.default_rng(1).normal(3, 2, (4, 3, 5, 6))
AXES = (0, 2, 3)
M = 4 * 5 * 6


def stand(param: str = "", x: np.ndarray = X, **more: object) -> Bench:
    zeros = (0, 0, 0)
    return on_stand(f'type: "BatchNorm" {param}', x, **{"params": zeros, **more})  # type: ignore[arg-type]


def statistics(bench: Bench) -> list[np.ndarray]:
    return [blob.array.copy() for blob in bench.layer.blobs]


@pytest.mark.parametrize("in_place", [False, True])
def test_zero_mean_unit_variance(in_place: bool) -> None:
    bench = stand(in_place=in_place)
    bench.forward()
    y = bench.top[0].array
    np.testing.assert_allclose(y.mean(axis=AXES), 0, atol=1e-6)
    np.testing.assert_allclose(y.var(axis=AXES), 1, rtol=1e-3)


def test_running_sums_of_three_batches() -> None:
    bench = stand("batch_norm_param { moving_average_fraction: 0.5 }")
    mean, variance, weight = np.zeros(3), np.zeros(3), 0.0
    for n in range(3):
        bench.bottom[0].array[...] = x = (X + n).astype(np.float32)
        bench.forward()
        mean = 0.5 * mean + x.mean(axis=AXES)
        variance = 0.5 * variance + x.var(axis=AXES) * M / (M - 1)
        weight = 0.5 * weight + 1
    for got, expected in zip(statistics(bench), (mean, variance, np.array([weight])), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_test_phase_uses_the_running_statistics_and_leaves_them() -> None:
    params = ([2.0, 4.0, 6.0], [8.0, 2.0, 32.0], [2.0])
    bench = stand("batch_norm_param { eps: 0 }", params=params, train=False)
    dx = gradients(bench, np.ones(X.shape))[0]
    mean, sigma = np.array([1, 2, 3]).reshape(3, 1, 1), np.array([2, 1, 4]).reshape(3, 1, 1)
    np.testing.assert_allclose(bench.top[0].array, (X.astype(np.float32) - mean) / sigma)
    np.testing.assert_allclose(dx, np.broadcast_to(1 / sigma, X.shape))
    assert [blob.tolist() for blob in statistics(bench)] == [list(values) for values in params]


def test_without_any_statistics_yet_only_eps_divides() -> None:
    bench = stand("batch_norm_param { eps: 0.25 }", train=False)
    bench.forward()
    np.testing.assert_allclose(bench.top[0].array, 2 * X, rtol=1e-6)


def test_batch_statistics_in_test_phase_are_recorded_too() -> None:
    bench = stand("batch_norm_param { use_global_stats: false }", train=False)
    bench.forward()
    assert bench.layer.blobs[2].array.tolist() == [1]


def test_a_channel_of_one_value_is_its_own_mean() -> None:
    bench = stand(x=np.array([[5.0, -2.0]]))
    bench.forward()
    assert bench.top[0].array.tolist() == [[0, 0]]
    assert [blob.tolist() for blob in statistics(bench)] == [[5, -2], [0, 0], [1]]


def test_layers_in_place_on_the_top_do_no_harm() -> None:
    expected = gradients(stand(), X)[0]
    bench = stand()
    bench.forward()
    bench.top[0].array[...] = 1e6
    bench.seed_diffs([X])
    bench.backward()
    np.testing.assert_allclose(bench.bottom[0].diff_array, expected)


def test_gradient_element_by_element() -> None:
    for case in NORMALISATION:
        if case.id in ("BatchNorm-two-axes", "BatchNorm-one-axis"):
            check_elements(case, step=1e-2, threshold=1e-3)


def test_every_blob_gets_a_learning_rate_of_zero() -> None:
    for text in ("", 'param { name: "mean" }', "param { decay_mult: 0 } param { lr_mult: 0 }"):
        specs = stand(text).layer.param.param
        assert [(spec.HasField("lr_mult"), spec.lr_mult) for spec in specs] == [(True, 0)] * 3
    assert [spec.name for spec in stand('param { name: "mean" }').layer.param.param] == ["mean", "", ""]


def test_statistics_do_not_learn() -> None:
    fails(r"param.1. has lr_mult: 2,.*statistics", lambda: stand("param { lr_mult: 0 } param { lr_mult: 2 }"))


def test_channels_may_not_change() -> None:
    bench = stand()
    bench.bottom[0].reshape(2, 4, 3)
    fails("has 3 channels on axis 1", bench.forward)


def test_a_scalar_has_no_batch() -> None:
    fails("1 axis or more", lambda: on_stand('type: "BatchNorm"', 1.0))


def test_large_values_lose_no_precision_in_single() -> None:
    x = np.random.default_rng(2).normal(1000, 1, (2, 2, 64, 64)).astype(np.float32)
    bench = stand(x=x, dtype=np.float32)
    bench.forward()
    wide = x.astype(float)
    expected = (wide - wide.mean(axis=AXES, keepdims=True)) / wide.std(axis=AXES, keepdims=True)
    np.testing.assert_allclose(bench.top[0].array, expected, atol=2e-4)
