"""Convolution by cuDNN: our calls, answered by a stand-in for the library, and the library's own view of them."""

from __future__ import annotations

import ctypes
import importlib.util
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minicaffe import ops as package
from minicaffe.errors import DeviceError
from minicaffe.ops.cuda import cudnn, nvidia
from minicaffe.ops.cuda.options import OPTIONS
from tests import fakecupy
from tests.fakecupy import kernels

SOURCE = Path(__file__).with_name("cudnn_stand_in.cpp")
DEFINITION = package.definition()

CASES = [  # x, W, stride, pad, dilation, group
    ((2, 4, 7, 6), (6, 4, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((1, 4, 9, 8), (4, 2, 3, 2), (2, 1), (0, 2), (2, 1), 2),
    ((3, 2, 8), (5, 2, 3), (2,), (1,), (1,), 1),
    ((1, 2, 5, 4, 6), (3, 2, 2, 3, 1), (1, 1, 2), (1, 0, 0), (1, 1, 1), 1),
    ((2, 3, 1, 1), (4, 3, 1, 1), (1, 1), (0, 0), (1, 1), 1),
]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The stand-in, in the place of cuDNN."""
    if fakecupy.compiler() is None:
        pytest.skip("no C++ compiler: the stand-in for cuDNN cannot be built")
    made = ctypes.CDLL(str(kernels.build(SOURCE.read_text(encoding="utf-8"), ())))
    made.cudnnGetVersion.restype = made.stand_in_stream.restype = ctypes.c_size_t
    _forget()
    monkeypatch.setattr(nvidia, "cudnn", lambda: made)
    yield made
    _forget()


def _forget() -> None:
    cudnn._plan.cache_clear()
    cudnn._new_handle.cache_clear()


@pytest.fixture
def device() -> Any:
    return fakecupy.operations()


def arrays(case: Any, dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x, W and dy of a case."""
    x, W, stride, pad, dilation, _ = case
    sizes = zip(x[2:], W[2:], stride, pad, dilation, strict=True)
    positions = [(n + 2 * p - (d * (k - 1) + 1)) // s + 1 for n, k, s, p, d in sizes]
    rng = np.random.Generator(np.random.PCG64(3))
    return tuple(rng.standard_normal(shape).astype(dtype) for shape in (x, W, (x[0], W[0], *positions)))  # type: ignore


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=lambda case: "x".join(map(str, case[0])))
def test_all_three_against_the_definition(library: Any, device: Any, case: Any, dtype: Any) -> None:
    x, W, dy = arrays(case, dtype)
    b, passing = np.arange(len(W), dtype=dtype), case[2:]
    tolerance = {"rtol": 0, "atol": 1e-4 if dtype == np.float32 else 1e-11}
    on_device = [fakecupy.asarray(each) for each in (x, W, dy, b)]

    expected, got = np.empty_like(dy), fakecupy.empty(dy.shape, dtype)
    DEFINITION.conv(x, W, b, *passing, expected)
    device.conv(on_device[0], on_device[1], on_device[3], *passing, got)
    np.testing.assert_allclose(got.get(), expected, **tolerance)
    device.conv(on_device[0], on_device[1], on_device[3], *passing, got, relu=True)
    np.testing.assert_allclose(got.get(), np.maximum(expected, 0), **tolerance)

    expected, got = np.empty_like(x), fakecupy.empty(x.shape, dtype)
    DEFINITION.conv_backward_data(dy, W, *passing, expected)
    device.conv_backward_data(on_device[2], on_device[1], *passing, got)
    np.testing.assert_allclose(got.get(), expected, **tolerance)

    expected, got = np.full_like(W, 0.5), fakecupy.asarray(np.full_like(W, 0.5))
    DEFINITION.conv_backward_weights(x, dy, expected, *passing)
    device.conv_backward_weights(on_device[0], on_device[2], got, *passing)
    np.testing.assert_allclose(got.get(), expected, **tolerance)
    assert library.stand_in_heuristics() > 0


def run(device: Any) -> None:
    x, W, dy = (fakecupy.asarray(each) for each in arrays(CASES[0], np.float32))
    device.conv(x, W, None, *CASES[0][2:], dy)


def test_the_first_algorithm_that_is_there_and_fits(library: Any, device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run(device)
    assert library.stand_in_algorithm() == 2, "the first is not there, the second needs a gigabyte"
    monkeypatch.setattr(OPTIONS, "workspace", 2 << 30)
    run(device)
    assert library.stand_in_algorithm() == 1
    monkeypatch.setattr(OPTIONS, "deterministic", True)
    run(device)
    assert library.stand_in_algorithm() == 3


def test_where_none_fits_columns_are_multiplied(library: Any, device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OPTIONS, "workspace", 0)
    before = library.stand_in_algorithm()
    x, W, dy = arrays(CASES[0], np.float32)
    got = fakecupy.empty(dy.shape, np.float32)
    device.conv(fakecupy.asarray(x), fakecupy.asarray(W), None, *CASES[0][2:], got)
    DEFINITION.conv(x, W, None, *CASES[0][2:], dy)
    np.testing.assert_allclose(got.get(), dy, atol=1e-4)
    assert library.stand_in_algorithm() == before, "nothing was asked of it"


def test_tf32_is_asked_for_or_ruled_out(library: Any, device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run(device)
    assert library.stand_in_math() == cudnn.FMA_MATH
    monkeypatch.setattr(OPTIONS, "tf32", True)
    run(device)
    assert library.stand_in_math() == 1, "what the heuristics say of the algorithm"


def test_a_plan_is_made_once_a_shape_and_its_descriptors_go_with_it(library: Any, device: Any) -> None:
    alive, asked = library.stand_in_alive(), library.stand_in_heuristics()
    for _ in range(3):
        run(device)
    assert library.stand_in_heuristics() == asked + 1
    assert library.stand_in_alive() == alive + 4
    cudnn._plan.cache_clear()
    assert library.stand_in_alive() == alive


def test_it_runs_in_the_current_stream(library: Any, device: Any) -> None:
    run(device)
    assert library.stand_in_stream() == fakecupy.cuda.current.ptr


def test_a_call_that_fails_is_told_in_cudnns_words(library: Any) -> None:
    with pytest.raises(DeviceError, match=r"cuDNN 9\.12\.34: cudnnSetFilterNdDescriptor failed: STAND_IN_REFUSES"):
        cudnn._call("cudnnSetFilterNdDescriptor", cudnn._descriptor("Filter"), 0, 0, 2, cudnn._array((1, 1)))


def test_engines(library: Any, device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert device.with_engine(0) is device.with_engine(package.CUDNN) is device
    before, plain = library.stand_in_heuristics(), device.with_engine(package.CAFFE)
    run(plain)
    assert library.stand_in_heuristics() == before
    monkeypatch.setattr(nvidia, "cudnn", lambda: None)
    with pytest.raises(
        DeviceError, match=r"engine: CUDNN .* is not on this machine\n  pip install nvidia-cudnn-cu1[23]"
    ):
        device.with_engine(package.CUDNN)
    assert package.default().with_engine(package.CUDNN) is package.default()


# -- the library itself -----------------------------------------------------------------------------------------------


def test_signatures_are_those_of_the_header(tmp_path: Path) -> None:
    compiler, folders = fakecupy.compiler(), _header_folders()
    if compiler is None or not folders:
        pytest.skip("cuDNN's and CUDA's headers, or a C++ compiler, are not installed")
    command = [
        compiler,
        "-fsyntax-only",
        "-std=c++17",
        "-w",
        "-DHEADER",
        *(f"-I{each}" for each in folders),
        str(SOURCE),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _header_folders() -> list[Path]:
    """Return where cudnn.h and cuda_runtime.h lie; nothing unless both are there."""
    found = []
    for name, module, beside in (("cudnn.h", "nvidia.cudnn", ""), ("cuda_runtime.h", "nvidia", "cu13")):
        spec = importlib.util.find_spec(module.partition(".")[0]) and importlib.util.find_spec(module)
        places = [Path(each) / beside / "include" for each in (spec.submodule_search_locations or [])] if spec else []
        places += [Path("/usr/local/cuda/include"), Path("/usr/include")]
        found += [place for place in places if (place / name).is_file()][:1]
    return found if len(found) == 2 else []


def test_cudnn_itself_agrees_on_the_sizes() -> None:
    """Its descriptors need no GPU: cuDNN says how large the output of each case is."""
    library = nvidia.cudnn()
    if library is None:
        pytest.skip("cuDNN is not installed: pip install nvidia-cudnn-cu13")
    for case in CASES:
        x, W, dy = arrays(case, np.float32)
        plan = cudnn.Plan(cudnn._problem(cudnn.FORWARD, x, W, dy, *case[2:]))
        axes = max(x.ndim, 4)
        sizes = (ctypes.c_int * axes)()
        status = library.cudnnGetConvolutionNdForwardOutputDim(plan.convolution, plan.x, plan.W, axes, sizes)
        assert status == 0
        expected = dy.shape if dy.ndim > 3 else (*dy.shape[:2], 1, dy.shape[2])
        assert tuple(sizes) == expected
