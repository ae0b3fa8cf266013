"""Training: the loop (`solver`), what it does to weights (`updates`) and how fast (`policies`), and its snapshots."""

from minicaffe.solver.log import init_log
from minicaffe.solver.snapshot import latest_snapshot
from minicaffe.solver.solver import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    Solver,
    get_solver,
)

__all__ = [
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "NesterovSolver",
    "RMSPropSolver",
    "SGDSolver",
    "Solver",
    "get_solver",
    "init_log",
    "latest_snapshot",
]
