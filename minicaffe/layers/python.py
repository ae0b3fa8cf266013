"""Python: a layer the user wrote, named by module and class in the prototxt.

bottoms, tops: whatever the class makes of them. python_param: `module`, `layer` (the class), `param_str` (any text).

The class derives from `minicaffe.Layer` (`caffe.Layer` in legacy code) and defines `setup`, `reshape`, `forward`,
`backward`. pycaffe's form works on `bottom[i].data`, `top[i].diff`, `top[i].reshape(...)` and finds `self.param_str`
(older code: `self.param_str_`), `self.phase` (an int that also equals 'TRAIN' or 'TEST') and `self.blobs`; our own
form may use everything `minicaffe.layer.Layer` offers. The module is looked for beside the prototxt, on PYTHONPATH,
and among the names of the published detection code that `minicaffe.compat` stands in for. What the class raises keeps
its traceback. The form of `share_in_parallel` is read and ignored, as in Caffe.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from minicaffe import compat
from minicaffe.errors import LayerError, NetError, describe, did_you_mean
from minicaffe.layer import Layer, Setting, register


@register("Python")
class Python(Layer):
    """Stands in the registry for every user's layer; `create` returns an instance of the class the prototxt names."""

    @classmethod
    def create(cls, param: Any, setting: Setting) -> Layer:
        if cls is not Python:
            return cls(param, setting)
        user_class = find_class(param, setting.folder)
        try:
            return user_class(param, setting)
        except TypeError as error:
            raise LayerError(
                f"{describe(param)}: {user_class.__name__} could not be made: {error}\n  leave __init__ out and "
                "initialise in setup(bottom, top)"
            ) from error


def find_class(param: Any, folder: Path | None) -> type[Layer]:
    """Return the class named by `python_param`, or raise NetError saying where it was looked for."""
    name, layer_name = param.python_param.module, param.python_param.layer
    if not name or not layer_name:
        raise NetError(f"{describe(param)}: python_param needs both 'module' and 'layer'")
    module = _find_module(param, name, folder)
    found = getattr(module, layer_name, None)
    if found is None:
        classes = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise NetError(
            f"{describe(param)}: module {name!r} ({getattr(module, '__file__', '?')}) has no class {layer_name!r}"
            f"{did_you_mean(layer_name, classes)}"
        )
    if not (isinstance(found, type) and issubclass(found, Layer)):
        raise NetError(
            f"{describe(param)}: {name}.{layer_name} is not a layer: derive it from minicaffe.Layer (caffe.Layer)"
        )
    return found


def _find_module(param: Any, name: str, folder: Path | None) -> ModuleType:
    compat.install()
    try:
        beside = _beside(name, folder)
        if beside is not None:
            return beside
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            known = compat.resolve(name)
            if known is not None:
                return known
            places = [str(folder or "."), *(path or "." for path in sys.path)]
            raise NetError(
                f"{describe(param)}: cannot find the Python module {name!r}; looked beside the prototxt and in\n    "
                + "\n    ".join(places)
                + "\n  put its folder on PYTHONPATH"
            ) from None
        raise _import_failed(param, name, error) from error
    except Exception as error:
        raise _import_failed(param, name, error) from error


def _import_failed(param: Any, name: str, error: Exception) -> LayerError:
    from minicaffe.compat.python2 import hint

    advice = hint(error)
    message = f"{describe(param)}: importing {name!r} raised {type(error).__name__}: {error}"
    return LayerError(message + (f"\n  {advice}" if advice else ""))


def _beside(name: str, folder: Path | None) -> ModuleType | None:
    """Import `name` from the prototxt's folder if it is there, under its own name unless another module has taken
    that."""
    if folder is None:
        return None
    base = folder.joinpath(*name.split("."))
    path = next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)
    if path is None:
        return None
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded
    known_as = name if loaded is None else f"{name}@{folder}"
    if known_as in sys.modules:
        return sys.modules[known_as]
    return _load(known_as, path, folder)


def _load(known_as: str, path: Path, folder: Path) -> ModuleType:
    """Run the file as module `known_as`; its own imports may come from its folder."""
    spec = importlib.util.spec_from_file_location(known_as, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[known_as] = module
    sys.path.insert(0, str(folder))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[known_as]
        raise
    finally:
        sys.path.remove(str(folder))
    return module
