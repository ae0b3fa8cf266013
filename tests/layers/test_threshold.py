"""Threshold: zeros and ones, and no gradient."""

from __future__ import annotations

import numpy as np
import pytest

from tests.layers.stand import fails, gradients, on_stand, output

X = [-1.0, 0.0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(("threshold", "expected"), [(0, [0, 0, 1, 1, 1]), (0.5, [0, 0, 0, 0, 1])])
def test_values(threshold: float, expected: list[int], in_place: bool) -> None:
    text = f'type: "Threshold" threshold_param {{ threshold: {threshold} }}'
    assert output(text, X, in_place=in_place).tolist() == expected


def test_asked_for_a_gradient() -> None:
    bench = on_stand('type: "Threshold"', X)
    fails("no gradient for bottom.0.: set 'propagate_down: false'", lambda: gradients(bench, np.ones(5)))
    assert gradients(bench, np.ones(5), wanted=())[0].tolist() == [7.25] * 5
