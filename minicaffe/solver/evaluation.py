"""Testing in the middle of training: the means of every output of a test net over its batches."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import numpy as np

from minicaffe.solver import signals
from minicaffe.solver.log import net_outputs, number, output_lines

if TYPE_CHECKING:
    from minicaffe.solver.solver import Solver

log = logging.getLogger("minicaffe")

Means = list[tuple[str, float, list[float]]]


def test(solver: Solver, k: int) -> Means:
    """Run test net `k` of `solver` for its test_iter batches with the trained weights; log and return the means.

    One (name, loss weight, values) for each output, in the net's order. Requests of signal handlers are served before
    each batch; a stop ends the test without a result: the list is empty.
    """
    log.info("Iteration %d, Testing net (#%d)", solver.iter, k)
    net, batches = solver.test_nets[k], solver.param.test_iter[k]
    net.share_with(solver.net)
    sums: list[np.ndarray] = []
    loss = 0.0
    for _ in range(batches):
        if not _serve_requests(solver):
            log.info("Test interrupted.")
            return []
        loss += net.forward_loss()
        values = [np.asarray(each) for _, _, each in net_outputs(net)]
        sums = [total + value for total, value in zip(sums, values, strict=True)] if sums else values
    means = [
        (name, weight, (total / batches).tolist())
        for (name, weight), total in zip(net.output_weights, sums, strict=True)
    ]
    _tell(solver, k, means, loss / batches)
    return means


def _serve_requests(solver: Solver) -> bool:
    """Do all that is asked for; False once a stop is."""
    while (action := solver.request.poll()) != signals.NONE:
        if action == signals.SNAPSHOT:
            solver.snapshot()
        solver.stopped |= action == signals.STOP
    return not solver.stopped


def _tell(solver: Solver, k: int, means: Means, loss: float) -> None:
    more = {"loss": loss} if solver.param.test_compute_loss else {}
    if more:
        log.info("Test loss: %s", number(loss))
    for line in output_lines("Test", means):
        log.info(line)
    if solver.run_log:
        solver.run_log.write("test", solver.iter, means, net=k, **more)
    score = stepearly_score(means)
    if k == 0 and score is not None:
        solver.schedule.tested(score)


def stepearly_score(means: Means) -> float | None:
    """What stepearly watches, higher is better: the first output that is no loss, or else the first loss, negated."""
    losses_last = sorted((each for each in means if each[2]), key=lambda each: each[1] != 0)
    if not losses_last:
        return None
    _, weight, values = losses_last[0]
    return None if math.isnan(values[0]) else -values[0] if weight else values[0]
