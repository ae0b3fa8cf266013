"""How a check complains: the case, what differs, by how much."""

from __future__ import annotations

import numpy as np

from minicaffe.testing.bench import Results
from minicaffe.testing.case import Case

SAME = 1e-12


class CheckError(AssertionError):
    """A layer does not do what its contract says."""


def same_results(case: Case, what: str, got: Results, expected: Results, tolerance: float = SAME) -> None:
    """Compare all tops and diffs of two runs."""
    for kind, ours, theirs in zip(("top", "diff of bottom", "diff of parameter"), got, expected, strict=True):
        for n, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            same(case, f"{what}: {kind} {n}", a, b, tolerance)


def same(case: Case, what: str, got: np.ndarray, expected: np.ndarray, tolerance: float = SAME) -> None:
    """Raise unless the largest difference is within `tolerance` of the largest expected value."""
    expect(got.shape == expected.shape, case, f"{what} has shape {got.shape}, expected {expected.shape}")
    error = float(np.abs(got - expected).max(initial=0))
    scale = float(np.abs(expected).max(initial=0))
    expect(error <= tolerance * max(scale, 1e-3), case, f"{what} is off by {error:.3g} (largest value {scale:.3g})")


def expect(condition: bool, case: Case, message: str) -> None:
    """Raise CheckError, naming the case, unless `condition`."""
    if not condition:
        raise CheckError(f"{case.id}: {message}")
