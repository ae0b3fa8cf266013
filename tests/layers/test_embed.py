"""Embed: a table look-up, the same as a product with one-hot vectors; indices are checked."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import check_elements
from minicaffe.testing.cases.vision import EMBED
from tests.layers.stand import fails, gradients, on_stand, output

RNG = np.random.Generator(np.random.PCG64(1))
W, B = RNG.integers(-4, 5, (5, 3)).astype(float), RNG.integers(-4, 5, 3).astype(float)
X = np.array([[0.0, 4, 1], [4, 4, 2]])


def text(param: str = "") -> str:
    return f'type: "Embed" embed_param {{ num_output: 3 input_dim: 5 {param} }}'


def test_is_a_product_with_one_hot_vectors() -> None:
    hot = np.eye(5)[X.astype(int)]
    bench = on_stand(text(), X, params=[W, B])
    dy = RNG.integers(-4, 5, (2, 3, 3)).astype(float)
    gradients(bench, dy, wanted=[])
    assert (bench.top[0].array == hot @ W + B).all()
    assert (bench.layer.blobs[0].diff_array == np.einsum("abi,abo->io", hot, dy)).all()
    assert (bench.layer.blobs[1].diff_array == dy.sum(axis=(0, 1))).all()
    assert (output(text("bias_term: false"), X, params=[W]) == hot @ W).all()


def test_fractions_are_cut_off() -> None:
    assert (output(text("bias_term: false"), X + 0.9, params=[W]) == W[X.astype(int)]).all()


def test_no_numbers_at_all() -> None:
    bench = on_stand(text(), np.zeros((0, 4)), params=[W, B])
    gradients(bench, np.zeros((0, 4, 3)), wanted=[])
    assert bench.top[0].shape == (0, 4, 3)
    assert not any(blob.diff_array.any() for blob in bench.layer.blobs)


def test_gradients_element_by_element() -> None:
    for case in EMBED:
        check_elements(case, step=1e-2, threshold=1e-3)


@pytest.mark.parametrize("wrong", [5, -1, np.nan])
def test_a_number_out_of_range(wrong: float) -> None:
    x = X.copy()
    x[1, 0] = wrong
    fails(f"number {wrong:g} at position 3 is out of range: input_dim 5 allows 0 to 4", on_stand(text(), x).forward)


def test_errors() -> None:
    fails("needs a num_output", lambda: on_stand('type: "Embed" embed_param { input_dim: 5 }', X))
    fails("needs an input_dim", lambda: on_stand('type: "Embed" embed_param { num_output: 5 }', X))
    fails("has no gradient", lambda: gradients(on_stand(text(), X), np.zeros((2, 3, 3))))
