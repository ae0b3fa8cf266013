"""Solver updates by kernel: the numbers of the definition, which `tests/solver` compares with Caffe's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicaffe import ops as package
from minicaffe.ops.updates import Terms
from tests.ops.test_im2col import drawn, few

RULES = {
    "sgd_update": (1, (0.1, 0.9)),
    "nesterov_update": (1, (0.1, 0.9)),
    "adagrad_update": (1, (0.1, 1e-7)),
    "rmsprop_update": (1, (0.1, 0.98, 1e-7)),
    "adadelta_update": (2, (1.0, 0.95, 1e-6)),
    "adam_update": (2, (0.01, 0.9, 0.999, 1e-8)),
}


@pytest.mark.parametrize("rule", RULES)
@few
@given(
    st.integers(0, 70),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from([Terms(), Terms(0.5, 0.01), Terms(2.0, 0.0, 0.02)]),
    st.booleans(),
)
def test_kernels_agree_with_definitions(rule: str, size: int, dtype: Any, terms: Terms, gaps: bool) -> None:
    slots, numbers = RULES[rule]
    step = 2 if gaps else 1
    results = []
    for ops in (package.definition(), package.default()):
        data, diff, *histories = (drawn((size * step,), dtype, seed)[::step] for seed in range(2 + slots))
        for history in histories:
            np.abs(history, out=history)
        for _ in range(2):
            getattr(ops, rule)(data, diff, *histories, *numbers, terms)
        results.append((data, diff, *histories))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-7)
