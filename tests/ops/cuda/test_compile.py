"""Every kernel is CUDA C++: NVRTC, with which CuPy compiles it, and nvcc take it without a warning."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from minicaffe.ops.cuda import launch
from tests.ops.cuda import compilers

TYPES = list(product(launch.REALS.values(), launch.INDICES.values()))


@pytest.mark.parametrize("file", launch.FILES)
def test_nvrtc(file: str) -> None:
    library = compilers.nvrtc()
    if library is None:
        pytest.skip("NVRTC is not installed: pip install nvidia-cuda-nvrtc")
    for types in TYPES:
        log = compilers.compile_with_nvrtc(library, launch.source(file), launch.options(*types))
        assert log.strip("\0\n ") == "", (types, log)


def test_nvcc(tmp_path: Path) -> None:
    program = compilers.nvcc()
    if program is None:
        pytest.skip("nvcc is not installed")
    parts = []  # in one go, since nvcc takes seconds to begin
    for real, index in TYPES:
        parts += [f"#undef Real\n#undef Index\n#define Real {real}\n#define Index {index}"]
        for file in launch.FILES:
            name = f"{file}_{real}_{index.replace(' ', '_')}"
            parts += [f"namespace {name} {{", launch.source(file).replace('extern "C" ', ""), "}"]
    log = compilers.compile_with_nvcc(program, "\n".join(parts), ["-std=c++17", "--fmad=false"], tmp_path)
    assert log == ""


def test_the_folder_holds_kernels() -> None:
    assert len(launch.FILES) >= 10
