"""Photographs and what stands in them: the plain data every other module of this room works on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from minicaffe.errors import DataError

log = logging.getLogger("minicaffe")

BACKGROUND = "__background__"
_SHOWN = 20


def stops(bad_data: str) -> bool:
    """Return whether this value of the key BAD_DATA ends the run; DataError for one it cannot have."""
    if bad_data not in ("skip", "stop"):
        raise DataError(f"BAD_DATA must be 'skip' or 'stop', not {bad_data!r}")
    return bad_data == "stop"


def _no_boxes() -> np.ndarray:
    return np.zeros((0, 4), np.float32)


@dataclass
class Photograph:
    """One image and its annotated objects.

    name: the id within its data set. size: (width, height) in pixels. boxes [G, 4] float32, 0-based inclusive; classes
    [G] (numbers >= 1), difficult [G].
    """

    name: str
    path: Path
    size: tuple[int, int]
    boxes: np.ndarray = field(default_factory=_no_boxes)
    classes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    difficult: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))


@dataclass
class Dataset:
    """Photographs and the names of their classes; class 0 is always `__background__`.

    problems: a sentence for each thing that is wrong with the data or with what was made of it; whatever it speaks of
    was left out or mended as it says. listed: the names the image set holds, in its order, those of photographs left
    out too (as the photographs, if not given). category_ids: of COCO, the id that stands for each class.
    """

    name: str
    classes: tuple[str, ...]
    photographs: list[Photograph]
    problems: list[str] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    category_ids: tuple[int, ...] = ()
    _reported: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.classes or self.classes[0] != BACKGROUND:
            raise DataError(f"{self.name}: the classes must begin with '{BACKGROUND}', not {self.classes[:1]}")
        if not self.listed:
            self.listed = [photograph.name for photograph in self.photographs]

    def __len__(self) -> int:
        return len(self.photographs)

    def __iter__(self) -> Iterator[Photograph]:
        return iter(self.photographs)

    def report(self, bad_data: str = "skip") -> None:
        """Say what is wrong with the data, once: as warnings ("skip"), or all together in a DataError ("stop")."""
        stop = stops(bad_data)
        new = self.problems[self._reported :]
        self._reported = len(self.problems)
        if not new:
            return
        shown = [*new[:_SHOWN], *([f"… and {len(new) - _SHOWN} more"] if len(new) > _SHOWN else [])]
        if stop:
            raise DataError(
                f"{self.name}: {len(new)} thing(s) wrong with the data:\n  "
                + "\n  ".join(shown)
                + "\n  mend them, or go on without: BAD_DATA: skip"
            )
        for problem in shown:
            log.warning("%s: %s", self.name, problem)
