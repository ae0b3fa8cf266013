"""Legacy code as it is: `import caffe` and the module names of the published detection code, answered by minicaffe.

`resolve(name)` gives our module for a legacy name and changes nothing. `install()` makes the import statement find
them: a finder of our own puts them into `sys.modules` when they are first imported. `minicaffe.compat.names` is the
list.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from minicaffe.compat.names import MODULES, is_caffe, is_known, is_package

__all__ = ["install", "resolve", "uninstall"]


def resolve(module_name: str) -> ModuleType | None:
    """Return our module for the legacy name `module_name`, such as `caffe.io`; None if we have none."""
    if module_name in MODULES:
        return importlib.import_module(MODULES[module_name])
    if not is_package(module_name):
        return None
    return _packages.setdefault(module_name, _Package(module_name))


def install(force: bool = False) -> bool:
    """Let `import caffe` and the other legacy names find our modules; calling it again changes nothing.

    Returns False, and leaves `caffe` alone, when a Caffe that is not ours has been imported already; `force` puts it
    aside until `uninstall`. A user's own modules go before ours in everything but `caffe`.
    """
    if _ours not in sys.meta_path:
        sys.meta_path.append(_ours)
    genuine = [name for name, module in sys.modules.items() if is_caffe(name) and not _is_ours(name, module)]
    if genuine and not force:
        return False
    for name in genuine:
        _displaced[name] = sys.modules.pop(name)
    if _caffe not in sys.meta_path:
        sys.meta_path.insert(0, _caffe)
    return True


def uninstall() -> None:
    """Undo `install`: legacy names find what they found before."""
    for finder in (_caffe, _ours):
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
    for name, module in list(sys.modules.items()):
        if _is_ours(name, module):
            del sys.modules[name]
    sys.modules.update(_displaced)
    _displaced.clear()


class _Package(ModuleType):
    """A package that exists only because modules of ours answer to names inside it."""

    def __init__(self, name: str):
        super().__init__(name, "Stands in for a package of legacy code; see minicaffe.compat.")
        self.__path__: list[str] = []
        self.__package__ = name
        self.__spec__ = ModuleSpec(name, None, is_package=True)

    def __getattr__(self, name: str) -> ModuleType:
        module = None if name.startswith("__") else resolve(f"{self.__name__}.{name}")
        if module is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return module


class _Finder(MetaPathFinder):
    """Finds legacy names that `claims` accepts."""

    def __init__(self, claims: Callable[[str], bool]):
        self.claims = claims

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not (self.claims(fullname) and is_known(fullname)):
            return None
        return ModuleSpec(fullname, _Alias(), is_package=is_package(fullname))


class _Alias(Loader):
    """Gives the import system our module under the legacy name, with the module's own spec kept."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module = resolve(spec.name)
        assert module is not None
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


def _is_ours(name: str, module: ModuleType) -> bool:
    """Whether `sys.modules[name] = module` came about through `install`."""
    if name in MODULES:
        return module is sys.modules.get(MODULES[name])
    return module is _packages.get(name)


_packages: dict[str, ModuleType] = {}
_displaced: dict[str, ModuleType] = {}
_caffe = _Finder(is_caffe)
_ours = _Finder(lambda name: not is_caffe(name))
