"""Matrix products by cuBLAS: with a row added, added to what is there, and in TF32."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.ops import accumulate as definition
from minicaffe.ops import product
from minicaffe.ops.arrays import array_module
from minicaffe.ops.cuda.launch import launch, suits

DEFAULT_MATH, TF32_MATH = 0, 3  # of cublasMath_t


def matmul(a: Any, b: Any, out: Any, row: Any = None, rectify: bool = False) -> None:
    """As `minicaffe.ops.product.matmul`."""
    array_module(a).matmul(a, b, out=out)
    finish(out, row, rectify)


def l2_norm(x: Any) -> float:
    """As `minicaffe.ops.product.l2_norm`, without an array of squares."""
    if array_module(x).__name__ != "cupy" or not x.flags.c_contiguous or not x.size:
        return product.l2_norm(x)
    from cupy import cublas

    return float(cublas.nrm2(x.reshape(-1)))


def finish(y: Any, b: Any, rectify: bool, gain: Any = None) -> None:
    """Multiply y [N, O, ...] by `gain` [O] and add b [O], unless they are None; then take the larger of that and 0 if
    `rectify`."""
    if gain is not None:
        y *= gain.reshape(-1, *(1,) * (y.ndim - 2))
    if b is not None and suits(y, b):
        positions = y.size // max(y.shape[0] * y.shape[1], 1)
        launch("bias", "add_bias", y.size, y, b, y.size, y.shape[1], positions, int(rectify))
        return
    if b is not None:
        y += b.reshape(-1, *(1,) * (y.ndim - 2))
    if rectify:
        array_module(y).maximum(y, 0, out=y)


def add_matmul(a: Any, b: Any, out: Any) -> None:
    """As `minicaffe.ops.accumulate.add_matmul`, without a second array."""
    if out.ndim > 2:
        for one, other, sums in zip(a, b, out, strict=True):
            add_matmul(one, other, sums)
    elif a.size and b.size:
        if array_module(a).__name__ != "cupy" or not out.flags.c_contiguous:
            definition.add_matmul(a, b, out)
            return
        from cupy import cublas

        cublas.gemm("N", "N", a, b, out=out, alpha=1.0, beta=1.0)


def set_tf32(xp: Any, on: bool) -> None:
    """Switch TF32 for all products of float32: those of `matmul`, and those that follow cuBLAS's own mode."""
    if xp.__name__ != "cupy":
        return
    from cupy._core import _routines_linalg as products
    from cupy.cuda import device
    from cupy_backends.cuda.libs import cublas

    products.set_compute_type(np.float32, products.COMPUTE_TYPE_TF32 if on else products.COMPUTE_TYPE_DEFAULT)
    cublas.setMathMode(device.get_cublas_handle(), TF32_MATH if on else DEFAULT_MATH)
