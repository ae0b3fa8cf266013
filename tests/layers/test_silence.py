"""Silence: no tops, and zero for those who ask."""

from __future__ import annotations

from tests.layers.stand import gradients, on_stand


def test_gradient_is_zero_for_those_who_ask() -> None:
    bench = on_stand('type: "Silence"', [1.0, 2.0], [3.0], tops=0)
    assert [dx.tolist() for dx in gradients(bench, wanted=(1,))] == [[7.25, 7.25], [0]]


def test_takes_no_memory() -> None:
    bench = on_stand('type: "Silence"', [1.0, 2.0], tops=0)
    bench.forward()
    bench.backward((0,))
    assert not bench.bottom[0].has_diff
