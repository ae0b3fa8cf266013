"""Compilation: announced when it happens, kept on disk, found there again; no folder that takes files does no harm."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

PROGRAM = """
import sys, logging
logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stdout)
import numpy as np
from minicaffe import ops
x = np.array([-1.0, 2.0], np.float32)
ops.default().rectify(x, 0.0, x)
assert x.tolist() == [0, 2]
from minicaffe.ops.cpu.kernel import progress
print("compiled", progress.count)
"""


def run(folder: Path, program: str = PROGRAM) -> list[str]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_the_first_run_compiles_and_says_so_the_next_one_does_not(tmp_path: Path) -> None:
    first = run(tmp_path)
    assert first[0] == "compiling kernels, which happens once: later runs find them on disk"
    assert first[-1] == "compiled 1"
    assert list(tmp_path.rglob("*.nbi"))
    assert run(tmp_path) == ["compiled 0"]


def test_without_any_folder_to_keep_them_in_kernels_are_compiled_every_time(tmp_path: Path) -> None:
    nowhere = "import numba.core.caching as c; c.CacheImpl._locator_classes = []; c.FunctionCache\n"
    for _ in range(2):
        assert run(tmp_path, nowhere + PROGRAM)[-1] == "compiled 1"
    assert not list(tmp_path.rglob("*.nbi"))


def test_an_installation_that_cannot_be_written_to_uses_the_users_folder(tmp_path: Path) -> None:
    """Numba asks its locators in turn: here the one beside the source refuses, as on a read-only installation."""
    refuse = (
        "import numba.core.caching as c\n"
        "def no(self): raise OSError('read-only')\n"
        "for locator in c.CacheImpl._locator_classes:\n"
        "    if 'InTree' in locator.__name__: locator.ensure_cache_path = no\n"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    said = [
        subprocess.run(
            [sys.executable, "-c", refuse + PROGRAM], env=environment, capture_output=True, text=True, check=True
        ).stdout.splitlines()[-1]
        for _ in range(2)
    ]
    assert said == ["compiled 1", "compiled 0"]
