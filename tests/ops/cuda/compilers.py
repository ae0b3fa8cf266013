"""CUDA's own compilers, wherever they are installed: NVRTC, which needs no GPU, and nvcc."""

from __future__ import annotations

import ctypes
import ctypes.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ARCHITECTURE = "80"


def nvrtc() -> ctypes.CDLL | None:
    """Return NVRTC from its Python package, or from where the system keeps it; None without."""
    names = []
    for place in map(Path, sys.path):
        names += sorted(place.glob("nvidia/*/lib/libnvrtc.so.*[0-9]"))
    for name in [*map(str, names), "libnvrtc.so.13", "libnvrtc.so.12", ctypes.util.find_library("nvrtc")]:
        try:
            if name:
                return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def compile_with_nvrtc(library: ctypes.CDLL, source: str, options: Sequence[str]) -> str:
    """Compile as CuPy does; return the compiler's log, which begins with `failed` if it found an error."""
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    assert library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None) == 0
    all_options = [*options, f"--gpu-architecture=compute_{ARCHITECTURE}"]
    given = (ctypes.c_char_p * len(all_options))(*(each.encode() for each in all_options))
    status = library.nvrtcCompileProgram(program, len(all_options), given)
    assert library.nvrtcGetProgramLogSize(program, ctypes.byref(size)) == 0
    log = ctypes.create_string_buffer(size.value)
    assert library.nvrtcGetProgramLog(program, log) == 0
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return ("failed\n" if status else "") + log.value.decode()


def nvcc() -> str | None:
    """Return the path of nvcc, if it is there."""
    return shutil.which("nvcc")


def compile_with_nvcc(program: str, source: str, options: Sequence[str], folder: Path) -> str:
    """Compile to PTX; return the compiler's log, which begins with `failed` if it found an error."""
    file = folder / "kernels.cu"
    file.write_text(source, encoding="utf-8")
    target = ["-ptx", f"-arch=compute_{ARCHITECTURE}", "-o", str(folder / "kernels.ptx"), str(file)]
    done = subprocess.run([program, *options, *target], check=False, capture_output=True, text=True)
    return ("failed\n" if done.returncode else "") + done.stdout + done.stderr
