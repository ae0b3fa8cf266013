"""The pretended device for tests of kernels; skipped, by name, where no C++ compiler can build them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from minicaffe.ops.cuda import nvidia
from tests import fakecupy


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Its operations."""
    if fakecupy.compiler() is None:
        pytest.skip("no C++ compiler: kernels cannot be run on the host")
    monkeypatch.setattr(nvidia, "cudnn", lambda: None)
    return fakecupy.operations()
