"""Nine runs of real Caffe, 24 iterations each: the same losses, weights and snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minicaffe.proto import wire
from minicaffe.solver import Solver, get_solver
from tests.conftest import GOLDEN

CASES = sorted(path.stem for path in (GOLDEN / "solvers").glob("*.npz"))
SAVED = (1, 5, 10, 24)


class Case:
    """One golden run, laid out as files in the working directory."""

    def __init__(self, name: str, folder: Path):
        self.folder = folder
        with np.load(GOLDEN / "solvers" / f"{name}.npz") as arrays:
            self.arrays = dict(arrays)
        (folder / "solver.prototxt").write_text(str(self.arrays["solver"]))
        (folder / "net.prototxt").write_text(str(self.arrays["net"]))
        (folder / "list.txt").write_text("data.h5\n")
        for key, file in (("init", "init.caffemodel"), ("h5", "data.h5")):
            (folder / file).write_bytes(self.arrays[key].tobytes())
        (folder / "caffe").mkdir()
        self.state = folder / "caffe" / "snap_iter_10.solverstate"
        self.state.write_bytes(self.arrays["solverstate10"].tobytes())
        (folder / "caffe" / "snap_iter_10.caffemodel").write_bytes(self.arrays["caffemodel10"].tobytes())
        self._solvers: list[Solver] = []

    def solver(self, **options: Any) -> Solver:
        self._solvers.append(get_solver("solver.prototxt", **options))
        return self._solvers[-1]

    def close(self) -> None:
        for solver in self._solvers:
            solver.close()

    def check_weights(self, solver: Solver, iteration: int) -> None:
        keys = [key for key in self.arrays if key.startswith(f"w{iteration}/")]
        assert keys
        for key in keys:
            _, layer, index = key.split("/")
            wanted = self.arrays[key]
            worst = np.abs(solver.net.params[layer][int(index)].data - wanted).max()
            assert worst <= 1e-4 * np.abs(wanted).max(), (key, worst)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    monkeypatch.chdir(tmp_path)
    made = Case(request.param, tmp_path)
    yield made
    made.close()


def test_there_are_nine() -> None:
    assert len(CASES) == 9


def test_losses_and_weights(case: Case) -> None:
    solver = case.solver(weights="init.caffemodel")
    losses = []
    for N in range(1, 25):
        solver.step(1)
        losses.append(solver.net.blobs["loss"].data.item())
        if N in SAVED:
            case.check_weights(solver, N)
    np.testing.assert_allclose(losses, case.arrays["loss"], rtol=1e-4)


def test_resume_from_caffes_own_snapshot(case: Case) -> None:
    """The data begin anew on resuming, so the run first has to read up to where Caffe's stood."""
    solver = case.solver()
    solver.restore(case.state)
    assert solver.iter == 10
    case.check_weights(solver, 10)
    for _ in range(10 * solver.param.iter_size):
        solver.net.forward_loss()
    losses = []
    for _ in range(14):
        solver.step(1)
        losses.append(solver.net.blobs["loss"].data.item())
    np.testing.assert_allclose(losses, case.arrays["loss"][10:], rtol=1e-4)
    case.check_weights(solver, 24)


def test_our_snapshot_is_caffes(case: Case) -> None:
    solver = case.solver(weights="init.caffemodel")
    solver.step(10)
    ours, theirs = wire.read_solverstate(solver.snapshot()), wire.read_solverstate(case.state)
    assert (ours.iter, ours.current_step) == (theirs.iter, theirs.current_step) == (10, theirs.current_step)
    assert ours.learned_net == "snap_iter_10.caffemodel" == Path(theirs.learned_net).name
    assert [h.shape for h in ours.history] == [h.shape for h in theirs.history]
    for mine, caffes in zip(ours.history, theirs.history, strict=True):
        assert np.abs(mine - caffes).max() <= 1e-4 * np.abs(caffes).max()
    mine_by_layer, caffes_by_layer = (
        {layer.name: layer for layer in wire.read_weights(path).layers}
        for path in ("snap_iter_10.caffemodel", case.state.with_suffix(".caffemodel"))
    )
    assert mine_by_layer.keys() == caffes_by_layer.keys()
    for name, layer in caffes_by_layer.items():
        assert [b.shape for b in mine_by_layer[name].blobs] == [b.shape for b in layer.blobs]
        for blob, wanted in zip(mine_by_layer[name].blobs, layer.blobs, strict=True):
            assert np.abs(blob.data - wanted.data).max() <= 1e-4 * np.abs(wanted.data).max()
