"""What this machine has to compute with, and what to install for more."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minicaffe import ops
from minicaffe.version import __version__

Row = tuple[str, str]


def survey() -> Iterator[Row]:
    """Yield (label, finding) pairs, the program first, then the CPU's, then the GPU's; nothing missing is an error."""
    yield "minicaffe", f"{__version__}, computes on the CPU"
    yield "Python", f"{platform.python_version()} ({platform.system()} {platform.machine()}), {sys.executable}"
    yield from cpu()
    yield from gpu()


def cpu() -> Iterator[Row]:
    """Yield what the CPU path stands on: the processor, NumPy and its BLAS, numba."""
    import numpy as np

    yield "CPU", f"{_processor()}, {usable_cores()} cores usable"
    yield "CPU features", _features(np)
    yield "NumPy", np.__version__
    yield "BLAS", _blas()
    problem = ops.numba_problem()
    if problem is None:
        import numba

        yield "numba", f"{numba.__version__}, {numba.get_num_threads()} threads"
    else:
        yield "numba", f"not used, the slower NumPy path runs instead: {problem} (pip install numba)"


def gpu() -> Iterator[Row]:
    """Yield what there is for GPUs: the driver, CuPy, cuDNN and the devices themselves."""
    driver = _driver_cuda()
    yield "NVIDIA driver", f"for CUDA {driver // 1000}.{driver % 1000 // 10}" if driver else "none found"
    extra = "cuda12x" if driver and driver < 13000 else "cuda13x"
    try:
        import cupy
    except Exception as error:
        advice = f"pip install 'minicaffe[{extra}]'" if driver else "of no use without an NVIDIA driver"
        yield "CuPy", f"not importable ({type(error).__name__}: {error}); {advice}"
        return
    yield "CuPy", cupy.__version__
    yield "cuDNN", _cudnn() or f"not found; pip install nvidia-cudnn-cu{extra[4:6]}"
    yield from _devices(cupy)


def usable_cores() -> int:
    """Count the cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _features(np: Any) -> str:
    try:
        simd = np.show_config(mode="dicts")["SIMD Extensions"]
    except (TypeError, KeyError):  # NumPy before 1.25 only prints
        return "unknown to this NumPy"
    return " ".join([*simd.get("baseline", []), *simd.get("found", [])]) or "none beyond the baseline"


def _blas() -> str:
    import threadpoolctl

    found = [_library(each) for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"]
    return "; ".join(found) or "one whose threads cannot be counted"


def _library(about: dict[str, Any]) -> str:
    name = " ".join(part for part in (about["internal_api"], about["version"], about.get("architecture")) if part)
    return f"{name}, {about['num_threads']} threads"


def _driver_cuda() -> int:
    """Return the newest CUDA version the driver runs, as 1000 * major + 10 * minor; 0 without a driver."""
    version = ctypes.c_int(0)
    for name in ("libcuda.so.1", "nvcuda.dll"):
        try:
            ctypes.CDLL(name).cuDriverGetVersion(ctypes.byref(version))
            return version.value
        except (OSError, AttributeError):
            continue
    return 0


def _cudnn() -> str:
    """Return the version of cuDNN, from the package that carries it or from where the system keeps libraries."""
    try:
        package = importlib.util.find_spec("nvidia.cudnn")
    except ModuleNotFoundError:
        package = None
    folders = [str(Path(place) / "lib") for place in (package.submodule_search_locations or [])] if package else []
    for name in [*(f"{folder}/libcudnn.so.9" for folder in folders), "libcudnn.so.9", "cudnn64_9.dll"]:
        try:
            number = ctypes.CDLL(name).cudnnGetVersion()
        except (OSError, AttributeError):
            continue
        return f"{number // 10000}.{number % 10000 // 100}.{number % 100}"
    return ""


def _devices(cupy: Any) -> Iterator[Row]:
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        yield "GPUs", f"none usable: {error}"
        return
    for i in range(count):
        about = cupy.cuda.runtime.getDeviceProperties(i)
        name = about["name"].decode() if isinstance(about["name"], bytes) else about["name"]
        capability = f"compute capability {about['major']}.{about['minor']}"
        memory = f"{about['totalGlobalMem'] / 2**30:.1f} GiB"
        yield f"GPU {i}", f"{name}, {capability}, {memory}, {about['multiProcessorCount']} multiprocessors"
