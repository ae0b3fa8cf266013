"""Solver fields that forks of Caffe added: which ones work here, and a word about every other one that is set.

Nothing is passed over in silence: a field that only steers speed or storage draws a warning, one that would change what
is learned is refused unless it works here.
"""

from __future__ import annotations

import logging
from typing import Any

from minicaffe.errors import SolverError
from minicaffe.solver.nets import place

log = logging.getLogger("minicaffe")

# Set or not, these change nothing in what is learned.
WITHOUT_EFFECT = {
    "solver_data_type": "numbers are float32 here",
    "store_blobs_in_old_format": "snapshots are written in BVLC's format, which its readers accept",
    "engine": "there is one engine here",
    "test_and_snapshot_last_epochs": "tests and snapshots follow test_interval and snapshot alone",
    "eval_type": "a test averages every output of the net, whatever its kind",
    "ap_version": "a test averages every output of the net, whatever its kind",
    "show_per_class_result": "a test averages every output of the net, whatever its kind",
    "larc_turbo": "it only refines larc, which is off",
}


def check(param: Any) -> None:
    """Warn of, or refuse, the fork fields of `param` (SolverParameter) that mean nothing here."""
    where = place(param)
    for descriptor, value in param.ListFields():
        name = descriptor.name
        if name in WITHOUT_EFFECT and value != descriptor.default_value:
            log.warning(f"{where}solver field '{name}' of a Caffe fork has no effect here: {WITHOUT_EFFECT[name]}")
    if param.larc and param.larc_turbo:
        raise SolverError(f"{where}larc_turbo is not supported: remove it, plain larc works")
    if param.larc and param.type != "SGD":
        log.warning(f"{where}larc sets rates by layer for type SGD only; {param.type} runs without it")
    if param.momentum_policy != "fixed" and param.type not in ("SGD", "Nesterov"):
        raise SolverError(
            f"{where}momentum_policy {param.momentum_policy!r} is for SGD and Nesterov, not for {param.type}"
        )
