"""BatchReindex: gathering with repetitions, scattering back."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import Case, check_elements, given, normal
from tests.layers.stand import fails, gradients, on_stand, output

X = np.arange(24.0).reshape(4, 3, 2)


def test_values() -> None:
    index = [3, 0, 0, 2, 3, 3]
    assert output('type: "BatchReindex"', X, index).tolist() == X[index].tolist()
    assert output('type: "BatchReindex"', X, [1.9, 0.2]).tolist() == X[[1, 0]].tolist()


def test_gradient_adds_up_over_repetitions() -> None:
    bench = on_stand('type: "BatchReindex"', [[1.0], [2.0], [3.0]], [2, 0, 2])
    assert gradients(bench, [[1.0], [10.0], [100.0]], wanted=(0,))[0].tolist() == [[10], [0], [101]]


def test_no_indices() -> None:
    bench = on_stand('type: "BatchReindex"', X, np.zeros(0))
    assert not gradients(bench, np.zeros((0, 3, 2)), wanted=(0,))[0].any()
    assert bench.top[0].shape == (0, 3, 2)


def test_gradient_element_by_element() -> None:
    case = Case('type: "BatchReindex"', (normal(4, 2), given([0, 3, 3, 1, 0])), (0,))
    check_elements(case, step=1e-4, threshold=1e-2)


@pytest.mark.parametrize("index", [-1, 4])
def test_index_out_of_range(index: int) -> None:
    bench = on_stand('type: "BatchReindex"', X, [0, index])
    fails(rf"index {index} in bottom\[1\] is outside the 4 items", bench.forward)


def test_errors() -> None:
    fails("indices of 1 axis", lambda: on_stand('type: "BatchReindex"', X, np.zeros((2, 1))))
    bench = on_stand('type: "BatchReindex"', X, [0])
    fails("no gradient for bottom.1.", lambda: gradients(bench, X[:1], wanted=(0, 1)))
    assert type(bench.layer).no_force_backward == (1,)
