"""What all tests share: where golden files lie, and where genuine models and data sets lie when they are there."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run; pytest --hypothesis-profile=default draws new ones.
settings.register_profile("same", derandomize=True, database=None)
settings.load_profile("same")

GOLDEN = Path(__file__).parent / "golden"
SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session", autouse=True)
def kernels_compile_in_silence() -> None:
    """Whether a test is the first to use a kernel does not change what it finds in the log."""
    logging.getLogger("minicaffe.kernels").setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of what real Caffe computed."""
    return GOLDEN


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of genuine models, data sets and prototxts; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared beside the repository: genuine models and data sets are not here")
    return SHARED
