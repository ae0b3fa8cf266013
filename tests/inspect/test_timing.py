from __future__ import annotations

import pytest

from minicaffe.inspect import timing
from minicaffe.inspect.timing import LayerTiming, Timing


def test_table_gives_means_and_shares() -> None:
    measured = Timing(
        [LayerTiming("conv1", "Convolution", 0.02, 0.04), LayerTiming("loss", "SoftmaxWithLoss", 0.01, 0.03)],
        iterations=10,
        forward=0.03,
        backward=0.07,
    )
    assert measured.total == pytest.approx(0.1)
    assert [line.split() for line in timing.table(measured)] == [
        ["layer", "type", "forward", "backward", "mean", "ms", "share"],
        ["conv1", "Convolution", "2.000", "4.000", "6.000", "60.0%"],
        ["loss", "SoftmaxWithLoss", "1.000", "3.000", "4.000", "40.0%"],
        ["total", "3.000", "7.000", "10.000", "100.0%"],
    ]
    assert len({len(line) for line in timing.table(measured)}) == 1


def test_table_of_a_net_that_took_no_time() -> None:
    assert list(timing.table(Timing([], iterations=0)))[-1].split() == ["total", "0.000", "0.000", "0.000", "0.0%"]
