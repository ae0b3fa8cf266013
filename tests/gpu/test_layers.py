"""Every layer on a device: the same numbers as on the CPU, in double and single precision, in place and reshaped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicaffe.layers  # noqa: F401  (registers them all)
from minicaffe import device
from minicaffe import ops as package
from minicaffe.testing import Case, checks_for
from minicaffe.testing.bench import Bench
from minicaffe.testing.cases import all_cases
from minicaffe.testing.compare import same_results

CASES = all_cases()
EXACT, SINGLE = 1e-11, 2e-5


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_same_as_on_the_cpu(case: Case, gpu: Any, tmp_path: Path) -> None:
    case = case.prepared(tmp_path)
    for dtype, tolerance in ((np.float64, EXACT), (np.float32, SINGLE)):
        for options in ({}, {"in_place": True}) if case.in_place else ({},):
            expected = cpu(case, dtype, **options)
            bench = Bench(case, dtype, **options)
            assert all(blob.xp is gpu.xp for blob in [*bench.bottom, *bench.top, *bench.layer.blobs])
            same_results(case, f"on the device, {np.dtype(dtype)}", bench.run(), expected, tolerance)
            assert bench.streams.get_state() == expected_streams[0]


expected_streams: list[dict[str, Any]] = [{}]


def cpu(case: Case, dtype: Any, **options: Any) -> Any:
    """Return what the CPU computes, and note where its random streams then stand."""
    with device.using(package.definition()):
        bench = Bench(case, dtype, **options)
        results = bench.run()
        expected_streams[0] = bench.streams.get_state()
    return results


@pytest.mark.parametrize("case", [case for case in CASES if case.again is not None], ids=lambda case: case.id)
def test_reshaped_between_calls(case: Case, gpu: Any, tmp_path: Path) -> None:
    from minicaffe.testing.gradcheck import check_reshape

    check_reshape(case.prepared(tmp_path))


CHECKS = [
    pytest.param(case, one, id=f"{case.id}-{one.__name__.removeprefix('check_')}")
    for case in CASES
    for one in checks_for(case)
]


@pytest.mark.gpu
@pytest.mark.parametrize(("case", "one"), CHECKS)
def test_every_check(case: Case, one: Callable[[Case], None], real_gpu: Any, tmp_path: Path) -> None:
    one(case.prepared(tmp_path))
