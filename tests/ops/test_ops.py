"""The tables of operations, and what happens without numba."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys

import pytest

from minicaffe import ops as package


@pytest.mark.parametrize("name", sorted(package.DEFINITIONS))
def test_every_operation_is_there_on_both_ways(name: str) -> None:
    definition, default = getattr(package.definition(), name), getattr(package.default(), name)
    assert list(inspect.signature(default).parameters)[:3] == list(inspect.signature(definition).parameters)[:3]
    if name in package.CPU_OVERRIDES and package.numba_problem() is None:
        assert default is not definition


def test_overrides_are_operations() -> None:
    assert set(package.CPU_OVERRIDES) | set(package.CUDA_OVERRIDES) <= set(package.DEFINITIONS)


@pytest.mark.parametrize("name", sorted(package.CUDA_OVERRIDES))
def test_overrides_on_a_gpu_take_what_the_definitions_take(name: str) -> None:
    pretended = package.DeviceOps("pretended", None, package.CUDA_OVERRIDES, package="cuda")
    ours, theirs = getattr(pretended, name), getattr(package.definition(), name)
    injected = ("columns", "sums", "add", "alone", "relu")  # what devices, not layers, choose
    taken = [[each for each in inspect.signature(one).parameters if each not in injected] for one in (ours, theirs)]
    assert taken[0] == taken[1]


def test_an_unknown_operation_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no operation 'fold'"):
        _ = package.definition().fold


def test_numba_can_be_switched_off_and_is_not_imported_before_it_is_needed() -> None:
    program = (
        "import sys; from minicaffe import ops; o = ops.default(); o.softmax; "
        "assert 'numba' not in sys.modules; "
        "assert o.pool_max is ops.definition().pool_max; print(ops.numba_problem(), 'numba' in sys.modules)"
    )
    without = {**os.environ, "MINICAFFE_NUMBA": "0"}
    done = subprocess.run([sys.executable, "-c", program], env=without, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "switched off by MINICAFFE_NUMBA=0 False"
