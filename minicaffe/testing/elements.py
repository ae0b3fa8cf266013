"""Caffe's own gradient checker: central differences, element by element. Slow, for small layers and stubborn errors."""

from __future__ import annotations

import numpy as np

from minicaffe.testing.bench import Bench, Pick, moved
from minicaffe.testing.case import Case
from minicaffe.testing.compare import CheckError

Element = tuple[int, int]  # top, place in it


def check_elements(
    case: Case,
    step: float = 1e-2,
    threshold: float = 1e-3,
    kink: float = 0.0,
    kink_range: float = -1.0,
    exhaustive: bool = False,
) -> None:
    """Compare every single derivative with its central difference, as Caffe's GradientChecker does.

    The objective is half the sum of all tops squared, or, `exhaustive`, twice each element of each top in turn. A
    derivative passes when |computed - estimated| <= threshold max(|computed|, |estimated|, 1), else CheckError; those
    of elements whose size lies within `kink_range` of `kink` are skipped.
    """
    bench = Bench(case)
    bench.forward()
    everything = [(t, at) for t in bench.through for at in range(bench.top[t].count)]
    for element in everything if exhaustive else [None]:
        bench = Bench(case)
        bench.forward()
        bench.seed_diffs(_top_diffs(bench, element))
        bench.backward()
        for name, pick in bench.picks():
            computed, size = pick(bench).diff.ravel(), np.abs(pick(bench).data.ravel())
            for at in map(int, np.flatnonzero((size < kink - kink_range) | (size > kink + kink_range))):
                estimated = _estimate(case, pick, at, step, element)
                if abs(computed[at] - estimated) > threshold * max(abs(computed[at]), abs(estimated), 1.0):
                    what = f"{name} at {at}" + ("" if element is None else f" from top[{element[0]}] at {element[1]}")
                    raise CheckError(f"{case.id}: gradient of {what}: {computed[at]}, estimated {estimated}")


def _top_diffs(bench: Bench, element: Element | None) -> list[np.ndarray]:
    if element is None:
        return [blob.data * (t in bench.through) for t, blob in enumerate(bench.top)]
    diffs = [np.zeros(blob.shape) for blob in bench.top]
    diffs[element[0]].reshape(-1)[element[1]] = 2
    return diffs


def _estimate(case: Case, pick: Pick, at: int, step: float, element: Element | None) -> float:
    by = np.zeros(pick(Bench(case)).shape)
    by.reshape(-1)[at] = step
    high, low = (_objective(moved(case, pick, sign * by), element) for sign in (1, -1))
    return (high - low) / (2 * step)


def _objective(bench: Bench, element: Element | None) -> float:
    bench.forward()
    if element is None:
        return sum(0.5 * float((bench.top[t].data ** 2).sum()) for t in bench.through)
    return 2 * float(bench.top[element[0]].data.reshape(-1)[element[1]])
