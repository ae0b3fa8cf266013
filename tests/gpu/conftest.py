"""The GPU's code path, twice: on the device that `tests.fakecupy` pretends, and, marked `gpu`, on a real one.

`make test-gpu` runs the second half alone and ends with one line that says on what.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from minicaffe import device
from minicaffe.errors import DeviceError
from minicaffe.ops.cuda import nvidia
from tests import fakecupy


@pytest.fixture(params=["pretended", pytest.param("cuda", marks=pytest.mark.gpu)])
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The operations of a device, on which nets are built meanwhile."""
    if request.param == "pretended":
        monkeypatch.setattr(nvidia, "cudnn", lambda: None)
        with device.using(pretended()):
            yield device.ops()
        return
    yield from _real()


@pytest.fixture
def real_gpu() -> Iterator[Any]:
    """The operations of a real GPU."""
    yield from _real()


def _real() -> Iterator[Any]:
    try:
        device.set_mode_gpu()
    except DeviceError as problem:
        pytest.skip(f"no GPU: {str(problem).splitlines()[0]}")
    try:
        yield device.ops()
    finally:
        device.set_mode_cpu()


_operations: list[Any] = []


def pretended() -> Any:
    """Return the pretended device's operations, always the same."""
    if not _operations:
        _operations.append(fakecupy.operations())
    return _operations[0]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """After the tests marked `gpu`: on which GPU they ran, and how they went, in one line."""
    if config.getoption("markexpr") != "gpu":
        return
    counts = {kind: len(terminalreporter.stats.get(kind, ())) for kind in ("passed", "failed", "error", "skipped")}
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "nothing ran"
    names = device.device_names()
    found = f"{names[0]}, cuDNN {nvidia.cudnn_version() or 'not found'}" if names else "no GPU on this machine"
    terminalreporter.write_line(f"test-gpu: {found}: {told}")
