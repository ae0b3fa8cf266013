"""Snapshots: weights and solver state in Caffe's two formats, so that either program resumes the other's run.

`<prefix>_iter_<N>.caffemodel` with `.solverstate`, or `.caffemodel.h5` with `.solverstate.h5`. Beside Caffe's fields
the state file carries what an exact continuation needs (random streams, data cursors, the smoothed loss) where Caffe
does not look.
"""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minicaffe.errors import SolverError, WeightsError, missing_dependency
from minicaffe.files import written_aside
from minicaffe.ops.arrays import as_numpy
from minicaffe.proto import schema, wire
from minicaffe.proto.wire import StoredState
from minicaffe.solver.nets import place
from minicaffe.solver.policies import NO_MINIMUM
from minicaffe.weights import is_hdf5

if TYPE_CHECKING:
    from minicaffe.solver.solver import Solver

log = logging.getLogger("minicaffe")

OURS = "minicaffe_state"


# -- names ------------------------------------------------------------------------------------------------------------


def check_prefix(param: Any) -> None:
    """Raise SolverError unless files can be written under `snapshot_prefix`; its folder is made if need be."""
    prefix = param.snapshot_prefix
    if not prefix:
        raise SolverError(
            f"{place(param)}snapshot is {param.snapshot}, but there is no snapshot_prefix to say where to save"
        )
    try:
        with written_aside(f"{prefix}_iter_0.tempfile") as probe:
            probe.touch()
        Path(f"{prefix}_iter_0.tempfile").unlink()
    except OSError as error:
        raise SolverError(
            f"{place(param)}Cannot write to snapshot prefix '{prefix}': {error}. Make sure that the directory exists "
            "and is writable"
        ) from error


def latest_snapshot(prefix: str | Path) -> Path | None:
    """Return the state file of the highest iteration under `prefix` whose weights are still there, or None."""
    prefix = Path(prefix)
    pattern = re.compile(re.escape(prefix.name) + r"_iter_(\d+)\.solverstate(\.h5)?")
    found = []
    for path in prefix.parent.glob("*.solverstate*"):
        match = pattern.fullmatch(path.name)
        if match and _model_beside(path).is_file():
            found.append((int(match[1]), path))
    return max(found)[1] if found else None


def _model_beside(state_file: Path) -> Path:
    return state_file.with_name(state_file.name.replace(".solverstate", ".caffemodel"))


# -- saving -----------------------------------------------------------------------------------------------------------


def save(solver: Solver) -> Path:
    """Write weights and state of `solver` as they are now; return the path of the state file."""
    p = solver.param
    hdf5 = p.snapshot_format == schema.SolverParameter.HDF5
    kind, suffix = ("HDF5", ".h5") if hdf5 else ("binary proto", "")
    base = f"{p.snapshot_prefix}_iter_{solver.iter}"
    model, path = f"{base}.caffemodel{suffix}", f"{base}.solverstate{suffix}"
    log.info("Snapshotting to %s file %s", kind, model)
    (solver.net.save_hdf5 if hdf5 else solver.net.save)(model, write_diff=p.snapshot_diff)
    log.info("Snapshotting solver state to %s file %s", kind, path)
    (_write_hdf5 if hdf5 else wire.write_solverstate)(path, _state(solver, model))
    return Path(path)


def _state(solver: Solver, model: str) -> StoredState:
    progress = solver.schedule.progress
    watched = progress.minimum_loss < NO_MINIMUM  # only some policies look at the loss
    return StoredState(
        iter=solver.iter,
        learned_net=model,
        current_step=progress.current_step,
        history=[as_numpy(history) for history in solver.updater.histories()],
        minicaffe_state=json.dumps(solver.get_state()).encode(),
        minimum_loss=progress.minimum_loss if watched else None,
        iter_last_event=progress.iter_last_event if watched else 0,
    )


