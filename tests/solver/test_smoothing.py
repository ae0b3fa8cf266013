"""The smoothed loss against Caffe's rule and against a plain mean."""

from __future__ import annotations

import json

import numpy as np
import pytest

from minicaffe.solver.smoothing import SmoothedLoss

LOSSES = [3.0, 1.0, 2.0, 5.0, 4.0, 0.5, 7.0]


@pytest.mark.parametrize("window", [1, 3, 4, 100])
@pytest.mark.parametrize("start", [0, 5])
def test_is_the_mean_of_the_last(window: int, start: int) -> None:
    smoothed = SmoothedLoss(window)
    smoothed.begin(start)
    for i, loss in enumerate(LOSSES):
        mean = np.mean(LOSSES[max(0, i + 1 - window) : i + 1])
        assert smoothed.add(start + i, loss) == pytest.approx(mean, rel=1e-12)


def test_starts_afresh_at_every_step_call() -> None:
    smoothed = SmoothedLoss(10)
    smoothed.begin(0)
    smoothed.add(0, 8.0)
    smoothed.begin(1)
    assert smoothed.add(1, 2.0) == 2.0


def test_continues_after_a_restore() -> None:
    one = SmoothedLoss(3)
    one.begin(0)
    for N, loss in enumerate(LOSSES[:5]):
        one.add(N, loss)
    other = SmoothedLoss(3)
    other.set_state(json.loads(json.dumps(one.get_state())))
    other.begin(5)
    for N, loss in enumerate(LOSSES[5:], 5):
        assert other.add(N, loss) == one.add(N, loss)
    other.begin(7)
    assert other.add(7, 1.0) == 1.0, "only the first call of step continues"
