"""Launching the kernels of the `.cu` files in this folder.

A file is compiled when one of its kernels is first launched, for one type of number and one of index, and kept for the
rest of the run; CuPy keeps what it compiled on disk, for the next. Multiplications and additions are never fused and no
function is replaced by a faster and less exact one: the arithmetic is that of the definitions in `minicaffe.ops`. (CuPy
itself has floats below 1e-38 taken for zero.)
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe.ops.arrays import array_module

FOLDER = Path(__file__).parent
FILES = tuple(sorted(path.stem for path in FOLDER.glob("*.cu")))
THREADS = 256
MOST_BLOCKS = 1 << 16  # beyond, a thread takes several items

# From here on places are counted in 64 bits; less than 2^31, since a loop's last step goes beyond its end.
WIDE = 1 << 30

REALS = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
INDICES = {np.int32: "int", np.int64: "long long"}


def source(file: str) -> str:
    """Return the CUDA C++ of `file` as it is compiled, but for the macros Real and Index."""
    return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in ("loop.cuh", f"{file}.cu"))


def options(real: str, index: str) -> tuple[str, ...]:
    """Return what the compiler is told."""
    return ("-std=c++17", "--fmad=false", f"-DReal={real}", f"-DIndex={index}")


@cache
def module(xp: Any, file: str, real: str, index: str) -> Any:
    """Return `file` compiled for these types, as a module of CUDA kernels."""
    return xp.RawModule(code=source(file), options=options(real, index))


@cache
def function(xp: Any, device: int, file: str, kernel: str, real: str, index: str) -> Any:
    """Return a kernel of `file`, compiled for these types and loaded on the device at hand, number `device`."""
    return module(xp, file, real, index).get_function(kernel)


def suits(*arrays: Any) -> bool:
    """Return whether kernels take these arrays: C-contiguous, all float32 or all float64."""
    return (
        len({array.dtype for array in arrays}) == 1
        and arrays[0].dtype in REALS
        and all(array.flags.c_contiguous for array in arrays)
    )


def launch(
    file: str, kernel: str, count: int, *arguments: Any, threads: int = THREADS, blocks: int | None = None
) -> None:
    """Run `kernel` of `file` for `count` items, on the device and in the stream at hand.

    Arrays are given by their memory, ints as Index, floats as Real, and numbers of NumPy's as what they are. Real is
    the type of the first array of floats; Index is wide enough for `count` and all arrays. `blocks` is how many blocks
    there are (default: so many that every thread has one item).
    """
    if not count:
        return
    arrays = [each for each in arguments if hasattr(each, "flags") and not isinstance(each, np.generic)]
    real = next((each.dtype for each in arrays if each.dtype in REALS), np.dtype(np.float32))
    wide = max(count, *(array.size for array in arrays)) >= WIDE
    index = np.int64 if wide else np.int32
    numbers = [
        index(each) if isinstance(each, int) else real.type(each) if isinstance(each, float) else each
        for each in arguments
    ]
    xp = array_module(arrays[0])
    run = function(xp, xp.cuda.Device().id, file, kernel, REALS[real], INDICES[index])
    run((blocks or min(-(-count // threads), MOST_BLOCKS),), (threads,), tuple(numbers))
