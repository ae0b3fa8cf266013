"""Every layer type minicaffe knows, one file each; importing this package registers them all.

It is also pycaffe's `caffe.layers`: `layers.Convolution(bottom, num_output=8, kernel_size=3)` describes a layer for
NetSpec.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def __getattr__(layer_type: str) -> Callable[..., Any]:
    if not layer_type[:1].isupper():
        raise AttributeError(f"module {__name__!r} has no attribute {layer_type!r}")
    from minicaffe.net_spec import layers

    return getattr(layers, layer_type)
