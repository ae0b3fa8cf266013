"""What this machine has to compute with, and what to install for more."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from typing import Any

from minicaffe import ops
from minicaffe.ops.cpu import threads
from minicaffe.ops.cuda import nvidia
from minicaffe.version import __version__

Row = tuple[str, str]


def survey() -> Iterator[Row]:
    """Yield (label, finding) pairs, the program first, then the CPU's, then the GPU's; nothing missing is an error."""
    yield "minicaffe", f"{__version__}, computes on the CPU, and with --gpu on a GPU"
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
    yield "threads", f"{threads.count()}, of kernels and BLAS together; fewer with OMP_NUM_THREADS or --threads"
    problem = ops.numba_problem()
    if problem is None:
        import numba

        yield "numba", numba.__version__
    else:
        yield "numba", f"not used, the slower NumPy path runs instead: {problem} (pip install numba)"


def gpu() -> Iterator[Row]:
    """Yield what there is for GPUs: the driver, CuPy, cuDNN and the devices themselves."""
    driver = nvidia.driver_cuda()
    yield "NVIDIA driver", f"for CUDA {driver // 1000}.{driver % 1000 // 10}" if driver else "none found"
    try:
        import cupy
    except Exception as error:
        advice = nvidia.advice() if driver else "of no use without an NVIDIA driver"
        yield "CuPy", f"not importable ({type(error).__name__}: {error}); {advice}"
        return
    yield "CuPy", f"{cupy.__version__}, for CUDA {cupy.cuda.runtime.runtimeGetVersion() // 1000}"
    missing = f"not found, convolutions multiply columns instead: pip install nvidia-cudnn-cu{nvidia.cuda_major()}"
    yield "cuDNN", nvidia.cudnn_version() or missing
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
