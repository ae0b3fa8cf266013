"""Random streams: independent, repeatable, restorable."""

from __future__ import annotations

import json

import numpy as np
import pytest

from minicaffe import rng


def test_a_stream_depends_on_seed_and_name_only() -> None:
    one, two = rng.Streams(3), rng.Streams(3)
    two.stream("other").random(5)
    assert one.stream("a").random(4).tolist() == two.stream("a").random(4).tolist()


def test_names_and_seeds_differ() -> None:
    draws = [rng.Streams(s).stream(n).random() for s in (1, 2) for n in ("a", "b")]
    assert len(set(draws)) == 4


def test_state_survives_json_and_continues_bit_for_bit() -> None:
    streams = rng.Streams(7)
    generator = streams.stream("layer/drop")
    generator.random(3)
    generator.standard_normal(dtype=np.float32)
    state = json.loads(json.dumps(streams.get_state()))
    expected = generator.random(5).tolist()
    streams.set_state(state)
    assert generator.random(5).tolist() == expected
    fresh = rng.Streams(0)
    fresh.set_state(state)
    assert fresh.stream("layer/drop").random(5).tolist() == expected
    assert fresh.stream("never used").random() == rng.Streams(7).stream("never used").random()


def test_default_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rng, "_default_seed", None)
    assert rng.Streams().seed != rng.Streams().seed
    rng.set_random_seed(11)
    assert rng.Streams().seed == 11
    assert rng.Streams(4).seed == 4


def test_draws_are_fair_and_streams_independent() -> None:
    """Means within 3.8 standard errors, as often above as below, and products of two streams again with mean 0."""
    n, streams = 10_000, rng.Streams(1701)
    normal, other = (streams.stream(name).standard_normal(n) for name in ("one", "two"))
    uniform = streams.stream("three").uniform(-2, 1, n)
    coin = streams.stream("four").random(n) < 0.3
    for sample, mean, deviation in (
        (normal, 0, 1),
        (normal > 0, 0.5, 0.5),
        (normal * other, 0, 1),
        (uniform, -0.5, 3 / np.sqrt(12)),
        (uniform > -0.5, 0.5, 0.5),
        (coin, 0.3, np.sqrt(0.21)),
        (coin & (other > 0), 0.15, np.sqrt(0.15 * 0.85)),
    ):
        assert abs(sample.mean() - mean) < 3.8 * deviation / np.sqrt(n)
