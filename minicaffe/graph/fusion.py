"""Which layers can run as one: a layer, and those right behind it that only change its top in place.

What stands between them is overwritten before anyone else can read it, so nobody sees that it was never there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fusion:
    """Layers `first` to `last`, by number, of which `first` does the work of all."""

    first: int
    last: int


def find_fusions(
    bottoms: Sequence[Sequence[str]], tops: Sequence[Sequence[str]], absorbs: Callable[[int, int, int], bool]
) -> list[Fusion]:
    """Return the fusions of layers in net order, given the names of the blobs each reads and writes.

    absorbs(first, last, next): whether layer `first`, having taken in those up to `last`, can take in `next` too.
    """
    found = []
    first = 0
    while first < len(tops):
        last = first
        top = list(tops[first])
        while (
            len(top) == 1
            and last + 1 < len(tops)
            and list(bottoms[last + 1]) == list(tops[last + 1]) == top
            and absorbs(first, last, last + 1)
        ):
            last += 1
        if last > first:
            found.append(Fusion(first, last))
        first = last + 1
    return found
