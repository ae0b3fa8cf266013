"""The NaN guard: notices the iteration in which a run goes wrong, and names the layer where it started.

It looks at the loss of every forward pass and at the norm of the whole gradient. Only when one of them is not finite
does it search: parameters and tops in forward order, then diffs in backward order; the first array that holds NaN or
inf is the culprit, shown with statistics of what went into its layer.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minicaffe.errors import SolverError, describe, did_you_mean

log = logging.getLogger("minicaffe")

MODES = ("warn", "stop", "ignore")
SATURATED = -math.log(np.finfo(np.float32).tiny)  # 87.3365: what softmax losses say when a probability is 0


class Guard:
    """Watches one net. `mode`: "warn" once for every spell of trouble, "stop" with SolverError, or "ignore"."""

    def __init__(self, net: Any, mode: str = "warn"):
        if mode not in MODES:
            raise SolverError(f"nan {mode!r} is not known{did_you_mean(mode, MODES)}: it is one of {', '.join(MODES)}")
        self.net, self.mode = net, mode
        self._trouble: set[str] = set()
        self._told_saturated = False

    def check_loss(self, N: int, loss: float) -> None:
        """Look at the loss of a forward pass."""
        if self.mode == "ignore":
            return
        if not math.isfinite(loss):
            self._report(N, "loss", f"the loss is {loss:g}")
            return
        self._trouble.discard("loss")
        if abs(loss - SATURATED) < 1e-3 and not self._told_saturated:
            self._told_saturated = True
            log.warning(
                f"Iteration {N}: a loss of {loss:.2f} is -log of the smallest float: the softmax is saturated, its "
                "probabilities have become 0 and 1. Training has diverged: lower base_lr, look at the fillers and at "
                "the scale of the input"
            )

    def check_gradient(self, N: int, norm: Callable[[], float]) -> None:
        """Look at the gradient before it is applied; `norm` computes its L2 norm."""
        if self.mode == "ignore":
            return
        size = norm()
        if math.isfinite(size):
            self._trouble.discard("gradient")
        else:
            self._report(N, "gradient", f"the L2 norm of the gradient is {size:g}")

    def _report(self, N: int, kind: str, what: str) -> None:
        message = f"Iteration {N}: {what}.\n{diagnose(self.net)}"
        if self.mode == "stop":
            raise SolverError(f"{message}\n  The weights are those of before this iteration.")
        if not self._trouble:
            log.warning(message)
        self._trouble.add(kind)


def diagnose(net: Any) -> str:
    """Return where the first NaN or inf of `net` stands, with statistics of what went into that layer."""
    for step, what, array in _arrays(net):
        if np.isfinite(array).all():
            continue
        lines = [f"  first not finite: {what} of {describe(step.param)}", f"    {what}: {statistics(array)}"]
        for i, blob in enumerate(step.bottom):
            lines.append(f"    bottom[{i}] {blob.name!r}: {'gone' if blob.gone else statistics(blob.data)}")
        for j, blob in enumerate(step.layer.blobs):
            lines.append(f"    parameter {j}: {statistics(blob.data)}")
        return "\n".join(lines)
    return "  every blob and gradient is finite by itself, but the sum of the squares overflows: it has diverged"


def _arrays(net: Any) -> Iterator[tuple[Any, str, np.ndarray]]:
    for step in net.steps:
        for j, blob in enumerate(step.layer.blobs):
            yield step, f"parameter {j}", blob.data
        for i, blob in enumerate(step.top):
            if blob.gone:
                continue
            yield step, f"top[{i}] {blob.name!r}", blob.data
    for step in reversed(net.steps):
        if not step.runs_backward:
            continue
        for i, blob in enumerate(step.bottom):
            if step.propagate_down[i] and blob.has_diff:
                yield step, f"diff of bottom[{i}] {blob.name!r}", blob.diff
        for j, blob in enumerate(step.layer.blobs):
            if blob.has_diff:
                yield step, f"diff of parameter {j}", blob.diff


def statistics(x: np.ndarray) -> str:
    """Return shape, range and mean size of the finite values, and how many are not finite, in one line."""
    finite = x[np.isfinite(x)]
    text = f"shape {tuple(x.shape)}"
    if finite.size:
        text += f", from {finite.min():g} to {finite.max():g}, mean |x| {np.abs(finite, dtype=np.float64).mean():g}"
    nans, infs = int(np.isnan(x).sum()), int(np.isinf(x).sum())
    return text + (f", {nans} NaN" if nans else "") + (f", {infs} inf" if infs else "")
