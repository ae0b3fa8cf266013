"""Every test of this room begins with the published configuration, and keeps its roidbs to itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from minicaffe.detection.config import cfg, default_config


@pytest.fixture(autouse=True)
def fresh_config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = str(tmp_path_factory.getbasetemp() / "roidbs")
    with cfg.overridden(default_config().to_dict() | {"CACHE_DIR": folder}):
        yield


@pytest.fixture
def bccd(shared: Path) -> Path:
    """364 genuine photographs of blood cells in VOC's layout."""
    folder = shared / "datasets" / "bccd"
    if not folder.is_dir():
        pytest.skip("no ../shared/datasets/bccd: the photographs of blood cells are not here")
    return folder