def _write_hdf5(path: str, state: StoredState) -> None:
    """Write the datasets iter, current_step and learned_net and the group history, as Caffe's readers expect them."""
    name = state.learned_net.encode()
    with written_aside(path) as aside, _h5py().File(aside, "w") as file:
        for key in ("iter", "current_step"):
            file.create_dataset(key, data=np.array([getattr(state, key)], np.int32))
        # Caffe reads the string as a C string: the closing zero must be in the file.
        file.create_dataset("learned_net", data=np.array(name, dtype=f"S{len(name) + 1}"))
        if state.minimum_loss is not None:
            file.create_dataset("minimum_loss", data=np.array([state.minimum_loss], np.float32))
            file.create_dataset("iter_last_event", data=np.array([state.iter_last_event], np.int32))
        group = file.create_group("history")
        for index, array in enumerate(state.history):
            group.create_dataset(str(index), data=np.asarray(array))
        file.create_dataset(OURS, data=np.frombuffer(state.minicaffe_state, np.uint8))


# -- restoring --------------------------------------------------------------------------------------------------------


def restore(solver: Solver, path: str | Path) -> None:
    """Put `solver` where it was when `path` was written.

    SolverError for a state that belongs to another net or solver type, WeightsError for a file that holds none.
    """
    path = Path(path)
    state = read(path)
    try:
        solver.updater.check_histories(state.history)
    except SolverError as error:
        raise SolverError(f"{path}: {error}") from None
    if state.learned_net:
        solver.net.copy_from(_find_model(path, state.learned_net))
    solver.updater.load_histories(state.history)
    solver.iter = state.iter
    known = {"minimum_loss": state.minimum_loss, "iter_last_event": state.iter_last_event}
    solver.schedule.set_state({"current_step": state.current_step} | (known if state.minimum_loss is not None else {}))
    log.info("%s: restored iteration %d from %s", type(solver.updater.rule).__name__, state.iter, path)
    solver.set_state(json.loads(state.minicaffe_state or "{}"))


def read(path: str | Path) -> StoredState:
    """Read a solver state, ours or Caffe's, of either format. WeightsError where it is missing or something else."""
    path = Path(path)
    if not path.is_file():
        other = latest_snapshot(re.sub(r"_iter_\d+\..*$", "", str(path)))
        hint = f"; the latest one there is {str(other)!r}" if other else ""
        raise WeightsError(f"there is no snapshot {str(path)!r}{hint}")
    return _read_hdf5(path) if is_hdf5(path) else wire.read_solverstate(path)


def _read_hdf5(path: Path) -> StoredState:
    with _h5py().File(path, "r") as file:
        if "iter" not in file or "history" not in file:
            what = "weights (a .caffemodel.h5)" if "data" in file else "something else"
            raise WeightsError(
                f"{path}: expected a snapshot (.solverstate.h5, with the datasets iter and history), but this is {what}"
            )
        group = file["history"]
        name = file["learned_net"][()] if "learned_net" in file else b""
        return StoredState(
            iter=_scalar(file, "iter"),
            learned_net=(name if isinstance(name, bytes) else str(name).encode()).rstrip(b"\0").decode(),
            current_step=_scalar(file, "current_step"),
            history=[np.asarray(group[str(index)]) for index in range(len(group))],
            minicaffe_state=file[OURS][()].tobytes() if OURS in file else b"",
            minimum_loss=_scalar(file, "minimum_loss") if "minimum_loss" in file else None,
            iter_last_event=_scalar(file, "iter_last_event"),
        )


def _scalar(file: Any, name: str) -> Any:
    return np.ravel(file[name][()])[0].item() if name in file else 0


def _find_model(state_file: Path, learned_net: str) -> Path:
    """Return the weights a state belongs to: where it says, from the working directory, or else beside the state."""
    candidates = [Path(learned_net), state_file.parent / Path(learned_net).name]
    for path in candidates:
        if path.is_file():
            return path
    places = " nor ".join(repr(str(path)) for path in candidates)
    raise WeightsError(f"the weights that {state_file} belongs to are gone: found neither {places}")


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise missing_dependency("h5py", "data", "reading and writing HDF5 snapshots") from None
    return h5py
