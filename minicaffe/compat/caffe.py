"""What legacy code gets from `import caffe`: minicaffe's public names, and pycaffe's modules as submodules."""

from __future__ import annotations

from typing import Any

import minicaffe
from minicaffe.compat import resolve
from minicaffe.errors import did_you_mean

# `minicaffe.layers` does as well, but is a package that loads every layer type when it is touched
from minicaffe.net_spec import layers  # noqa: F401

__all__ = list(minicaffe.__all__)

# lets the import system look for submodules, which only our finder knows
__path__: list[str] = []


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        return getattr(minicaffe, name)
    module = resolve(f"caffe.{name}")
    if module is not None:
        return module
    if name in __all__:
        return getattr(minicaffe, name)
    raise AttributeError(f"minicaffe has no {name!r} in its caffe{did_you_mean(name, __all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
