"""Rates by layer: forks of Caffe that scale each parameter's step by how large its gradient is beside its weights.

LARC (NVIDIA, `larc: true`) and LARS (intel, `local_lr_auto: true`; You, Gitman and Ginsburg, 2017). Both *replace* the
lr_mult of every parameter that has one above zero; a parameter with lr_mult 0 stays put.
"""

from __future__ import annotations

import math
from typing import Any

from minicaffe.errors import SolverError, did_you_mean
from minicaffe.solver.nets import place

LARC_POLICIES = ("scale", "clip")


def check(param: Any) -> None:
    """Raise SolverError for a setting of these fields that is unknown or contradicts itself."""
    if param.larc and param.larc_policy not in LARC_POLICIES:
        near = did_you_mean(param.larc_policy, LARC_POLICIES)
        raise SolverError(
            f"{place(param)}unknown larc_policy {param.larc_policy!r}{near}: known are {', '.join(LARC_POLICIES)}"
        )
    if param.larc and param.local_lr_auto:
        raise SolverError(f"{place(param)}larc and local_lr_auto both set the rate of each layer: keep one of them")


def local_rate(param: Any, rate: float, lr_mult: float, w_norm: float, g_norm: float, decay: float, mu: float) -> float:
    """Return the rate of one parameter.

    w_norm, g_norm: L2 norms of its weights and of its gradient before weight decay; decay: the solver's weight decay;
    mu: its momentum. Where a norm is zero the ratio counts as 1.
    """
    if lr_mult <= 0:
        return 0.0
    if not (w_norm > 0 and g_norm > 0 and math.isfinite(g_norm)):
        ratio = 1.0
    elif param.larc:
        ratio = (1 - mu) * param.larc_eta * w_norm / g_norm
    else:
        ratio = param.local_gw_ratio * w_norm / (g_norm + decay * w_norm)
    return min(rate, ratio) if param.larc and param.larc_policy == "clip" else rate * ratio
