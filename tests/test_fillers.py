"""Fillers: the values of each type, their spread, and what is refused."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from minicaffe.blob import Blob
from minicaffe.errors import NetError
from minicaffe.fillers import FILLERS, fill
from minicaffe.proto import prototxt, schema

SHAPES = [(50,), (40, 30), (6, 5, 8, 7), (6, 5, 4, 3, 2)]
BIG = (1000, 2, 4, 5)


def filled(text: str, shape: tuple[int, ...], seed: int = 1, dtype: type = np.float32) -> np.ndarray:
    blob = Blob(shape, dtype, "ip[0]")
    fill(blob, prototxt.parse(text, schema.FillerParameter), np.random.default_rng(seed))
    return blob.data


def refused(match: str, text: str, shape: tuple[int, ...] = (2, 3)) -> None:
    with pytest.raises(NetError, match=match):
        filled(text, shape)


@pytest.mark.parametrize("shape", [(), *SHAPES])
def test_constant_is_the_default(shape: tuple[int, ...]) -> None:
    assert (filled("value: 2.5", shape) == 2.5).all()
    assert not filled("", shape).any()


@pytest.mark.parametrize("shape", SHAPES)
def test_uniform(shape: tuple[int, ...]) -> None:
    x = filled('type: "uniform" min: 1 max: 2', shape)
    assert x.min() >= 1
    assert x.max() <= 2
    assert 1.4 < x.mean() < 1.6
    assert x.std() == pytest.approx(1 / math.sqrt(12), abs=0.06)


def test_uniform_without_ends_is_from_zero_to_one() -> None:
    x = filled('type: "uniform"', (10_000,))
    assert 0 <= x.min() < 0.01
    assert 0.99 < x.max() <= 1


@pytest.mark.parametrize("shape", SHAPES)
def test_positive_unitball(shape: tuple[int, ...]) -> None:
    x = filled('type: "positive_unitball"', shape)
    assert x.min() >= 0
    assert x.max() <= 1
    np.testing.assert_allclose(x.reshape(shape[0], -1).sum(axis=1), 1, rtol=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_gaussian(shape: tuple[int, ...]) -> None:
    x = filled('type: "gaussian" mean: 10 std: 0.1', shape)
    assert x.mean() == pytest.approx(10, abs=0.05)
    assert x.std() == pytest.approx(0.1, rel=0.4)


def test_gaussian_is_standard_unless_told_otherwise() -> None:
    x = filled('type: "gaussian"', (100_000,))
    assert abs(x.mean()) < 0.02
    assert x.std() == pytest.approx(1, abs=0.02)


def test_gaussian_of_no_width_is_its_mean() -> None:
    assert (filled('type: "gaussian" mean: 3 std: 0', (4, 5)) == 3).all()


@pytest.mark.parametrize(("sparse", "share"), [(0, 0.0), (10, 0.25), (40, 1.0)])
def test_sparse_keeps_so_many_of_as_many_as_there_are_outputs(sparse: int, share: float) -> None:
    x = filled(f'type: "gaussian" sparse: {sparse}', (40, 500))
    assert (x != 0).mean() == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(
    ("norm", "fan"), [("FAN_IN", 2 * 4 * 5), ("FAN_OUT", 1000 * 4 * 5), ("AVERAGE", (40 + 20_000) / 2)]
)
def test_xavier_and_msra(norm: str, fan: float) -> None:
    xavier = filled(f'type: "xavier" variance_norm: {norm}', BIG)
    msra = filled(f'type: "msra" variance_norm: {norm}', BIG)
    assert np.abs(xavier).max() == pytest.approx(math.sqrt(3 / fan), rel=0.01)
    for x, variance in ((xavier, 1 / fan), (msra, 2 / fan)):
        assert abs(x.mean()) < 0.1 * math.sqrt(variance)
        assert x.std() == pytest.approx(math.sqrt(variance), rel=0.02)


def test_fan_in_is_the_default_and_one_axis_is_all_fan_out() -> None:
    assert filled('type: "xavier"', BIG).tolist() == filled('type: "xavier" variance_norm: FAN_IN', BIG).tolist()
    assert filled('type: "msra"', (20_000,)).std() == pytest.approx(math.sqrt(2), rel=0.03)
    x = filled('type: "msra" variance_norm: FAN_OUT', (20_000,))
    assert x.std() == pytest.approx(math.sqrt(2 / 20_000), rel=0.03)


@pytest.mark.parametrize("size", [1, 6, 7])
def test_bilinear(size: int) -> None:
    x = filled('type: "bilinear"', (2, 3, size, size))
    factor = math.ceil(size / 2)
    centre = (size - 1) / (2 * factor)
    for (_, _, h, w), value in np.ndenumerate(x):
        expected = (1 - abs(w / factor - centre)) * (1 - abs(h / factor - centre))
        assert value == pytest.approx(expected, abs=1e-6)


def test_bilinear_of_four_interpolates() -> None:
    np.testing.assert_allclose(filled('type: "bilinear"', (1, 1, 4, 4))[0, 0, 0], [0.0625, 0.1875, 0.1875, 0.0625])


def test_one_seed_one_filling() -> None:
    for name in FILLERS:
        text = f'type: "{name}"'
        assert filled(text, (2, 2, 3, 3), 5).tolist() == filled(text, (2, 2, 3, 3), 5).tolist()
    assert filled('type: "msra"', (2, 3), 5).tolist() != filled('type: "msra"', (2, 3), 6).tolist()


def test_double_precision_is_drawn_in_double() -> None:
    x = filled('type: "gaussian"', (100,), dtype=np.float64)
    assert (x != x.astype(np.float32)).any()


@pytest.mark.parametrize("name", ["gaussian", "xavier", "uniform"])
def test_large_blobs_are_filled_where_they_lie(name: str) -> None:
    blob = Blob((1000, 1000))
    blob.array[...] = 0
    tracemalloc.start()
    try:
        fill(blob, schema.FillerParameter(type=name), np.random.default_rng(1))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.1 * blob.array.nbytes


def test_errors() -> None:
    refused(r"'gausian' for blob 'ip\[0\]' of shape \(2, 3\).*did you mean 'gaussian'.*xavier", 'type: "gausian"')
    refused("an empty blob cannot be filled", 'type: "xavier"', (4, 0))
    refused("sparse: 3 belongs to filler type 'gaussian' only", 'type: "xavier" sparse: 3')
    refused(r"sparse: 3 must lie between 0 and shape\[0\] = 2", 'type: "gaussian" sparse: 3')
    refused("sparse: -2 must lie between", 'type: "gaussian" sparse: -2')
    refused("min: 2 is greater than max: 1", 'type: "uniform" min: 2')
    refused("std: -1 is negative", 'type: "gaussian" std: -1')
    refused("4 axes and a square kernel", 'type: "bilinear"', (2, 2, 3, 4))
    refused("4 axes and a square kernel", 'type: "bilinear"', (3, 3))
