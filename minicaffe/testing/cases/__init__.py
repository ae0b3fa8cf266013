"""The cases of every registered layer, one module a family, each with a list `CASES`."""

from __future__ import annotations

import importlib
import pkgutil

from minicaffe.testing.case import Case


def all_cases() -> list[Case]:
    """Return the cases of every module in this folder."""
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [case for name in modules for case in importlib.import_module(f"{__name__}.{name}").CASES]
