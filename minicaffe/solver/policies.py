"""Learning-rate policies: what the rate is at iteration N, where N counts the updates already done.

A policy is a formula over (param, N, step) and, where the step does not follow from N alone, a rule that advances it:
multistep by iterations, plateau by the training loss, stepearly by the tests. `Schedule` holds the step between
iterations and wraps every policy in the ramps and floors that forks of Caffe added: warm-up (intel), rampup and min_lr
(NVIDIA), and the momentum and weight decay that move with them. BVLC's policies are those of Caffe's
SGDSolver::GetLearningRate.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from minicaffe.errors import SolverError, did_you_mean
from minicaffe.solver.nets import place

log = logging.getLogger("minicaffe")

NO_MINIMUM = 1e38  # the minimum loss before any loss was seen, as forks write it into their snapshots


@dataclass
class Progress:
    """What a schedule remembers between iterations; all of it travels in snapshots."""

    current_step: int = 0
    minimum_loss: float = NO_MINIMUM
    iter_last_event: int = 0
    best_score: float = -math.inf
    tests_without_best: int = 0


# -- formulas: (param, N, step) -> rate -------------------------------------------------------------------------------


def fixed(p: Any, N: int, step: int) -> float:
    return p.base_lr


def staircase(p: Any, N: int, step: int) -> float:
    return p.base_lr * p.gamma**step


def exp(p: Any, N: int, step: int) -> float:
    return p.base_lr * p.gamma**N


def inv(p: Any, N: int, step: int) -> float:
    return p.base_lr * (1 + p.gamma * N) ** -p.power


def poly(p: Any, N: int, step: int) -> float:
    """Falls from base_lr to min_lr (0 in BVLC) at max_iter, and stays there: beyond it Caffe would compute NaN."""
    left = max(0.0, 1 - N / max(1, p.max_iter))
    return (p.base_lr - p.min_lr) * left**p.power + p.min_lr


def sigmoid(p: Any, N: int, step: int) -> float:
    return p.base_lr / (1 + math.exp(min(700.0, -p.gamma * (N - p.stepsize))))


def multifixed(p: Any, N: int, step: int) -> float:
    """The rate of the first stage whose stageiter is not yet past; the last one ever after."""
    stage = next((i for i, last in enumerate(p.stageiter) if last >= N), len(p.stagelr) - 1)
    return p.stagelr[stage]


# -- advancing the step: (param, N, progress, smoothed loss), returns what the log should say --------------------------


def advance_step(p: Any, N: int, progress: Progress, loss: float | None) -> str:
    progress.current_step = N // p.stepsize
    return ""


def advance_multistep(p: Any, N: int, progress: Progress, loss: float | None) -> str:
    """At most one step an iteration, so a resumed or badly ordered list catches up one by one, as in Caffe."""
    k = progress.current_step
    if k >= len(p.stepvalue) or p.stepvalue[k] > N:
        return ""
    progress.current_step += 1
    return f"MultiStep Status: Iteration {N}, step = {k + 1}"


def advance_plateau(p: Any, N: int, progress: Progress, loss: float | None) -> str:
    """A step once the smoothed loss has set no new minimum for plateau_winsize[step] iterations."""
    if loss is not None and loss < progress.minimum_loss:
        progress.minimum_loss = loss
        progress.iter_last_event = N
    k = progress.current_step
    if k >= len(p.plateau_winsize) or progress.iter_last_event + p.plateau_winsize[k] > N:
        return ""
    progress.current_step += 1
    progress.iter_last_event = N
    return f"Plateau Status: Iteration {N}, step = {k + 1}"


def advance_stepearly(p: Any, N: int, progress: Progress, loss: float | None) -> str:
    """A step once `stepearly` tests in a row have brought no better score (see `Schedule.tested`)."""
    if progress.tests_without_best < p.stepearly:
        return ""
    progress.current_step += 1
    progress.tests_without_best = 0
    return f"StepEarly Status: Iteration {N}, step = {progress.current_step}"


# -- the table --------------------------------------------------------------------------------------------------------

Formula = Callable[[Any, int, int], float]
Advance = Callable[[Any, int, Progress, "float | None"], str]


@dataclass(frozen=True)
class Policy:
    """`needs` names the checks of NEEDS that a definition must pass."""

    rate: Formula
    needs: tuple[str, ...] = ()
    advance: Advance | None = None


POLICIES: dict[str, Policy] = {
    "fixed": Policy(fixed),
    "step": Policy(staircase, ("stepsize", "gamma"), advance_step),
    "exp": Policy(exp, ("gamma",)),
    "inv": Policy(inv, ("gamma",)),
    "multistep": Policy(staircase, ("gamma",), advance_multistep),
    "poly": Policy(poly, ("max_iter", "min_lr")),
    "sigmoid": Policy(sigmoid, ("stepsize", "gamma")),
    "plateau": Policy(staircase, ("plateau_winsize", "gamma"), advance_plateau),
    "stepearly": Policy(staircase, ("stepearly", "tests", "gamma"), advance_stepearly),
    "multifixed": Policy(multifixed, ("stagelr",)),
}

NEEDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "gamma": (lambda p: p.gamma >= 0, "gamma >= 0"),
    "stepsize": (lambda p: p.stepsize > 0, "stepsize > 0"),
    "max_iter": (lambda p: p.max_iter > 0, "max_iter > 0"),
    "min_lr": (lambda p: p.base_lr >= p.min_lr, "base_lr >= min_lr"),
    "plateau_winsize": (lambda p: len(p.plateau_winsize) > 0, "at least one plateau_winsize"),
    "stepearly": (lambda p: p.stepearly > 0, "stepearly > 0, a number of tests"),
    "tests": (lambda p: p.test_interval > 0 and len(p.test_iter) > 0, "a test net: its tests decide"),
    "stagelr": (lambda p: 0 < len(p.stagelr) == len(p.stageiter), "as many stageiter as stagelr, at least one"),
}


class Schedule:
    """The rate, momentum and weight decay of a run, iteration by iteration. Raises SolverError for what cannot work."""

    def __init__(self, param: Any):
        self.param = param
        self.progress = Progress()
        self.policy = self._checked()

    def _checked(self) -> Policy:
        p, where, known = self.param, place(self.param), ", ".join(POLICIES)
        policy = POLICIES.get(p.lr_policy)
        if not p.lr_policy:
            raise SolverError(
                f"{where}the solver gives no lr_policy: add for example 'lr_policy: \"fixed\"' (known: {known})"
            )
        if policy is None:
            near = did_you_mean(p.lr_policy, POLICIES)
            raise SolverError(f"{where}unknown lr_policy {p.lr_policy!r}{near}: known policies are {known}")
        for name in policy.needs:
            met, wanted = NEEDS[name]
            if not met(p):
                raise SolverError(
                    f"{where}lr_policy {p.lr_policy!r} needs {wanted}; the solver gives {_given(p, name)}"
                )
        for name, known_policies in (("momentum_policy", MOMENTA), ("weight_decay_policy", DECAYS)):
            chosen = getattr(p, name)
            if chosen not in known_policies:
                near = did_you_mean(chosen, known_policies)
                raise SolverError(f"{where}unknown {name} {chosen!r}{near}: known are {', '.join(known_policies)}")
        return policy

    def rate(self, N: int, loss: float | None = None) -> float:
        """Advance to iteration N, given the smoothed loss so far, and return the learning rate of its update."""
        rate, message = self._advanced(N, loss, self.progress)
        if message:
            log.info(message)
        return rate

    def peek(self, N: int, loss: float | None = None) -> float:
        """Return the rate that `rate(N, loss)` would, leaving the schedule as it is."""
        return self._advanced(N, loss, replace(self.progress))[0]

    def _advanced(self, N: int, loss: float | None, progress: Progress) -> tuple[float, str]:
        p, message = self.param, ""
        if p.warmup_iter > N:
            rate = self._warm(N)
        elif p.rampup_interval > N:
            rate = p.rampup_lr + (p.base_lr - p.rampup_lr) * (N / p.rampup_interval) ** 2
        else:
            if self.policy.advance:
                message = self.policy.advance(p, N, progress, loss)
            rate = self.policy.rate(p, N, progress.current_step)
        return max(rate, p.min_lr), message

    def _warm(self, N: int) -> float:
        p = self.param
        return p.warmup_start_lr + (p.base_lr - p.warmup_start_lr) * max(0, N) / p.warmup_iter

    def momentum(self, N: int, rate: float) -> float:
        """Return the momentum of iteration N; `rate` is its learning rate."""
        p = self.param
        momentum = MOMENTA[p.momentum_policy](p, N, rate)
        if p.warmup_iter > N and (before := self._warm(N - 1)):
            # The history holds steps taken at the smaller rate of before: scale them as if taken at this one.
            momentum *= rate / before
        return momentum

    def weight_decay(self, N: int) -> float:
        """Return the weight decay of iteration N, before each parameter's decay_mult."""
        return DECAYS[self.param.weight_decay_policy](self.param, N)

    def tested(self, score: float) -> None:
        """Note the score of a test, higher is better: what stepearly waits for."""
        progress = self.progress
        if score > progress.best_score:
            progress.best_score = score
            progress.tests_without_best = 0
        else:
            progress.tests_without_best += 1

    def get_state(self) -> dict[str, Any]:
        """Return the progress as plain values."""
        return {field.name: getattr(self.progress, field.name) for field in fields(self.progress)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take up the progress that `get_state` returned, or any part of it."""
        self.progress = replace(self.progress, **state)


def _given(p: Any, name: str) -> str:
    """The values a failed check looked at, for its message."""
    pairs = {
        "min_lr": ("base_lr", "min_lr"),
        "stagelr": ("stagelr", "stageiter"),
        "tests": ("test_interval", "test_iter"),
    }
    names = pairs.get(name, (name,))
    values = ((each, getattr(p, each)) for each in names)
    return ", ".join(
        f"{each} {value:g}" if isinstance(value, (int, float)) else f"{each} {list(value)}" for each, value in values
    )


def _grown(base: float, peak: float, p: Any, N: int, power: float) -> float:
    return base + (peak - base) * (N / max(1, p.max_iter)) ** power


def _optimal_momentum(p: Any, N: int, rate: float) -> float:
    momentum = (1 - 0.5 * math.sqrt(rate)) ** 2
    return min(momentum, p.max_momentum) if p.HasField("max_momentum") else momentum


MOMENTA: dict[str, Callable[[Any, int, float], float]] = {
    "fixed": lambda p, N, rate: p.momentum,
    "poly": lambda p, N, rate: _grown(p.momentum, p.max_momentum, p, N, p.momentum_power),
    "opt": _optimal_momentum,
}

DECAYS: dict[str, Callable[[Any, int], float]] = {
    "fixed": lambda p, N: p.weight_decay,
    "poly": lambda p, N: _grown(p.weight_decay, p.max_weight_decay, p, N, p.weight_decay_power),
}
