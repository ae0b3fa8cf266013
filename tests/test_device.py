"""The device pycaffe programs choose: there is the CPU, and a GPU is never quietly replaced by it."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

import minicaffe
from minicaffe import device
from minicaffe.errors import DeviceError
from minicaffe.ops.cuda import nvidia
from minicaffe.ops.cuda.options import OPTIONS, Options, size


def test_the_cpu_may_be_asked_for_as_often_as_one_likes() -> None:
    for _ in range(2):
        assert minicaffe.set_mode_cpu() is None
    assert not device.ops().on_device


def test_without_cupy_a_gpu_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(nvidia, "driver_cuda", lambda: 12080)
    with pytest.raises(
        DeviceError, match=r"(?s)set_mode_gpu\(\) asks for a GPU, but CuPy is not here.*minicaffe\[cuda12x\]"
    ):
        minicaffe.set_mode_gpu()
    monkeypatch.setattr(nvidia, "driver_cuda", lambda: 13000)
    with pytest.raises(DeviceError, match=r"(?s)set_device\(1\) asks for a GPU.*minicaffe\[cuda13x\]"):
        minicaffe.set_device(1)
    monkeypatch.setattr(nvidia, "driver_cuda", lambda: 0)
    with pytest.raises(DeviceError, match="no NVIDIA driver was found: install one, then pip install"):
        minicaffe.set_mode_gpu()
    assert not device.ops().on_device


def cupy(version: str = "14.2.0", gpus: int = 0) -> Any:
    """CuPy as far as one is chosen with it."""
    runtime = SimpleNamespace(
        getDeviceCount=lambda: gpus,
        getDeviceProperties=lambda i: {"name": f"GPU number {i}".encode()},
        runtimeGetVersion=lambda: 13000,
    )
    chosen: list[int] = []
    made = lambda i=0: SimpleNamespace(use=lambda: chosen.append(i))  # noqa: E731
    limits: list[dict[str, Any]] = []
    pool = SimpleNamespace(set_limit=lambda **limit: limits.append(limit))
    cuda = SimpleNamespace(runtime=runtime, is_available=lambda: gpus > 0, Device=made)
    return SimpleNamespace(
        __version__=version, cuda=cuda, chosen=chosen, limits=limits, get_default_memory_pool=lambda: pool
    )


def test_an_old_cupy_and_a_machine_without_a_gpu_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", cupy("13.6.0", gpus=1))
    with pytest.raises(DeviceError, match=r"CuPy 13\.6\.0 is too old"):
        minicaffe.set_mode_gpu()
    monkeypatch.setitem(sys.modules, "cupy", cupy())
    monkeypatch.setattr(nvidia, "driver_cuda", lambda: 0)
    with pytest.raises(DeviceError, match="finds no NVIDIA driver on this machine"):
        minicaffe.set_mode_gpu()
    monkeypatch.setattr(nvidia, "driver_cuda", lambda: 13000)
    with pytest.raises(DeviceError, match=r"(?s)finds no GPU.*CUDA_VISIBLE_DEVICES.*--cpu"):
        minicaffe.set_mode_gpu()


def test_gpus_are_chosen_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    module = cupy(gpus=2)
    monkeypatch.setitem(sys.modules, "cupy", module)
    assert device.device_names() == ["GPU number 0", "GPU number 1"]
    minicaffe.set_device(1)
    assert module.chosen == [1]
    with pytest.raises(DeviceError, match="there is no GPU 2, this machine has GPUs 0 to 1"):
        minicaffe.set_device(2)


def test_memory_is_limited_in_bytes_or_by_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    module = cupy(gpus=1)
    monkeypatch.setitem(sys.modules, "cupy", module)
    for text in ("8.7G", "900 MiB", "80%", "0"):
        device.limit_memory(text)
    assert module.limits == [
        {"size": int(8.7 * 2**30)}, {"size": 900 * 2**20}, {"fraction": 0.8}, {"size": 0}
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"'much' is no size: write 8\.7G or 900M"):
        device.limit_memory("much")


def test_how_to_compute_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OPTIONS, "tf32", False)
    monkeypatch.setattr(OPTIONS, "deterministic", False)
    device.set_tf32(True)
    device.set_deterministic(True)
    assert OPTIONS.tf32 and OPTIONS.deterministic


def test_room_to_work_in_is_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Options().workspace == 256 << 20
    monkeypatch.setenv("MINICAFFE_WORKSPACE", "64M")
    assert Options().workspace == 64 << 20 == size("64m")
