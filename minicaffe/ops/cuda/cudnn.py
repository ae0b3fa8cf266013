"""Convolution by cuDNN 9, through ctypes: `forward`, `backward_data`, `backward_weights`, and `require`.

These are the calls of the C library that cuDNN has had since its beginning; cuDNN 9 names the graph interface as their
successor but keeps them. They are used because a net for detection sees images of ever new sizes: cuDNN's heuristics
choose an algorithm for a shape at once, where a graph would be built and compiled. All that depends on shapes, the
descriptors and the choice, is kept as a plan. Without cuDNN, or for what it does not take, each of the three returns
False, and the caller multiplies columns.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np

from minicaffe.errors import DeviceError
from minicaffe.ops.arrays import array_module
from minicaffe.ops.cuda import nvidia
from minicaffe.ops.cuda.options import OPTIONS

# numbers of cuDNN's headers
NCHW = 0
CROSS_CORRELATION = 1
DEFAULT_MATH, FMA_MATH = 0, 3  # the default may round to TF32
DETERMINISTIC = 1
DATA_TYPES: dict[Any, tuple[int, Any]] = {
    np.dtype(np.float32): (0, ctypes.c_float),
    np.dtype(np.float64): (1, ctypes.c_double),
}
MOST_ALGORITHMS = 16
MOST_PLANS = 4096

FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS = "Forward", "BackwardData", "BackwardFilter"

Ints = tuple[int, ...]


class Performance(ctypes.Structure):
    """cudnnConvolution…AlgoPerf_t: an algorithm, and what the heuristics think of it."""

    _fields_ = (
        ("algorithm", ctypes.c_int),
        ("status", ctypes.c_int),
        ("time", ctypes.c_float),
        ("memory", ctypes.c_size_t),
        ("determinism", ctypes.c_int),
        ("math", ctypes.c_int),
        ("reserved", ctypes.c_int * 3),
    )


class Problem(NamedTuple):
    """A convolution as far as cuDNN's choice depends on it; two or three spatial axes."""

    direction: str
    dtype: Any
    x: Ints
    W: Ints
    y: Ints
    stride: Ints
    pad: Ints
    dilation: Ints
    group: int
    tf32: bool
    deterministic: bool
    workspace: int


def here() -> bool:
    """Whether cuDNN is on this machine."""
    return nvidia.cudnn() is not None


def require() -> None:
    """Raise DeviceError, saying what to install, unless cuDNN is on this machine."""
    if not here():
        raise DeviceError(
            "engine: CUDNN was asked for, but cuDNN 9 is not on this machine\n"
            f"  pip install nvidia-cudnn-cu{nvidia.cuda_major()}, or leave the engine out"
        )


def forward(x: Any, W: Any, stride: Ints, pad: Ints, dilation: Ints, group: int, y: Any) -> bool:
    """Write the convolution of x [N, C, *S] with W [O, C/group, *kernel] to y [N, O, *positions]."""
    return _run(FORWARD, x, W, y, (stride, pad, dilation, group), (x, W, y), beta=0.0)


def backward_data(dy: Any, W: Any, stride: Ints, pad: Ints, dilation: Ints, group: int, dx: Any) -> bool:
    """Write the gradient with respect to x to dx."""
    return _run(BACKWARD_DATA, dx, W, dy, (stride, pad, dilation, group), (W, dy, dx), beta=0.0)


def backward_weights(x: Any, dy: Any, dW: Any, stride: Ints, pad: Ints, dilation: Ints, group: int) -> bool:
    """Add the gradient with respect to W to dW."""
    return _run(BACKWARD_WEIGHTS, x, dW, dy, (stride, pad, dilation, group), (x, dy, dW), beta=1.0)


def _run(direction: str, x: Any, W: Any, y: Any, passing: Any, arrays: tuple[Any, Any, Any], beta: float) -> bool:
    """Run one of the three; `arrays` are its operands in cuDNN's order, the last one written to."""
    if not here() or not 1 <= x.ndim - 2 <= 3 or not (x.size and W.size and y.size):
        return False
    if x.dtype not in DATA_TYPES or not all(a.dtype == x.dtype and a.flags.c_contiguous for a in arrays):
        return False
    xp = array_module(x)
    plan = _plan(_problem(direction, x, W, y, *passing), xp)
    if plan.algorithm is None:
        return False
    workspace = xp.cuda.alloc(plan.memory) if plan.memory else None
    number = DATA_TYPES[x.dtype][1]
    first, second, result = (ctypes.c_void_p(array.data.ptr) for array in arrays)
    described = plan.in_order()
    _call(
        f"cudnnConvolution{direction}",
        _handle(xp),
        ctypes.byref(number(1.0)), described[0], first, described[1], second,
        plan.convolution, ctypes.c_int(plan.algorithm),
        ctypes.c_void_p(workspace.ptr if workspace else None), ctypes.c_size_t(plan.memory),
        ctypes.byref(number(beta)), described[2], result,
    )  # fmt: skip
    return True


