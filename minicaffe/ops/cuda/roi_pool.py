"""Region pooling on a GPU: a thread for each output, and in backward for each input, which gathers."""

from __future__ import annotations

from typing import Any

from minicaffe.ops import roi_pool as definition
from minicaffe.ops.arrays import array_module, as_numpy
from minicaffe.ops.cuda.launch import launch, suits


def roi_pool(x: Any, rois: Any, pooled: tuple[int, int], scale: float, y: Any) -> None:
    """As `minicaffe.ops.roi_pool.roi_pool`."""
    if not suits(x, rois, y):
        definition.roi_pool(x, rois, pooled, scale, y)
        return
    definition.check(as_numpy(rois), x.shape[0])
    launch("roi_pool", "forward", y.size, x, rois, y, *_numbers(x, y), float(scale))


def roi_pool_backward(x: Any, rois: Any, dy: Any, scale: float, dx: Any) -> None:
    """As `minicaffe.ops.roi_pool.roi_pool_backward`."""
    if not suits(x, rois, dy, dx):
        definition.roi_pool_backward(x, rois, dy, scale, dx)
        return
    mask = array_module(x).empty(dy.shape, "int32")
    launch("roi_pool", "argmax", dy.size, x, rois, mask, *_numbers(x, dy), float(scale))
    launch("roi_pool", "backward", dx.size, rois, mask, dy, dx, *_numbers(x, dy), float(scale))


def _numbers(x: Any, y: Any) -> tuple[int, ...]:
    return (*x.shape, len(y), *y.shape[2:])
