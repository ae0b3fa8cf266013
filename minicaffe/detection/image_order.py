"""The order in which Fast R-CNN visits its photographs: shuffled epochs, in pairs of one orientation if so wanted."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

log = logging.getLogger("minicaffe")


class ImageOrder:
    """Hands out the numbers of photographs, `per_batch` at a time.

    As in the published code, a new permutation is drawn as soon as what is left would be no more than one batch, so the
    last photographs of an epoch may wait for the next. With `grouping`, those that are `wide` [N] (as wide as high, or
    wider) and the others are paired among themselves, which wastes little padding in batches of two.
    """

    def __init__(self, wide: np.ndarray, per_batch: int, grouping: bool, generator: np.random.Generator):
        self._wide = wide
        self._per_batch = per_batch
        self._grouping = grouping
        self._generator = generator
        self._shuffle()

    def _shuffle(self) -> None:
        self._before = self._generator.bit_generator.state
        self._items = self._grouped() if self._grouping else self._generator.permutation(len(self._wide))
        self._position = 0

    def _grouped(self) -> np.ndarray:
        draw = self._generator.permutation
        items = np.concatenate([draw(np.flatnonzero(self._wide)), draw(np.flatnonzero(~self._wide))])
        even = len(items) // 2 * 2
        pairs = draw(items[:even].reshape(-1, 2))
        return np.concatenate([pairs.ravel(), items[even:]])

    def take(self) -> np.ndarray:
        """Return the numbers of the next batch: `per_batch`, or all there are if there are fewer."""
        if self._position + self._per_batch >= len(self._items):
            self._shuffle()
        items = self._items[self._position : self._position + self._per_batch]
        self._position += self._per_batch
        return items

    def get_state(self) -> dict[str, Any]:
        """Return the position and what repeats this epoch's permutation, JSON-able."""
        return {"position": self._position, "count": len(self._items), "random": self._before}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue where `get_state` was called; begin anew, with a warning, if there are other photographs now."""
        self._generator.bit_generator.state = state["random"]
        self._shuffle()
        if state["count"] == len(self._items):
            self._position = int(state["position"])
        else:
            log.warning(
                "the roidb has %d entries, it had %d when the run was interrupted: its order begins anew",
                len(self._items),
                state["count"],
            )
