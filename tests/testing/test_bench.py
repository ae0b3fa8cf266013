"""The bench: the same numbers every time, and back again after a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minicaffe.layers  # noqa: F401
from minicaffe import layer
from minicaffe.errors import NetError
from minicaffe.layer import Layer
from minicaffe.testing import Case, given, normal, uniform
from minicaffe.testing.bench import SENTINEL, Bench, definition


class Noisy(Layer):
    """y = w x + noise; w[1] is a running statistic that no solver may touch."""

    def setup(self, bottom: Any, top: Any) -> None:
        from minicaffe.proto import schema

        self.add_param((2,), schema.FillerParameter(type="uniform", min=1, max=2))
        self.add_param((1,))
        while len(self.param.param) < 2:
            self.param.param.add()
        self.param.param[1].lr_mult = 0

    def reshape(self, bottom: Any, top: Any) -> None:
        top[0].reshape_like(bottom[0])

    def forward(self, bottom: Any, top: Any) -> None:
        self.blobs[1].array[...] += 1
        noise = self.stream().standard_normal(bottom[0].shape)
        top[0].array[...] = self.blobs[0].array * bottom[0].array + noise

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        pass


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setitem(layer._registry, "Noisy", Noisy)
    return Case('type: "Noisy"', (normal(3, 2),))


def test_two_benches_agree_in_inputs_parameters_and_noise(case: Case) -> None:
    first, second = Bench(case), Bench(case)
    first.forward()
    second.forward()
    np.testing.assert_array_equal(first.top[0].data, second.top[0].data)
    assert first.top[0].data.any()


def test_float32_bench_holds_the_numbers_of_the_float64_one(case: Case) -> None:
    double, single = Bench(case), Bench(case, np.float32)
    assert single.bottom[0].data.dtype == np.float32
    np.testing.assert_array_equal(double.bottom[0].data, single.bottom[0].data)
    np.testing.assert_array_equal(double.layer.blobs[0].data, single.layer.blobs[0].data)


def test_rewind_repeats_noise_and_puts_statistics_back(case: Case) -> None:
    bench = Bench(case)
    bench.forward()
    first, statistic = bench.top[0].data.copy(), bench.layer.blobs[1].data.copy()
    bench.forward()
    assert (bench.top[0].data != first).any()
    bench.rewind()
    bench.forward()
    np.testing.assert_array_equal(bench.top[0].data, first)
    np.testing.assert_array_equal(bench.layer.blobs[1].data, statistic)


def test_parameters_come_from_the_case_the_filler_or_normals(case: Case) -> None:
    filled = Bench(case).layer.blobs
    assert ((filled[0].data >= 1) & (filled[0].data <= 2)).all()
    assert filled[1].data.any()
    drawn = Bench(Case(case.layer, case.inputs, params=(given([5, 6]), uniform(8, 9, 1)))).layer.blobs
    np.testing.assert_array_equal(drawn[0].data, [5, 6])
    assert 8 <= drawn[1].data[0] <= 9


def test_parameters_with_learning_rate_zero_are_not_learned(case: Case) -> None:
    assert Bench(case).learned == [0]


def test_tops_without_gradient_have_weight_zero() -> None:
    bench = Bench(Case('type: "SoftmaxWithLoss"', (normal(2, 3), given([0, 1])), (0,), tops=2, through=(0,)))
    weights = bench.weights()
    assert 0.5 <= abs(weights[0]) <= 1.5
    assert not weights[1].any()
    bench.forward()
    bench.seed_diffs()
    assert (bench.bottom[0].diff == SENTINEL).all()


def test_names_are_given_only_where_there_are_none() -> None:
    text = 'type: "Slice" name: "mine" top: "a"'
    param = definition(Case(text, (normal(2),), tops=2))
    assert (param.name, list(param.bottom), list(param.top)) == ("mine", ["bottom0"], ["a", "top1"])


def test_wrong_number_of_bottoms_is_refused() -> None:
    with pytest.raises(NetError, match="bottom"):
        Bench(Case('type: "EuclideanLoss"', (normal(2, 2),)))


def test_what_a_program_hands_over_is_there_before_the_first_forward() -> None:
    text = 'type: "MemoryData" memory_data_param { batch_size: 1 channels: 1 height: 1 width: 2 }'
    array = np.array([[[[3, 4]]]], np.float32)
    bench = Bench(Case(text, tops=2, hand_over=lambda layer: layer.set_input_arrays(array, np.zeros(1, np.float32))))
    bench.forward()
    np.testing.assert_array_equal(bench.top[0].data, array)
