"""The pretended device: as strict as CuPy, and offering nothing that CuPy does not have."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from tests import fakecupy


def test_host_and_device_do_not_mix() -> None:
    x, host = fakecupy.zeros((2, 2), np.float32), np.ones((2, 2), np.float32)
    for mix in (
        lambda: np.asarray(x),
        lambda: np.exp(x),
        lambda: np.concatenate([x, x]),
        lambda: x + host,
        lambda: host + x,
        lambda: x.__setitem__(..., host),
        lambda: x[np.array([0])],
        lambda: fakecupy.where(x > 0, host, x),
    ):
        with pytest.raises(TypeError):
            mix()
    x[...] = 2  # numbers may
    assert float((np.float32(3) * x).sum()) == 24


def test_memory_is_not_zero_by_accident() -> None:
    assert np.isnan(fakecupy.empty(3, np.float32).get()).all()


def test_traffic_is_counted() -> None:
    fakecupy.traffic.reset()
    x = fakecupy.asarray(np.zeros(10, np.float32))
    x.get()
    float(x[0])
    assert (fakecupy.traffic.up, fakecupy.traffic.down, fakecupy.traffic.waits) == (40, 44, 2)


def test_a_stream_does_its_work_when_somebody_waits() -> None:
    stream = fakecupy.cuda.Stream(non_blocking=True)
    x, host = fakecupy.zeros(1, np.float32), np.ones(1, np.float32)
    x.set(host, stream=stream)
    sent = stream.record()
    host[0] = 5  # too early: the copy has not been made
    assert float(x[0]) == 0
    fakecupy.cuda.get_current_stream().wait_event(sent)
    assert float(x[0]) == 5


FUNCTIONS = [
    name
    for name, value in vars(fakecupy).items()
    if not name.startswith("_")
    and callable(value)
    and name not in ("Any", "Traffic", "RawModule", "compiler", "operations")
]


def _parameters(function: Any) -> list[str] | None:
    try:
        return [name for name in inspect.signature(function).parameters if name != "self"]
    except (TypeError, ValueError):
        return None


@pytest.mark.parametrize("name", FUNCTIONS)
def test_cupy_has_every_function_and_its_arguments(name: str) -> None:
    cupy = pytest.importorskip("cupy")
    theirs = getattr(cupy, name)
    ours, known = _parameters(getattr(fakecupy, name)), _parameters(theirs)
    if isinstance(getattr(fakecupy, name), type) or isinstance(theirs, cupy.ufunc) or known is None:
        return
    named = [each for each in ours or [] if each not in ("arguments", "limits")]
    assert [each for each in named if each not in known and "args" not in known] == []


METHODS = [name for name in vars(fakecupy.ndarray) if not name.startswith("_")]


@pytest.mark.parametrize("name", METHODS)
def test_cupys_arrays_have_every_attribute(name: str) -> None:
    cupy = pytest.importorskip("cupy")
    assert hasattr(cupy.ndarray, name)
