"""Cases and how their inputs are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minicaffe.testing import Case, Input, away_from, distinct, given, labels, normal, uniform

RNG_SEED = 11


def draw(drawn: Input, shape: tuple[int, ...] | None = None) -> np.ndarray:
    return drawn.values(np.random.Generator(np.random.PCG64(RNG_SEED)), shape)


def test_inputs_are_float64_and_take_another_shape() -> None:
    for one in (normal(2, 3), uniform(0, 1, 2, 3), away_from((0.0,), 2, 3), distinct(2, 3), labels(4, 2, 3)):
        assert draw(one).dtype == np.float64
        assert draw(one).shape == (2, 3)
        assert draw(one, (5, 1, 2)).shape == (5, 1, 2)


def test_the_same_generator_gives_the_same_values() -> None:
    np.testing.assert_array_equal(draw(normal(4, 4)), draw(normal(4, 4)))


def test_away_from_keeps_its_distance() -> None:
    x = draw(away_from((-1.0, 0.0, 1.0), 2000))
    assert min(np.abs(x - kink).min() for kink in (-1.0, 0.0, 1.0)) >= 0.05
    assert x.std() == pytest.approx(1, abs=0.1)


def test_distinct_values_are_a_tenth_apart() -> None:
    assert np.diff(np.sort(draw(distinct(4, 5)).ravel())).min() == pytest.approx(0.1)


def test_labels_are_all_the_whole_numbers_below() -> None:
    assert set(draw(labels(3, 200))) == {0, 1, 2}


def test_given_values_are_copies() -> None:
    first = draw(given([[1, 2]]))
    first[:] = 0
    np.testing.assert_array_equal(draw(given([[1, 2]])), [[1, 2]])


def test_type_and_id() -> None:
    case = Case("name: 'x' type : 'ReLU' relu_param { negative_slope: 0.1 }", (normal(2),), label="leaky")
    assert (case.type, case.id) == ("ReLU", "ReLU-leaky")
    with pytest.raises(ValueError, match="needs type"):
        _ = Case("relu_param { }").type


def test_differentiable_bottoms() -> None:
    assert Case('type: "X"', (normal(1), normal(1))).differentiable == (0, 1)
    assert Case('type: "X"', (normal(1), normal(1)), gradients=(1,)).differentiable == (1,)


def test_prepare_writes_files_and_ends_the_text(tmp_path: Path) -> None:
    def prepare(folder: Path) -> str:
        (folder / "list").write_text("here")
        return f'data_param {{ source: "{folder / "list"}" }}'

    ready = Case('type: "Data"', prepare=prepare).prepared(tmp_path)
    assert ready.layer == f'type: "Data"\ndata_param {{ source: "{tmp_path / "list"}" }}'
    assert (tmp_path / "list").read_text() == "here"
    assert ready.prepared(tmp_path / "nowhere") == ready
