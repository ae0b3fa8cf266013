"""Dropout: how many numbers fall, what becomes of the others, and that chance can be repeated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.layers.stand import fails, gradients, on_stand, output

N = 20_000
X = np.arange(1.0, N + 1)


def text(param: str = "") -> str:
    return f'type: "Dropout" dropout_param {{ {param} }}'


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.75])
def test_as_many_fall_as_should(ratio: float) -> None:
    y = output(text(f"dropout_ratio: {ratio}"), X)
    kept = y != 0
    assert abs(kept.mean() - (1 - ratio)) < 1.96 * math.sqrt(ratio * (1 - ratio) / N)
    np.testing.assert_allclose(y[kept], X[kept] / (1 - ratio), rtol=1e-6)


def test_neighbours_fall_independently() -> None:
    kept = output(text(), np.ones((N,))) != 0
    assert abs((kept[:-1] & kept[1:]).mean() - 0.25) < 0.01


def test_unscaled_training_and_scaled_test() -> None:
    param = text("dropout_ratio: 0.25 scale_train: false")
    y = output(param, X)
    assert set(np.unique(y / X)) == {0, 1}
    bench = on_stand(param, X, train=False)
    assert gradients(bench, np.full(N, 4.0))[0].tolist() == [3] * N
    assert bench.top[0].array.tolist() == (0.75 * X).tolist()


def test_identity_in_test() -> None:
    bench = on_stand(text(), X, train=False)
    assert gradients(bench, X)[0].tolist() == X.tolist()
    assert bench.top[0].array.tolist() == X.tolist()
    assert not bench.top[0].shares_data_with(bench.bottom[0])


def test_bayesian_networks_keep_dropping_in_test() -> None:
    assert 0.4 < (output(text("sample_weights_test: true"), X, train=False) == 0).mean() < 0.6


def test_gradient_falls_where_the_numbers_did() -> None:
    bench = on_stand(text("dropout_ratio: 0.2"), X)
    dx = gradients(bench, np.full(N, 8.0))[0]
    np.testing.assert_allclose(dx, np.where(bench.top[0].array == 0, 0, 10), rtol=1e-6)


def test_every_forward_draws_anew_and_a_restored_stream_repeats() -> None:
    bench = on_stand(text(), X)
    bench.forward()
    first = bench.top[0].array.copy()
    state = bench.streams.get_state()
    bench.forward()
    second = bench.top[0].array.copy()
    bench.streams.set_state(state)
    bench.forward()
    assert (first != second).any()
    assert (bench.top[0].array == second).all()


def test_layers_of_other_names_draw_other_masks() -> None:
    assert (output('name: "a" type: "Dropout"', X) != output('name: "b" type: "Dropout"', X)).any()


@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (3, 5, 7)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    assert output(text("dropout_ratio: 0"), np.ones(shape)).tolist() == np.ones(shape).tolist()


@pytest.mark.parametrize("ratio", [1, -0.5, 1.5])
def test_ratio_out_of_range(ratio: float) -> None:
    fails("must be at least 0 and less than 1", lambda: on_stand(text(f"dropout_ratio: {ratio}"), X))


# -- after maxima ----------------------------------------------------------------------------------------------------

MAXIMA = 'type: "Pooling" pooling_param { kernel_size: 3 stride: 2 }'


@pytest.mark.parametrize("train", [True, False])
def test_maxima_of_ones_keep_their_sum_and_pass_as_much_gradient_as_was_kept(train: bool) -> None:
    pool = on_stand(MAXIMA, np.ones((8, 5, 21, 21)))
    pool.forward()
    count = pool.top[0].count
    assert pool.top[0].array.sum() == count
    drop = on_stand(text(), pool.top[0].array, train=train)
    dx = gradients(pool, gradients(drop, np.ones(pool.top[0].shape))[0])[0]
    kept = drop.top[0].array.sum()
    assert kept == count if not train else abs(kept - count) < 1.96 * math.sqrt(count)
    assert dx.sum() == kept
