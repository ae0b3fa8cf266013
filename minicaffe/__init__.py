"""minicaffe: a small, fast engine for nets written as Caffe prototxt.

The names are pycaffe's, so code written for it runs with `import minicaffe as caffe`. Each name is imported when it
is first used; `import minicaffe` itself loads next to nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

from minicaffe.phase import TEST, TRAIN
from minicaffe.version import __version__

# public name -> module that defines it
_PUBLIC: dict[str, str] = {
    "AdaDeltaSolver": "solver",
    "AdaGradSolver": "solver",
    "AdamSolver": "solver",
    "Blob": "blob",
    "Classifier": "classifier",
    "Detector": "detector",
    "Error": "errors",
    "Layer": "layer",
    "NCCL": "compat.process",
    "NesterovSolver": "solver",
    "Net": "net",
    "NetSpec": "net_spec",
    "RMSPropSolver": "solver",
    "SGDSolver": "solver",
    "Solver": "solver",
    "Timer": "compat.process",
    "get_solver": "solver",
    "has_nccl": "compat.process",
    "init_log": "compat.process",
    "layer_type_list": "net",
    "load_weights": "weights",
    "log": "compat.process",
    "params": "net_spec",
    "register": "layer",
    "set_device": "device",
    "set_mode_cpu": "device",
    "set_mode_gpu": "device",
    "set_multiprocess": "compat.process",
    "set_random_seed": "rng",
    "set_solver_count": "compat.process",
    "set_solver_rank": "compat.process",
    "solver_count": "compat.process",
    "solver_rank": "compat.process",
    "to_proto": "net_spec",
}
_MODULES = ("coord_map", "io", "layers", "proto", "testing")

__all__ = [  # noqa: PLE0604
    "TEST",
    "TRAIN",
    "__version__",
    *_PUBLIC,
    *_MODULES,
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(importlib.import_module(f"minicaffe.{_PUBLIC[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"minicaffe.{name}")
    else:
        raise AttributeError(f"module 'minicaffe' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
