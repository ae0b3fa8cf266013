"""Names of pycaffe that are about the process and not about nets: its log, a timer, and training on several GPUs."""

from __future__ import annotations

import logging
import time
from typing import Any, NoReturn

from minicaffe.errors import DeviceError


def init_log(level: int = 0, stderr: bool = True) -> None:
    """Log to stderr from `level` on: 0 INFO, 1 WARNING, 2 ERROR, 3 FATAL."""
    from minicaffe.solver import log as solver_log

    solver_log.init_log(level, stderr)


def log(message: str) -> None:
    """Write an INFO line to minicaffe's log."""
    logging.getLogger("minicaffe").info("%s", message)


class Timer:
    """A stopwatch: `start()`, `stop()`, then `ms`, the milliseconds between (or, while it runs, since the start)."""

    def __init__(self) -> None:
        self._start = self._stop = 0.0

    def start(self) -> None:
        """Begin to count, from zero."""
        self._start, self._stop = time.perf_counter(), 0.0

    def stop(self) -> None:
        """Stop counting; `ms` keeps its value."""
        self._stop = time.perf_counter()

    @property
    def ms(self) -> float:
        """Milliseconds; 0 for a timer never started."""
        if not self._start:
            return 0.0
        return ((self._stop or time.perf_counter()) - self._start) * 1000


# -- data-parallel training, which takes one process a GPU: this process is the only one ------------------------------


def has_nccl() -> bool:
    """Whether GPUs can exchange gradients: no."""
    return False


def solver_count() -> int:
    """The number of solvers that train together: 1."""
    return 1


def solver_rank() -> int:
    """Which of them this process has: the first, 0."""
    return 0


def set_solver_count(count: int) -> None:
    """Accept 1; DeviceError for more."""
    if count != 1:
        _only_one(f"set_solver_count({count})")


def set_solver_rank(rank: int) -> None:
    """Accept 0; DeviceError for any other."""
    if rank != 0:
        _only_one(f"set_solver_rank({rank})")


def set_multiprocess(multiprocess: bool) -> None:
    """Accept False; DeviceError for True."""
    if multiprocess:
        _only_one("set_multiprocess(True)")


class NCCL:
    """pycaffe's exchange of gradients between GPUs; making one is a DeviceError."""

    def __init__(self, *arguments: Any):
        _only_one("NCCL")

    @staticmethod
    def new_uid() -> str:
        """Raise DeviceError."""
        _only_one("NCCL.new_uid()")


def _only_one(call: str) -> NoReturn:
    raise DeviceError(
        f"{call}: this version of minicaffe trains in one process; leave it out, or raise iter_size instead"
    )
