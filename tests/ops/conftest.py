"""Every test that asks for `ops` runs with the definitions and with what overrides them on a CPU."""

from __future__ import annotations

import pytest

from minicaffe import ops as package


@pytest.fixture(params=["definition", "cpu"])
def ops(request: pytest.FixtureRequest) -> package.Ops:
    """The plain definitions, then the operations of CPU mode."""
    return package.definition() if request.param == "definition" else package.default()
