"""Running a net in little memory: what no layer needs any more is used again by those to come.

Forward and backward together are a sequence of events. A blob's data live from the layer that writes them to the last
that reads them, forward or, where backward runs, backward; a diff from the first layer that writes it to the one whose
top it is. In between they take memory from a pool, after that they give it back, and reading them is an error. Kept are
the net's inputs and outputs, what has a loss weight, what comes from a layer without bottoms, what a user's Python
layer touches, every parameter, and the blobs that are asked for by name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minicaffe.blob import Blob, Memory
from minicaffe.graph.lifetimes import find_lifetimes

if TYPE_CHECKING:
    from minicaffe.step import Step

SMALL = 1 << 12  # numbers; less is not worth the trouble
WASTE = 8  # a piece of memory is not given to those who need less than this part of it


class Pool:
    """Flat arrays, of the array module `xp`, that nobody uses at the moment."""

    def __init__(self, xp: Any = np) -> None:
        self._xp = xp
        self._free: list[Any] = []

    def take(self, count: int, dtype: Any) -> Any:
        """Return an array of at least `count` numbers, the smallest that is free and fits, or else a new one.

        A new one replaces the largest of those too small, which would lie about for ever.
        """
        fits = [flat for flat in self._free if flat.dtype == dtype and count <= flat.size <= max(WASTE * count, SMALL)]
        if fits:
            best = min(fits, key=len)
            self._remove(best)
            return best
        short = [flat for flat in self._free if flat.dtype == dtype and flat.size < count]
        if short:
            self._remove(max(short, key=len))
        return self._xp.empty(count, dtype)

    def give(self, flat: Any) -> None:
        self._free.append(flat)

    def _remove(self, flat: Any) -> None:
        self._free = [other for other in self._free if other is not flat]

    @property
    def nbytes(self) -> int:
        """Bytes that nobody uses at the moment."""
        return sum(flat.nbytes for flat in self._free)


class Lean:
    """The comings and goings of one net's memory. `trains`: backward will run after forward."""

    def __init__(self, steps: Sequence[Step], kept: Collection[Blob], trains: bool):
        self.pool = Pool(next((step.layer.ops.xp for step in steps), np))
        self._steps = steps
        self._pieces: dict[Hashable, Callable[[], Memory]] = {}
        forward = [{*self._data(step.bottom), *self._data(step.top)} for step in steps]
        backward = [self._used_backward(step) if trains else set() for step in reversed(steps)]
        fixed = set(self._fixed(kept)) | self._never_written(trains)
        lifetimes = find_lifetimes([*forward, *backward], fixed)
        self._first = [[self._pieces[piece] for piece in pieces] for pieces in lifetimes.first]
        self._last = [[self._pieces[piece] for piece in pieces] for pieces in lifetimes.last]

    def _data(self, blobs: Sequence[Blob]) -> Iterator[int]:
        """Yield the data of blobs, as the number of a memory; blobs that share one yield the same."""
        for blob in blobs:
            self._pieces.setdefault(id(blob._data), lambda blob=blob: blob._data)  # type: ignore[misc]
            yield id(blob._data)

    def _diffs(self, blobs: Sequence[Blob]) -> Iterator[int]:
        for blob in blobs:
            self._pieces.setdefault(id(blob._diff), lambda blob=blob: blob._diff)  # type: ignore[misc]
            yield id(blob._diff)

    def _used_backward(self, step: Step) -> set[int]:
        if not step.runs_backward:
            return set()
        reads = step.layer.backward_reads
        data = [*(step.bottom if "bottom" in reads else ()), *(step.top if "top" in reads else ())]
        return {*self._data(data), *self._diffs([*self._written(step), *step.top])}

    @staticmethod
    def _written(step: Step) -> list[Blob]:
        """Return the bottoms whose diff the layer writes."""
        return [blob for blob, wanted in zip(step.bottom, step.propagate_down, strict=True) if wanted]

    def _never_written(self, trains: bool) -> set[int]:
        """Return the diffs that are read without being written: they are zero."""
        running = [step for step in self._steps if trains and step.runs_backward]
        written = {piece for step in running for piece in self._diffs(self._written(step))}
        return {piece for step in running for piece in self._diffs(step.top)} - written

    def _fixed(self, kept: Collection[Blob]) -> Iterator[int]:
        blobs = list(kept)
        for step in self._steps:
            blobs += [blob for blob, _ in step.losses] + list(step.layer.blobs)
            if not step.bottom or step.layer.type == "Python":
                blobs += [*step.bottom, *step.top]
        every = {id(blob): blob for step in self._steps for blob in (*step.bottom, *step.top)}.values()
        blobs += [blob for blob in every if blob.count < SMALL]
        yield from self._data(blobs)
        yield from self._diffs(blobs)

    def before(self, events: range) -> None:
        """Let the memories that these events write first come out of the pool when they are touched.

        Events count layers forward, then backward from the last one.
        """
        for event in events:
            for memory in self._first[event]:
                memory().await_values(self.pool)

    def after(self, events: range) -> None:
        """Take back the memories that nobody needs after these events."""
        for event in events:
            for memory in self._last[event]:
                memory().give_up(self.pool)
