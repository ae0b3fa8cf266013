"""What `minicaffe devices` finds of NVIDIA's, and what it says to install."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from minicaffe.inspect import devices
from minicaffe.ops.cuda import nvidia


def found(monkeypatch: pytest.MonkeyPatch, driver: int, cupy: Any, cudnn: str = "") -> dict[str, str]:
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(nvidia, "driver_cuda", lambda: driver)
    monkeypatch.setattr(nvidia, "cudnn_version", lambda: cudnn)
    return dict(devices.gpu())


def test_nothing_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = found(monkeypatch, 0, None)
    assert rows["NVIDIA driver"] == "none found"
    assert rows["CuPy"].endswith("of no use without an NVIDIA driver")


@pytest.mark.parametrize(("driver", "extra"), [(12040, "cuda12x"), (13000, "cuda13x")])
def test_a_driver_without_cupy(monkeypatch: pytest.MonkeyPatch, driver: int, extra: str) -> None:
    rows = found(monkeypatch, driver, None)
    assert f"for CUDA {driver // 1000}." in rows["NVIDIA driver"]
    assert f"pip install 'minicaffe[{extra}]' brings CuPy and cuDNN" in rows["CuPy"]


def card(i: int) -> dict[str, Any]:
    return {"name": b"Card", "major": 9, "minor": i, "totalGlobalMem": 80 * 2**30, "multiProcessorCount": 132}


def test_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = SimpleNamespace(
        getDeviceCount=lambda: 2, getDeviceProperties=card, runtimeGetVersion=lambda: 13000, CUDARuntimeError=OSError
    )
    cupy = SimpleNamespace(__version__="14.2.0", cuda=SimpleNamespace(runtime=runtime))
    rows = found(monkeypatch, 13000, cupy, "9.28.0")
    assert rows["CuPy"] == "14.2.0, for CUDA 13"
    assert rows["cuDNN"] == "9.28.0"
    assert rows["GPU 1"] == "Card, compute capability 9.1, 80.0 GiB, 132 multiprocessors"
    assert "pip install nvidia-cudnn-cu13" in found(monkeypatch, 13000, cupy)["cuDNN"]
