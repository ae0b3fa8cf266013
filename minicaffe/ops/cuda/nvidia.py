"""What of NVIDIA's is on this machine, driver and cuDNN, and what to install for more."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any


@lru_cache(maxsize=1)
def driver_cuda() -> int:
    """Return the newest CUDA version the driver runs, as 1000 * major + 10 * minor; 0 without a driver."""
    version = ctypes.c_int(0)
    for name in ("libcuda.so.1", "nvcuda.dll"):
        try:
            ctypes.CDLL(name).cuDriverGetVersion(ctypes.byref(version))
            return version.value
        except (OSError, AttributeError):
            continue
    return 0


def cuda_major() -> int:
    """Return the CUDA version to install for: that of the CuPy that is here, else what the driver takes."""
    cupy = sys.modules.get("cupy")
    if cupy is not None:
        return 12 if cupy.cuda.runtime.runtimeGetVersion() < 13000 else 13
    return 12 if 0 < driver_cuda() < 13000 else 13


def advice() -> str:
    """Return how to install what computing on a GPU needs."""
    install = f"pip install 'minicaffe[cuda{cuda_major()}x]'"
    if driver_cuda():
        return f"{install} brings CuPy and cuDNN"
    return f"no NVIDIA driver was found: install one, then {install}"


@lru_cache(maxsize=1)
def cudnn() -> Any:
    """Return cuDNN 9 as a ctypes library, from its Python package or from where the system keeps it; None without."""
    try:
        package = importlib.util.find_spec("nvidia.cudnn")
    except ModuleNotFoundError:
        package = None
    places = package.submodule_search_locations if package and package.submodule_search_locations else []
    names = [*(str(Path(place) / "lib" / "libcudnn.so.9") for place in places), "libcudnn.so.9", "cudnn64_9.dll"]
    for name in names:
        try:
            library = ctypes.CDLL(name)
            library.cudnnGetVersion.restype = ctypes.c_size_t
            if library.cudnnGetVersion() // 10000 == 9:
                return library
        except (OSError, AttributeError):
            continue
    return None


def cudnn_version() -> str:
    """Return the version of cuDNN, or "" without one."""
    library = cudnn()
    number = library.cudnnGetVersion() if library else 0
    return f"{number // 10000}.{number % 10000 // 100}.{number % 100}" if number else ""
