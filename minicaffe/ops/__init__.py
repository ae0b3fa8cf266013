"""The arithmetic: plain arrays in, plain arrays out, the same signatures on every device.

Each operation is written once, for NumPy and CuPy alike, in a module of this package: that is its definition, and the
oracle of every faster version. A device overrides an operation only where measuring showed the definition slow. Layers
call `self.ops.NAME(...)` and never ask which device they are on; modules are imported when an operation is first
called.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

# operation -> module of this package that defines it
DEFINITIONS: dict[str, str] = {
    "conv": "convolution",
    "conv_backward_data": "convolution",
    "conv_backward_weights": "convolution",
    "conv_algorithm": "convolution",
    "im2col": "im2col",
    "col2im": "im2col",
    "pool_max": "pooling",
    "pool_max_backward": "pooling",
    "pool_ave": "pooling",
    "pool_ave_backward": "pooling",
    "pool_stochastic": "pooling",
    "pool_expected": "pooling",
    "matmul": "product",
    "l2_norm": "product",
    "add_matmul": "accumulate",
    "add_rows": "accumulate",
    "rectify": "elementwise",
    "rectify_backward": "elementwise",
    "weighted_sum": "elementwise",
    "dropout": "elementwise",
    "masked": "elementwise",
    "normalise": "channels",
    "channel_moments": "channels",
    "channel_sums": "channels",
    "normalise_backward": "channels",
    "lrn_across": "lrn",
    "lrn_across_backward": "lrn",
    "softmax": "softmax",
    "softmax_backward": "softmax",
    "log_loss": "softmax",
    "log_loss_backward": "softmax",
    "smooth_l1": "smooth_l1",
    "smooth_l1_backward": "smooth_l1",
    "roi_pool": "roi_pool",
    "roi_pool_backward": "roi_pool",
    "nms": "nms",
    "nms_by_group": "nms",
    "sgd_update": "updates",
    "nesterov_update": "updates",
    "adagrad_update": "updates",
    "rmsprop_update": "updates",
    "adadelta_update": "updates",
    "adam_update": "updates",
}


def _all_of(*modules: str) -> dict[str, str]:
    """Return the operations that these modules define, for a device that has every one of them in a module of the same
    name."""
    return {operation: module for operation, module in DEFINITIONS.items() if module in modules}


# operation -> module of minicaffe.ops.cpu that overrides it with a numba kernel
CPU_OVERRIDES: dict[str, str] = {
    **_all_of("convolution", "im2col", "elementwise", "channels", "lrn", "roi_pool", "nms", "updates"),
    **dict.fromkeys(("pool_max", "pool_max_backward", "pool_ave", "pool_ave_backward"), "pooling"),
    **dict.fromkeys(("matmul", "add_matmul"), "product"),
}

# What `engine: CAFFE` asks for: overrides that do the definition's arithmetic, product for product
PLAIN = dict.fromkeys(_all_of("convolution"), "plain_convolution")

# operation -> module of minicaffe.ops.cuda that overrides it with a CUDA kernel, or a library of NVIDIA's
CUDA_OVERRIDES: dict[str, str] = {
    **_all_of(
        "im2col", "pooling", "lrn", "softmax", "smooth_l1", "roi_pool", "nms", "updates", "elementwise", "channels"
    ),
    **dict.fromkeys(("conv", "conv_backward_data", "conv_backward_weights"), "convolution"),
    **dict.fromkeys(("matmul", "l2_norm", "add_matmul"), "products"),
    "add_rows": "accumulate",
    "dropout": "dropout",
}

CAFFE, CUDNN = 1, 2  # values of the field `engine`; 0 is DEFAULT


class Ops:
    """The operations of one device, as attributes: `ops.softmax(x, axis)`. `ops.xp` is its array module."""

    on_device = False  # whether its arrays live elsewhere than in the memory of the host

    def __init__(self, name: str, xp: Any, overrides: dict[str, str], package: str = ""):
        self.name = name
        self.xp = xp
        self._overrides = overrides
        self._package = package

    @property
    def plain(self) -> Ops:
        """The operations of the same device as their definitions have them: what `engine: CAFFE` asks for."""
        return Ops(self.name, self.xp, {})

    def with_engine(self, engine: int) -> Ops:
        """Return the operations that the field `engine` of a layer's definition asks for."""
        return self.plain if engine == CAFFE else self

    def number(self, x: Any) -> Any:
        """Return an array of one number as what further arithmetic should take: a float, or on a GPU the array."""
        return float(x)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("_") or operation not in DEFINITIONS:
            raise AttributeError(f"no operation {operation!r}")
        if operation in self._overrides:
            module = f"minicaffe.ops.{self._package}.{self._overrides[operation]}"
        else:
            module = f"minicaffe.ops.{DEFINITIONS[operation]}"
        function = getattr(importlib.import_module(module), operation)
        setattr(self, operation, function)
        return function


@lru_cache(maxsize=1)
def numba_problem() -> str | None:
    """Return why numba cannot be used (None when it can). `MINICAFFE_NUMBA=0` switches it off."""
    if os.environ.get("MINICAFFE_NUMBA") == "0":
        return "switched off by MINICAFFE_NUMBA=0"
    try:
        import numba  # noqa: F401
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


@lru_cache(maxsize=1)
def definition() -> Ops:
    """The plain NumPy definitions, without any override."""
    return Ops("numpy", np, {})


class _CpuOps(Ops):
    """NumPy with numba kernels; whether numba is there is only found out when the first overridden operation runs."""

    @property
    def plain(self) -> Ops:
        return _CpuOps(self.name, self.xp, {**self._overrides, **PLAIN} if self._overrides else {}, self._package)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation in self._overrides and numba_problem() is not None:
            self._overrides = {}
        return super().__getattr__(operation)


class DeviceOps(Ops):
    """The operations of a GPU, or of whatever else has an array module like CuPy's."""

    on_device = True

    @property
    def plain(self) -> Ops:
        columns = {name: "columns" for name, module in self._overrides.items() if module == "convolution"}
        return type(self)(self.name, self.xp, {**self._overrides, **columns}, self._package)

    def with_engine(self, engine: int) -> Ops:
        """Without cuDNN for `engine: CAFFE`; `engine: CUDNN` is a DeviceError where cuDNN is missing."""
        if engine == CUDNN:
            from minicaffe.ops.cuda.cudnn import require

            require()
        return super().with_engine(engine)

    def number(self, x: Any) -> Any:
        return x


@lru_cache(maxsize=1)
def cuda() -> Ops:
    """The operations for GPU mode: CUDA kernels and NVIDIA's libraries where they pay, CuPy everywhere else."""
    import cupy

    return DeviceOps("cuda", cupy, CUDA_OVERRIDES, package="cuda")


@lru_cache(maxsize=1)
def default() -> Ops:
    """The operations for CPU mode: numba kernels where they pay, NumPy everywhere else."""
    return _CpuOps("cpu", np, CPU_OVERRIDES, package="cpu")
