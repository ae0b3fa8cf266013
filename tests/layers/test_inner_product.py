"""InnerProduct: axis, transposed storage, bias, changing batches, errors."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import check_elements
from minicaffe.testing.cases.vision import INNER_PRODUCT
from tests.layers.stand import fails, gradients, on_stand, output, shape_of

RNG = np.random.Generator(np.random.PCG64(1))
X, W, B = (RNG.integers(-4, 5, shape).astype(float) for shape in ((2, 3, 4, 5), (6, 60), (6,)))


def text(param: str = "") -> str:
    return f'type: "InnerProduct" inner_product_param {{ num_output: 6 {param} }}'


def test_values_and_gradients() -> None:
    bench = on_stand(text(), X, params=[W, B])
    dy = RNG.integers(-4, 5, (2, 6)).astype(float)
    dx = gradients(bench, dy)[0]
    assert (bench.top[0].array == X.reshape(2, 60) @ W.T + B).all()
    assert (dx.reshape(2, 60) == dy @ W).all()
    assert (bench.layer.blobs[0].diff_array == dy.T @ X.reshape(2, 60)).all()
    assert (bench.layer.blobs[1].diff_array == dy.sum(axis=0)).all()


def test_transposed_storage_changes_only_the_storage() -> None:
    dy = RNG.integers(-4, 5, (2, 6)).astype(float)
    plain, other = on_stand(text(), X, params=[W, B]), on_stand(text("transpose: true"), X, params=[W.T, B])
    assert [blob.shape for blob in other.layer.blobs] == [(60, 6), (6,)]
    assert (gradients(plain, dy)[0] == gradients(other, dy)[0]).all()
    assert (plain.top[0].array == other.top[0].array).all()
    assert (plain.layer.blobs[0].diff_array == other.layer.blobs[0].diff_array.T).all()


@pytest.mark.parametrize(("axis", "shape"), [(0, (6,)), (1, (2, 6)), (2, (2, 3, 6)), (-1, (2, 3, 4, 6)), (-3, (2, 6))])
def test_shapes(axis: int, shape: tuple[int, ...]) -> None:
    assert shape_of(text(f"axis: {axis}"), (2, 3, 4, 5)) == shape


def test_no_bias() -> None:
    assert (output(text("bias_term: false"), X, params=[W]) == X.reshape(2, 60) @ W.T).all()


def test_the_batch_may_change_even_to_none() -> None:
    bench = on_stand(text(), X, params=[W, B])
    bench.bottom[0].reshape(0, 3, 4, 5)
    bench.forward()
    bench.backward()
    assert bench.top[0].shape == (0, 6)
    assert not bench.layer.blobs[0].diff_array.any()


def test_gradients_element_by_element() -> None:
    for case in INNER_PRODUCT[:3]:
        check_elements(case, step=1e-2, threshold=1e-3)


def test_errors() -> None:
    fails("needs a num_output", lambda: on_stand('type: "InnerProduct"', X))
    fails("axis 4 is out of range", lambda: on_stand(text("axis: 4"), X))
    fails("'relu' is a field of a fork", lambda: on_stand(text("relu: true"), X))
    bench = on_stand(text(), X)
    bench.bottom[0].reshape(2, 59)
    fails(r"expects 60 inputs from axis 1 on, found 59.*bottom\[0\]", bench.forward)
