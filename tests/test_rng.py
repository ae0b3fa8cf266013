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
