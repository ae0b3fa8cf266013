"""The six update rules, sorted by complexity, and the pipeline every gradient passes on its way to the weights.

Clip (over all parameters at once), undo iter_size, decay, update: the order of Caffe's SGDSolver::ApplyUpdate. The
arithmetic is in `minicaffe.ops.updates`; a rule only says which operation, with which numbers, over how many histories.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from minicaffe.errors import SolverError, did_you_mean
from minicaffe.ops.updates import Terms
from minicaffe.solver import local_rates
from minicaffe.solver.log import number
from minicaffe.solver.nets import place

log = logging.getLogger("minicaffe")

REGULARIZATIONS = ("L2", "L1")


class Rule:
    """One way to turn a gradient into a step. `slots` is how many histories it keeps of each parameter.

    `numbers` returns what its operation takes after the histories: the rate (given the parameter's own), then
    constants.
    """

    slots: ClassVar[int] = 1
    operation: ClassVar[str] = ""
    keeps_velocity: ClassVar[bool] = False  # the history is a step already multiplied by its rate

    def __init__(self, param: Any):
        self.param = param
        self.check()
        if param.regularization_type not in REGULARIZATIONS:
            name, near = param.regularization_type, did_you_mean(param.regularization_type, REGULARIZATIONS)
            raise SolverError(f"{place(param)}unknown regularization_type {name!r}{near}: it is L2 or L1")
        local_rates.check(param)

    def check(self) -> None:
        """Raise SolverError for numbers this rule cannot work with."""

    def numbers(self, N: int, rate: float, momentum: float) -> tuple[float, ...]:
        raise TypeError(f"{type(self).__name__} is not an update rule")

    def refuse_momentum(self) -> None:
        if self.param.momentum:
            name = type(self).__name__
            raise SolverError(
                f"{place(self.param)}Momentum cannot be used with {name}: remove 'momentum' from the solver"
            )

    def check_fraction(self, *names: str) -> None:
        for name in names:
            value = getattr(self.param, name)
            if not 0 <= value < 1:
                raise SolverError(
                    f"{place(self.param)}{type(self).__name__} needs 0 <= {name} < 1, the solver gives {value:g}"
                )


class SGD(Rule):
    operation = "sgd_update"
    keeps_velocity = True

    def numbers(self, N: int, rate: float, momentum: float) -> tuple[float, ...]:
        return rate, momentum


class Nesterov(SGD):
    operation = "nesterov_update"


class AdaGrad(Rule):
    operation = "adagrad_update"

    def check(self) -> None:
        self.refuse_momentum()

    def numbers(self, N: int, rate: float, momentum: float) -> tuple[float, ...]:
        return rate, self.param.delta


class RMSProp(Rule):
    operation = "rmsprop_update"

    def check(self) -> None:
        self.refuse_momentum()
        self.check_fraction("rms_decay")

    def numbers(self, N: int, rate: float, momentum: float) -> tuple[float, ...]:
        return rate, self.param.rms_decay, self.param.delta


class AdaDelta(Rule):
    slots = 2
    operation = "adadelta_update"

    def numbers(self, N: int, rate: float, momentum: float) -> tuple[float, ...]:
        return rate, momentum, self.param.delta


class Adam(Rule):
    slots = 2
    operation = "adam_update"

    def check(self) -> None:
        self.check_fraction("momentum", "momentum2")

    def numbers(self, N: int, rate: float, momentum: float) -> tuple[float, ...]:
        beta1, beta2, t = momentum, self.param.momentum2, N + 1
        correction = math.sqrt(1 - beta2**t) / (1 - beta1**t)
        return rate * correction, beta1, beta2, self.param.delta


RULES: dict[str, type[Rule]] = {rule.__name__: rule for rule in (SGD, Nesterov, AdaGrad, RMSProp, AdaDelta, Adam)}


def rule_class(param: Any) -> type[Rule]:
    """Return the rule that `param.type` names; SolverError with the nearest names if there is none."""
    if param.type not in RULES:
        near, known = did_you_mean(param.type, RULES), ", ".join(sorted(RULES))
        raise SolverError(f"{place(param)}unknown solver type {param.type!r}{near}: known types are {known}")
    return RULES[param.type]


class Updater:
    """The learnable parameters of a net under one rule, with their histories.

    Each slot of history is one flat buffer; a parameter's is a window of it. A parameter that no layer computes a
    gradient for and whose lr_mult is 0 has none: it never moves, and its history reads as zero.
    """

    def __init__(self, net: Any, rule: Rule, schedule: Any):
        self.net, self.rule, self.schedule = net, rule, schedule
        self._rates_by_layer = rule.param.local_lr_auto or (rule.param.larc and type(rule) is SGD)
        self.parameters: Sequence[Any] = net.learnable
        self.ops = net.setting.ops
        self._windows = self._lay_out()
        size = max((window.stop for window in self._windows if window), default=0)
        self._slots = [self.ops.xp.zeros(size, net.setting.dtype) for _ in range(rule.slots)]

    def _lay_out(self) -> list[slice | None]:
        windows: list[slice | None] = []
        position = 0
        for p in self.parameters:
            if p.trained or p.lr_mult:
                windows.append(slice(position, position + p.blob.count))
                position += p.blob.count
            else:
                windows.append(None)
        return windows

    # -- the pipeline -------------------------------------------------------------------------------------------------

    def apply(self, N: int, rate: float) -> None:
        """Make update N at the global learning rate `rate`; the diffs end up holding what was subtracted."""
        momentum = self.schedule.momentum(N, rate) if self.rule.keeps_velocity else self.rule.param.momentum
        decay = self.schedule.weight_decay(N)
        scale = self.clip_scale() / self.rule.param.iter_size
        for p, window in zip(self.parameters, self._windows, strict=True):
            if window is not None and (p.blob.has_diff or decay * p.decay_mult):
                self._update(p, window, N, rate, momentum, decay, scale)

    def _update(self, p: Any, window: slice, N: int, rate: float, momentum: float, decay: float, scale: float) -> None:
        # A parameter without a gradient still decays, as it does in Caffe; its diff comes into being here.
        data, diff = p.blob.array.reshape(-1), p.blob.diff_array.reshape(-1)
        local = rate * p.lr_mult
        if self._rates_by_layer:
            norms = self._norm(data), scale * self._norm(diff)
            local = local_rates.local_rate(self.rule.param, rate, p.lr_mult, *norms, decay, momentum)
        strength = decay * p.decay_mult
        l1 = self.rule.param.regularization_type == "L1"
        terms = Terms(scale, l2=0.0 if l1 else strength, l1=strength if l1 else 0.0)
        histories = [slot[window] for slot in self._slots]
        operation = getattr(self.ops, self.rule.operation)
        operation(data, diff, *histories, *self.rule.numbers(N, local, momentum), terms)

    def gradient_norm(self) -> float:
        """Return the L2 norm of all gradients together, as they were accumulated."""
        rest = [p.blob.diff_array for p in self.parameters if p.blob.has_diff and not p.trained]
        return math.hypot(*(self._norm(diff) for diff in (self.net.flat_diff, *rest)))

    def _norm(self, x: Any) -> float:
        return self.ops.l2_norm(x)

    def clip_scale(self) -> float:
        """Return the factor that brings the gradients within `clip_gradients`: 1 if they are, or if it is off."""
        limit = self.rule.param.clip_gradients
        if limit < 0:
            return 1.0
        norm = self.gradient_norm()
        if not norm > limit:
            return 1.0
        log.info(
            f"Gradient clipping: scaling down gradients (L2 norm {number(norm)} > {number(limit)}) "
            f"by scale factor {number(limit / norm)}"
        )
        return limit / norm

    # -- histories, in Caffe's order: all parameters of the first slot, then all of the second ------------------------

    def histories(self) -> list[np.ndarray]:
        """Return every history in its parameter's shape; live views, except zeros for parameters that never move."""
        return [self._history(slot, index) for slot in self._slots for index in range(len(self.parameters))]

    def _history(self, slot: Any, index: int) -> Any:
        shape, window = self.parameters[index].blob.shape, self._windows[index]
        return self.ops.xp.zeros(shape, slot.dtype) if window is None else slot[window].reshape(shape)

    def check_histories(self, arrays: Sequence[np.ndarray]) -> None:
        """Raise SolverError unless these histories fit; it says how, and whose they probably are."""
        mine = self.histories()
        if len(arrays) != len(mine):
            raise SolverError(f"Incorrect length of history blobs. {self._guess(len(arrays), len(mine))}")
        for index, (target, source) in enumerate(zip(mine, arrays, strict=True)):
            if _without_leading_ones(target.shape) != _without_leading_ones(source.shape):
                p = self.parameters[index % len(self.parameters)]
                raise SolverError(
                    f"history {index} has shape {tuple(source.shape)}, but parameter {p.name!r} of this net has shape "
                    f"{p.blob.shape}: the snapshot was written for another net"
                )

    def load_histories(self, arrays: Sequence[np.ndarray]) -> None:
        """Take up the histories of a snapshot."""
        self.check_histories(arrays)
        for target, source in zip(self.histories(), arrays, strict=True):
            target[...] = self.ops.xp.asarray(source.reshape(target.shape), target.dtype)

    def _guess(self, found: int, wanted: int) -> str:
        parameters, name = len(self.parameters), type(self.rule).__name__
        text = f"The snapshot holds {found}; {name} over {parameters} learnable parameters needs {wanted}: "
        others = [other.__name__ for other in RULES.values() if other.slots * parameters == found]
        if others:
            return f"{text}it was probably written by another solver type ({' or '.join(others)})"
        return f"{text}it was probably written for another net"


def _without_leading_ones(shape: Sequence[int]) -> tuple[int, ...]:
    """Snapshots of old Caffe give every shape four axes, filled up with ones in front."""
    first = next((axis for axis, size in enumerate(shape) if size != 1), len(shape))
    return tuple(shape[first:])
