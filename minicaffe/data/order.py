"""The order in which items are visited, epoch after epoch: as they stand, or shuffled anew each time."""

from __future__ import annotations

from typing import Any

import numpy as np


class Order:
    """A walk over `count` items in epochs. With a `generator`, each epoch draws a permutation of its own.

    What an epoch's permutation was is not stored: the state of the generator before it was drawn says it in a few
    numbers.
    """

    def __init__(self, count: int, generator: np.random.Generator | None = None, start: int = 0):
        self._generator = generator
        self.begin(count)
        self._position = start

    def begin(self, count: int) -> None:
        """Begin an epoch over `count` items."""
        self._before = self._generator.bit_generator.state if self._generator else None
        self._items = self._generator.permutation(count) if self._generator else np.arange(count)
        self._position = 0

    @property
    def finished(self) -> bool:
        """Whether this epoch has no items left."""
        return self._position >= len(self._items)

    @property
    def last(self) -> int:
        """The item taken last."""
        return int(self._items[self._position - 1])

    def take(self, limit: int) -> np.ndarray:
        """Return the next items of this epoch, as many as are left but at most `limit`."""
        items = self._items[self._position : self._position + limit]
        self._position += len(items)
        return items

    def take_across(self, count: int) -> np.ndarray:
        """Return the next `count` items, beginning new epochs as needed."""
        parts = []
        while count:
            if self.finished:
                self.begin(len(self._items))
            parts.append(self.take(count))
            count -= len(parts[-1])
        return np.concatenate(parts)

    def peek(self) -> int:
        """Return the item to be taken next; only while the epoch is not finished."""
        return int(self._items[self._position])

    def get_state(self) -> dict[str, Any]:
        """Return the position and what repeats this epoch's order, JSON-able."""
        return {"position": self._position, "random": self._before}

    def set_state(self, state: dict[str, Any], count: int) -> None:
        """Continue where `get_state` was called; with another `count` of items the place is only nearly the same."""
        if self._generator is not None and state["random"] is not None:
            self._generator.bit_generator.state = state["random"]
        self.begin(count)
        self._position = min(int(state["position"]), count)
