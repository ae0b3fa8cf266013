"""TRAIN and TEST: the phase of a net, spelled as every generation of legacy code spells it."""

from __future__ import annotations


class Phase(int):
    """An integer (0 TRAIN, 1 TEST) that also equals, hashes and prints so that `cfg[str(self.phase)]` works.

    BVLC Caffe hands Python layers an int, its Fast R-CNN fork an object whose `str()` is `'TRAIN'`; both comparisons
    hold.
    """

    def __str__(self) -> str:
        return "TEST" if int(self) else "TRAIN"

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        return str(self) == other if isinstance(other, str) else int(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return int(self)


TRAIN = Phase(0)
TEST = Phase(1)


def as_phase(value: int | str) -> Phase:
    """Return TRAIN or TEST for 0, 1, 'TRAIN' or 'TEST'; ValueError for anything else."""
    for phase in (TRAIN, TEST):
        if phase == value:
            return phase
    raise ValueError(f"phase must be TRAIN or TEST, not {value!r}")
