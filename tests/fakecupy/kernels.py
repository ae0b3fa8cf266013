"""CuPy's RawModule where there is no GPU: CUDA C++, compiled as plain C++ behind `shim.h` and run on the host.

A launch compares every argument with what the kernel takes, which a launch on a GPU does not: there a number of the
wrong width is read as another number.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

launches = 0  # of kernels, so far
SHIM = Path(__file__).with_name("shim.h")
_KERNEL = re.compile(r'extern "C" __global__ void\s+(\w+)\(')


def compiler() -> str | None:
    """Return a C++ compiler, if there is one."""
    return shutil.which("g++") or shutil.which("clang++")


def as_cpp(code: str) -> str:
    """Return a library's source: the shim, the kernels, and for each one to launch it and one to say what it takes."""
    parts = [f'#include "{SHIM}"', code]
    starts = [*_KERNEL.finditer(code)]
    for found, after in zip(starts, [*(each.start() for each in starts[1:]), len(code)], strict=True):
        name = found[1]
        meets = _meets(code, code[found.start() : after])
        parts.append(
            f'extern "C" void launch_{name}(unsigned grid, unsigned block, void** arguments) '
            f"{{ launch({name}, grid, block, arguments, {str(meets).lower()}); }}\n"
            f'extern "C" const char* letters_{name}() '
            f"{{ static const std::string all = letters({name}); return all.c_str(); }}"
        )
    return "\n".join(parts)


def _meets(code: str, kernel: str) -> bool:
    """Whether a kernel meets at __syncthreads, itself or in a function that it calls."""
    function = re.compile(r"__device__ inline \w+ (\w+)\([^{]*\{((?:(?!__device__).)*?)\n\}", re.DOTALL)
    helpers = [each[1] for each in function.finditer(code) if "__syncthreads" in each[2]]
    return "__syncthreads" in kernel or any(f"{name}(" in kernel for name in helpers)


class RawModule:
    """A source compiled with the macros among `options`."""

    def __init__(self, *, code: str, options: tuple[str, ...] = ()):
        macros = tuple(each for each in options if each.startswith("-D"))
        self._library = ctypes.CDLL(str(build(as_cpp(code), macros)))

    def get_function(self, name: str) -> RawKernel:
        return RawKernel(self._library, name)


class RawKernel:
    """One kernel of a module; called like CuPy's."""

    def __init__(self, library: ctypes.CDLL, name: str):
        self._name = name
        self._launch = getattr(library, f"launch_{name}")
        letters = getattr(library, f"letters_{name}")
        letters.restype = ctypes.c_char_p
        text = letters().decode()
        self._takes = [text[i : i + 2] for i in range(0, len(text), 2)]

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...]) -> None:
        global launches  # noqa: PLW0603
        launches += 1
        assert len(args) == len(self._takes), f"{self._name} takes {len(self._takes)} arguments, {len(args)} are given"
        boxes = [_boxed(each, takes, self._name) for each, takes in zip(args, self._takes, strict=True)]
        pointers = (ctypes.c_void_p * len(boxes))(*(box.ctypes.data for box in boxes))
        self._launch(ctypes.c_uint(*grid), ctypes.c_uint(*block), pointers)


def _boxed(argument: Any, takes: str, kernel: str) -> np.ndarray:
    """Return memory that holds the argument's value, or an array's address; the types must be the very same."""
    is_number = isinstance(argument, np.generic)
    found = (" " if is_number else "*") + np.dtype(argument.dtype).char.replace("l", "q").replace("L", "Q")
    assert found == takes, f"{kernel}: an argument is {found!r}, the kernel takes {takes!r}"
    return np.array(argument) if is_number else np.array([argument.data.ptr], np.uintp)


@cache
def build(source: str, macros: tuple[str, ...]) -> Path:
    """Compile into a library that is kept in the folder for temporary files, for other tests and other runs."""
    program = compiler()
    assert program is not None
    options = [*macros, "-std=c++17", "-O1", "-shared", "-fPIC", "-ffp-contract=off", "-w"]
    name = hashlib.sha256("\0".join([program, source, SHIM.read_text(), *options]).encode()).hexdigest()[:24]
    folder = Path(tempfile.gettempdir()) / f"minicaffe-kernels-{os.getuid() if hasattr(os, 'getuid') else ''}"
    folder.mkdir(mode=0o700, exist_ok=True)
    target = folder / f"{name}.so"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=folder) as place:
            file, library = Path(place) / "kernels.cpp", Path(place) / "kernels.so"
            file.write_text(source, encoding="utf-8")
            command = [program, *options, str(file), "-o", str(library)]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            library.replace(target)
    return target
