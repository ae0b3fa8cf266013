"""Small nets that train in milliseconds, and the log lines a run leaves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from minicaffe.proto.prototxt import parse
from minicaffe.proto.schema import SolverParameter
from minicaffe.solver import Solver, get_solver

NET = """
name: "small"
layer { name: "data" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "list.txt" batch_size: 4 } }
layer {
  name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } }
}
layer { name: "tanh" type: "TanH" bottom: "ip1" top: "ip1" }
layer {
  name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
layer { name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy" include { phase: TEST } }
"""

BASE = 'net: "net.prototxt" base_lr: 0.1 momentum: 0.9 lr_policy: "fixed" max_iter: 20 random_seed: 5 '


def solver_param(text: str) -> Any:
    """Parse the text of a SolverParameter."""
    return parse(text, SolverParameter)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: `net.prototxt` (NET) over a file of 10 items, 6 numbers and a label of 3 classes each."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 10)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["data"] = (rng.standard_normal((10, 6)) + labels[:, None]).astype(np.float32)
        file["label"] = labels.astype(np.float32)
    (tmp_path / "list.txt").write_text("data.h5\n")
    (tmp_path / "net.prototxt").write_text(NET)
    monkeypatch.chdir(tmp_path)
    return tmp_path


Make = Callable[..., Solver]


@pytest.fixture
def make(folder: Path) -> Iterator[Make]:
    """`make(text, net=NET, **options)`: a solver of BASE with `text` appended, its data threads stopped at the end."""
    made: list[Solver] = []

    def build(text: str = "", net: str = NET, base: str = BASE, **options: Any) -> Solver:
        (folder / "net.prototxt").write_text(net)
        (folder / "solver.prototxt").write_text(base + text)
        made.append(get_solver("solver.prototxt", **options))
        return made[-1]

    yield build
    for solver in made:
        solver.close()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """`lines()`: the messages logged at INFO and above since the last call; not those of kernels, compiled or found."""
    caplog.set_level(logging.INFO, logger="minicaffe")

    def take() -> list[str]:
        messages = [record.getMessage() for record in caplog.records]
        messages = [message for message in messages if not message.startswith("compiling kernels")]
        caplog.clear()
        return messages

    return take


def weights_of(solver: Solver) -> list[np.ndarray]:
    """Copies of all learnable parameters."""
    return [p.blob.data.copy() for p in solver.net.learnable]
