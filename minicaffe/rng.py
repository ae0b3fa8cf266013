"""Random numbers: named streams, each its own generator, all restorable.

`Streams(seed).stream("layer/drop6")` always yields the same numbers for the same seed and name, whatever other streams
exist or how often they were used; so adding a layer to a net does not change the dropout masks of the others.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

_default_seed: int | None = None


def set_random_seed(seed: int) -> None:
    """Seed every net and solver built from now on without a seed of its own (pycaffe's `set_random_seed`)."""
    global _default_seed  # noqa: PLW0603
    _default_seed = int(seed)


class Streams:
    """A family of random streams grown from one seed.

    `seed` None takes the seed given to `set_random_seed`, or else fresh entropy from the system; either way
    `self.seed` tells the number that repeats the run.
    """

    def __init__(self, seed: int | None = None):
        if seed is None:
            seed = _default_seed
        self.seed: int = int(np.random.SeedSequence().entropy) if seed is None else int(seed)  # type: ignore[arg-type]
        self._generators: dict[str, np.random.Generator] = {}

    def stream(self, name: str) -> np.random.Generator:
        """Return the generator called `name`; the same object on every call."""
        generator = self._generators.get(name)
        if generator is None:
            entropy = [abs(self.seed), zlib.crc32(name.encode()), len(name)]
            generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
            self._generators[name] = generator
        return generator

    def get_state(self) -> dict[str, Any]:
        """Return seed and state of every stream used so far, as plain JSON-able values."""
        return {
            "seed": self.seed,
            "streams": {name: generator.bit_generator.state for name, generator in self._generators.items()},
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Put every stream back to where `get_state` saw it; generators already handed out continue from there."""
        self.seed = int(state["seed"])
        for name, generator_state in state["streams"].items():
            self.stream(name).bit_generator.state = generator_state
