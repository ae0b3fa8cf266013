"""From when to when each piece of memory is needed, in a sequence of events that use them."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Lifetimes:
    """For every event: the pieces of memory that come into being with it, and those that nobody uses after it."""

    first: list[list[Hashable]]
    last: list[list[Hashable]]


def find_lifetimes(uses: Sequence[Collection[Hashable]], kept: Collection[Hashable] = ()) -> Lifetimes:
    """Return the lifetimes of what each event in `uses` uses, in the order of first use, but for what is `kept`."""
    begin: dict[Hashable, int] = {}
    end: dict[Hashable, int] = {}
    for event, used in enumerate(uses):
        for piece in used:
            begin.setdefault(piece, event)
            end[piece] = event
    first: list[list[Hashable]] = [[] for _ in uses]
    last: list[list[Hashable]] = [[] for _ in uses]
    for piece, event in begin.items():
        if piece not in kept:
            first[event].append(piece)
            last[end[piece]].append(piece)
    return Lifetimes(first, last)
