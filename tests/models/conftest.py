"""Scripts of models/ as modules: they are no package, and import one another by their plain names."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    """`script("quickstart", "trees")`: the module models/quickstart/trees.py."""

    def load(model: str, name: str) -> ModuleType:
        monkeypatch.syspath_prepend(MODELS / model)
        return importlib.import_module(name)

    return load
