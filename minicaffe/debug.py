"""What `debug_info: true` prints: the mean absolute value of every top, parameter and gradient, in Caffe's words."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from minicaffe.ops.arrays import as_numpy

if TYPE_CHECKING:
    from minicaffe.walk import Walk

log = logging.getLogger("minicaffe")


def mean_abs(x: Any) -> float:
    x = as_numpy(x)
    return float(np.abs(x).sum() / x.size) if x.size else 0.0


def log_forward(net: Walk, index: int) -> None:
    """Log the tops and parameters of layer `index` after its forward."""
    step = net.steps[index]
    for blob in step.top:
        log.info("    [Forward] Layer %s, top blob %s data: %g", step.param.name, blob.name, mean_abs(blob.array))
    for j, blob in enumerate(step.layer.blobs):
        name = (step.param.param[j].name if j < len(step.param.param) else "") or str(j)
        log.info("    [Forward] Layer %s, param blob %s data: %g", step.param.name, name, mean_abs(blob.array))


def log_backward(net: Walk, index: int) -> None:
    """Log the gradients that layer `index` computed."""
    step = net.steps[index]
    for blob, wanted in zip(step.bottom, step.propagate_down, strict=True):
        if wanted:
            value = mean_abs(blob.diff_array)
            log.info("    [Backward] Layer %s, bottom blob %s diff: %g", step.param.name, blob.name, value)
    for j, blob in enumerate(step.layer.blobs):
        if step.layer.param_propagate_down[j]:
            value = mean_abs(blob.diff_array)
            log.info("    [Backward] Layer %s, param blob %d diff: %g", step.param.name, j, value)


def log_totals(net: Walk) -> None:
    """Log the L1 and L2 norms of all parameters and of their gradients."""
    data = [as_numpy(param.blob.array) for param in net.learnable]
    diff = [as_numpy(param.blob.diff_array) for param in net.learnable if param.blob.has_diff]
    l1 = [sum(float(np.abs(x).sum()) for x in arrays) for arrays in (data, diff)]
    l2 = [sum(float(np.vdot(x, x)) for x in arrays) ** 0.5 for arrays in (data, diff)]
    log.error(
        "    [Backward] All net params (data, diff): L1 norm = (%g, %g); L2 norm = (%g, %g)", l1[0], l1[1], l2[0], l2[1]
    )