def _problem(
    direction: str,
    x: Any,
    W: Any,
    y: Any,
    stride: Sequence[int],
    pad: Sequence[int],
    dilation: Sequence[int],
    group: int,
) -> Problem:
    """Return the problem, a single spatial axis made the second of two."""
    extra = (1,) * (len(stride) == 1)
    none = (0,) * len(extra)
    x_shape, W_shape, y_shape = ((*array.shape[:2], *extra, *array.shape[2:]) for array in (x, W, y))
    return Problem(
        direction, x.dtype, x_shape, W_shape, y_shape, (*extra, *stride), (*none, *pad), (*extra, *dilation), group,
        OPTIONS.tf32, OPTIONS.deterministic, OPTIONS.workspace,
    )  # fmt: skip


class Plan:
    """Descriptors of one problem, and the algorithm chosen for it; `algorithm` is None where none will do."""

    def __init__(self, problem: Problem):
        self.direction = problem.direction
        kind = DATA_TYPES[problem.dtype][0]
        self.x = _tensor(kind, problem.x)
        self.y = _tensor(kind, problem.y)
        self.W = _descriptor("Filter")
        _call("cudnnSetFilterNdDescriptor", self.W, kind, NCHW, len(problem.W), _array(problem.W))
        self.convolution = _descriptor("Convolution")
        passing = map(_array, (problem.pad, problem.stride, problem.dilation))
        _call("cudnnSetConvolutionNdDescriptor", self.convolution, len(problem.pad), *passing, CROSS_CORRELATION, kind)
        _call("cudnnSetConvolutionGroupCount", self.convolution, problem.group)
        _call("cudnnSetConvolutionMathType", self.convolution, DEFAULT_MATH if problem.tf32 else FMA_MATH)
        self.algorithm: int | None = None
        self.memory = 0
        weakref.finalize(self, _destroy, self.x, self.y, self.W, self.convolution)

    def choose(self, candidates: Sequence[Performance], problem: Problem) -> None:
        """Take the first algorithm, the fastest in the eyes of the heuristics, that is as wanted and fits."""
        for each in candidates:
            fits = each.memory <= problem.workspace
            if each.status == 0 and fits and (each.determinism == DETERMINISTIC or not problem.deterministic):
                self.algorithm, self.memory = each.algorithm, each.memory
                if problem.tf32:
                    _call("cudnnSetConvolutionMathType", self.convolution, each.math)
                return

    def in_order(self) -> tuple[Any, Any, Any]:
        """Return the descriptors of the three arrays in the order of the direction's operands."""
        orders = {FORWARD: (self.x, self.W, self.y), BACKWARD_DATA: (self.W, self.y, self.x)}
        return orders.get(self.direction, (self.x, self.y, self.W))


@lru_cache(maxsize=MOST_PLANS)
def _plan(problem: Problem, xp: Any) -> Plan:
    plan = Plan(problem)
    count, found = ctypes.c_int(0), (Performance * MOST_ALGORITHMS)()
    first, second, result = plan.in_order()
    status = _status(
        f"cudnnGetConvolution{problem.direction}Algorithm_v7",
        _handle(xp), first, second, plan.convolution, result, MOST_ALGORITHMS, ctypes.byref(count), found,
    )  # fmt: skip
    if status == 0:
        plan.choose(found[: count.value], problem)
    return plan


@cache
def _new_handle(device: int) -> ctypes.c_void_p:
    handle = ctypes.c_void_p()
    _call("cudnnCreate", ctypes.byref(handle))
    return handle


def _handle(xp: Any) -> ctypes.c_void_p:
    """Return cuDNN's handle for the device at hand, set to its current stream."""
    handle = _new_handle(xp.cuda.Device().id)
    _call("cudnnSetStream", handle, ctypes.c_void_p(xp.cuda.get_current_stream().ptr))
    return handle


def _tensor(kind: int, shape: Ints) -> ctypes.c_void_p:
    strides = [1]
    for size in shape[:0:-1]:
        strides.append(strides[-1] * size)
    tensor = _descriptor("Tensor")
    _call("cudnnSetTensorNdDescriptor", tensor, kind, len(shape), _array(shape), _array(strides[::-1]))
    return tensor


def _descriptor(what: str) -> ctypes.c_void_p:
    made = ctypes.c_void_p()
    _call(f"cudnnCreate{what}Descriptor", ctypes.byref(made))
    return made


def _destroy(x: ctypes.c_void_p, y: ctypes.c_void_p, W: ctypes.c_void_p, convolution: ctypes.c_void_p) -> None:
    for what, descriptor in (("Tensor", x), ("Tensor", y), ("Filter", W), ("Convolution", convolution)):
        _status(f"cudnnDestroy{what}Descriptor", descriptor)


def _array(numbers: Sequence[int]) -> Any:
    return (ctypes.c_int * len(numbers))(*numbers)


def _status(name: str, *arguments: Any) -> int:
    return getattr(nvidia.cudnn(), name)(*arguments)


def _call(name: str, *arguments: Any) -> None:
    """Call a function of cuDNN; DeviceError in its own words if it fails."""
    status = _status(name, *arguments)
    if status:
        words = nvidia.cudnn().cudnnGetErrorString
        words.restype = ctypes.c_char_p
        raise DeviceError(f"cuDNN {nvidia.cudnn_version()}: {name} failed: {words(status).decode()}")
