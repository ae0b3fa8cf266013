"""A tiny net and solver in a folder of their own, and a logger that forgets what the command line did to it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

NET = """
name: "tiny"
layer {
  name: "data" type: "DummyData" top: "data" top: "target"
  dummy_data_param {
    shape { dim: 4 dim: 3 } shape { dim: 4 dim: 2 }
    data_filler { type: "gaussian" std: 1 } data_filler { type: "constant" value: 0.5 }
  }
}
layer {
  name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } }
}
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "target" top: "loss" loss_weight: 2 }
"""

SOLVER = """
net: "net.prototxt"
base_lr: 0.1 momentum: 0.9 lr_policy: "fixed"
max_iter: 6 display: 2 snapshot: 4 snapshot_prefix: "tiny"
test_iter: 2 test_interval: 4
random_seed: 7
"""


@pytest.fixture(autouse=True)
def no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without CuPy, whatever this one has: a GPU that is asked for is not there."""
    monkeypatch.setitem(sys.modules, "cupy", None)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder for the test, holding net.prototxt and solver.prototxt."""
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    """Take away the handlers and the level that a verb gave to the logger."""
    log = logging.getLogger("minicaffe")
    handlers, level = list(log.handlers), log.level
    yield
    log.handlers[:] = handlers
    log.setLevel(level)
