"""The solver: forward, backward, update, again and again; testing, displaying and saving on the way.

One iteration is Caffe's Solver::Step, in this order: clear the gradients, test, forward and backward iter_size times,
display, update, snapshot. `N` is the number of updates done so far. Around the loop stand the parts that decide: the
schedule of the rate, the update rule, the NaN guard, the requests of signal handlers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from minicaffe.errors import SolverError
from minicaffe.net import Net
from minicaffe.phase import TEST, TRAIN
from minicaffe.proto import read_solver, schema, to_text
from minicaffe.rng import Streams
from minicaffe.solver import evaluation, forks, nets, signals, snapshot
from minicaffe.solver.guard import Guard
from minicaffe.solver.log import JsonLog, display_line, net_outputs, number, output_lines
from minicaffe.solver.policies import Schedule
from minicaffe.solver.smoothing import SmoothedLoss
from minicaffe.solver.updates import Updater, rule_class

log = logging.getLogger("minicaffe")


class Solver:
    """Trains the net of a solver file, or of a SolverParameter.

    `weights` (a file, or several with commas) comes before those the definition names; `skip_mismatch` leaves layers
    that differ in shape from theirs as they are, which is an error otherwise. `nan` is what to do about a loss
    or a gradient that is not finite: "warn", "stop" or "ignore". `log_json` names a file for one JSON object a display
    or test line. `rank` of `size` counts the processes of data-parallel training; only rank 0 tests, displays and
    saves. `folder` is where relative paths of a SolverParameter start. `ignore_unknown` skips, with a warning,
    fields of the solver file that the schema does not have. `lean` makes the nets share memory between blobs whose
    values nobody needs any more (see `Net`). Raises SolverError, NetError, PrototxtError, WeightsError.

    Attributes: `param` (its fields may be changed between steps), `net`, `test_nets`, `iter`, `lr`; `request`, polled
    between iterations (see `minicaffe.solver.signals`); `stopped`, whether one of them ended the last call of `step`;
    `progress`, an object with `update(iter, max_iter, loss)` called after each iteration.
    """

    type: ClassVar[str] = ""  # the rule of a class made for one; Solver itself takes the one of its definition

    def __init__(
        self,
        definition: str | Path | Any,
        *,
        weights: str | None = None,
        skip_mismatch: bool = False,
        nan: str = "warn",
        log_json: str | Path | None = None,
        rank: int = 0,
        size: int = 1,
        dtype: Any = np.float32,
        folder: str | Path | None = None,
        ignore_unknown: bool = False,
        lean: bool = False,
    ):
        self.param = _read(definition, ignore_unknown)
        if self.type:
            self.param.type = self.type
        from_file = isinstance(definition, (str, Path))
        self.folder = Path(definition).resolve().parent if from_file else Path(folder) if folder else None
        self.rank, self.size, self.dtype = rank, size, dtype
        self.lean = lean and not self.param.debug_info
        log.info("Initializing solver from parameters: \n%s", to_text(self.param))
        _check(self.param)
        self.schedule = Schedule(self.param)
        rule = rule_class(self.param)(self.param)
        self.iter = 0
        self.net: Net = self._train_net()
        self.test_nets: list[Net] = self._test_nets()
        self.updater = Updater(self.net, rule, self.schedule)
        self.guard = Guard(self.net, nan)
        self.smoothed = SmoothedLoss(self.param.average_loss)
        self.request: Any = signals.Request()
        self.progress: Any = None
        self.run_log = JsonLog(log_json) if log_json and rank == 0 else None
        self._callbacks: list[tuple[Callable[[], Any], Callable[[], Any]]] = []
        self.stopped = False
        self._displayed: tuple[float, int] | None = None  # when, and at which iteration, a line was last displayed
        for file in nets.weight_files([weights or "", *self.param.weights]):
            self._load(file, skip_mismatch)
        log.info("Solver scaffolding done.")

    # -- nets ---------------------------------------------------------------------------------------------------------

    def _train_net(self) -> Net:
        source = nets.train_source(self.param)
        log.info("Creating training net %s", source.said)
        definition, folder = source.read(self.folder)
        seed = self.param.random_seed
        streams = Streams(seed + self.rank if seed >= 0 else None)
        state = nets.states(self.param, definition, TRAIN)
        return Net(
            definition, state=state, dtype=self.dtype, streams=streams, folder=folder, rank=self.rank, size=self.size,
            lean=self.lean,
        )  # fmt: skip

    def _test_nets(self) -> list[Net]:
        made = []
        for k, source in enumerate(nets.test_sources(self.param) if self.rank == 0 else []):
            log.info("Creating test net (#%d) specified by %s", k, source.said)
            definition, folder = source.read(self.folder)
            state = nets.states(self.param, definition, TEST, k)
            streams = Streams(self.net.streams.seed)
            net = Net(
                definition, state=state, dtype=self.dtype, streams=streams, folder=folder, share=self.net,
                lean=self.lean,
            )  # fmt: skip
            net.debug_info = self.param.debug_info
            made.append(net)
        return made

    def _load(self, file: str, skip_mismatch: bool) -> None:
        log.info("Finetuning from %s", file)
        for net in [self.net, *self.test_nets]:
            net.copy_from(file, skip_mismatch)

    def share_weights(self, net: Net) -> None:
        """Let `net` use the parameters of the train net, matched by layer name."""
        net.share_with(self.net)

    # -- the loop -----------------------------------------------------------------------------------------------------

    def solve(self, resume_file: str | Path | None = None) -> None:
        """Train until max_iter, from `resume_file` if given; then save (snapshot_after_train) and test a last time."""
        log.info("Solving %s", self.net.name)
        log.info("Learning Rate Policy: %s", self.param.lr_policy)
        if resume_file:
            log.info("Restoring previous solver status from %s", resume_file)
            self.restore(resume_file)
            if self.iter >= self.param.max_iter:
                log.warning(
                    "nothing is left to train: %s stands at iteration %d, max_iter is %d",
                    resume_file, self.iter, self.param.max_iter,
                )  # fmt: skip
        self.step(self.param.max_iter - self.iter)
        p = self.param
        if p.snapshot_after_train and (not p.snapshot or self.iter % p.snapshot):
            self.snapshot()
        if self.stopped:
            log.info("Optimization stopped early.")
            return
        if self._due(p.display):
            loss = self.smoothed.add(self.iter, self.net.forward_loss())
            log.info("Iteration %d, loss = %s", self.iter, number(loss))
        if self._due(p.test_interval, p.test_offset):
            self.test_all()
        log.info("Optimization Done.")

    def step(self, n: int) -> None:
        """Make `n` iterations, or fewer if a stop is requested. The smoothed loss starts afresh at every call."""
        self.smoothed.begin(self.iter)
        self.stopped = False
        self._displayed = self._displayed or (time.monotonic(), self.iter)
        for _ in range(n):
            if not self._iterate():
                break

    def _iterate(self) -> bool:
        """Make one iteration; False when a stop was requested, before it or during it."""
        p = self.param
        self.net.clear_param_diffs()
        if self._due(p.test_interval, p.test_offset) and (self.iter > 0 or p.test_initialization):
            self.test_all()
            if self.stopped:
                return False
        for on_start, _ in self._callbacks:
            on_start()
        display = self._due(p.display)
        self.net.debug_info = display and p.debug_info
        loss = self.smoothed.add(self.iter, self._gradients())
        if display:
            self._display(loss)
        for _, on_gradients_ready in self._callbacks:
            on_gradients_ready()
        self.apply_update()
        if self.progress is not None:
            self.progress.update(self.iter, p.max_iter, loss)
        return self._serve(snapshot_due=self._due(p.snapshot))

    def _gradients(self) -> float:
        """Accumulate the gradients of iter_size batches; return their mean loss."""
        loss = 0.0
        for _ in range(self.param.iter_size):
            one = self.net.forward_loss()
            self.guard.check_loss(self.iter, one)
            self.net.run_backward()
            loss += one
        self.guard.check_gradient(self.iter, self.updater.gradient_norm)
        return loss / self.param.iter_size

    def apply_update(self) -> None:
        """Turn the gradients of the train net into a step of its parameters, and count it."""
        rate = self.schedule.rate(self.iter, self.smoothed.value)
        if self._due(self.param.display):
            log.info("Iteration %d, lr = %s", self.iter, number(rate))
        if not self.param.disabled_update:
            self.updater.apply(self.iter, rate)
        self.iter += 1

    def _serve(self, snapshot_due: bool) -> bool:
        action = self.request.poll()
        if snapshot_due or action == signals.SNAPSHOT:
            self.snapshot()
        if action == signals.STOP:
            self.stopped = True
        return not self.stopped

    def _due(self, interval: int, offset: int = 0) -> bool:
        return self.rank == 0 and interval > 0 and (self.iter - offset) % interval == 0

    def add_callback(self, on_start: Callable[[], Any], on_gradients_ready: Callable[[], Any]) -> None:
        """Call `on_start()` before each iteration's forward pass and `on_gradients_ready()` before its update."""
        self._callbacks.append((on_start, on_gradients_ready))

    @property
    def lr(self) -> float:
        """The learning rate that the next update will use. (In Caffe reading it may advance a multistep; not here.)"""
        return self.schedule.peek(self.iter, self.smoothed.value)

    # -- what it tells ------------------------------------------------------------------------------------------------

    def _display(self, loss: float) -> None:
        then, last = self._displayed or (time.monotonic(), self.iter)
        seconds = time.monotonic() - then
        rate = (self.iter - last) / (seconds or 1.0)
        log.info(display_line(self.iter, rate, seconds, self.param.display, loss))
        self._displayed = time.monotonic(), self.iter
        outputs = net_outputs(self.net)
        for line in output_lines("Train", outputs):
            log.info(line)
        if self.run_log:
            self.run_log.write("train", self.iter, outputs, loss=loss, lr=self.lr)

    def test_all(self) -> None:
        """Test every test net, until a stop is requested."""
        for k in range(len(self.test_nets)):
            if not self.stopped:
                self.test(k)

    def test(self, k: int = 0) -> evaluation.Means:
        """Run test net `k` over its test_iter batches, log the means and return them (see `evaluation.test`)."""
        return evaluation.test(self, k)

    # -- snapshots ----------------------------------------------------------------------------------------------------

    def snapshot(self) -> Path:
        """Save weights and solver state as `<snapshot_prefix>_iter_<iter>…`; return the path of the state file."""
        return snapshot.save(self)

    def close(self) -> None:
        """Stop the background work of all data layers."""
        for net in [self.net, *self.test_nets]:
            net.close()

    def restore(self, state_file: str | Path) -> None:
        """Take up the weights, histories and counters of a solver state, ours or Caffe's, `.solverstate` or `.h5`."""
        snapshot.restore(self, state_file)
        self._displayed = None

    def get_state(self) -> dict[str, Any]:
        """Return what an exact continuation needs beside Caffe's fields, JSON-able; subclasses may add to it."""
        return {
            "rank": self.rank,
            "net": self.net.get_state(),
            "test_nets": [net.get_state() for net in self.test_nets],
            "smoothed": self.smoothed.get_state(),
            "schedule": self.schedule.get_state(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Take up what `get_state` returned; a `state` of another rank, or an empty one from Caffe, is let be."""
        if state.get("rank") != self.rank:
            log.info("The snapshot does not tell where data and random numbers stood: they start anew")
            return
        self.net.set_state(state["net"])
        for net, own in zip(self.test_nets, state["test_nets"], strict=False):
            net.set_state(own)
        self.smoothed.set_state(state["smoothed"])
        self.schedule.set_state(state["schedule"])


def _read(definition: str | Path | Any, ignore_unknown: bool) -> Any:
    if isinstance(definition, (str, Path)):
        return read_solver(definition, ignore_unknown)
    param = schema.SolverParameter()
    param.CopyFrom(definition)
    return param


def _check(param: Any) -> None:
    where = nets.place(param)
    for name in ("average_loss", "iter_size"):
        if getattr(param, name) < 1:
            raise SolverError(f"{where}{name} must be at least 1, the solver gives {getattr(param, name)}")
    if not param.base_lr:
        log.warning("%sbase_lr is not given, or 0: nothing will be learned", where)
    rule_class(param)
    forks.check(param)
    if param.snapshot > 0:
        snapshot.check_prefix(param)


class SGDSolver(Solver):
    type = "SGD"


class NesterovSolver(Solver):
    type = "Nesterov"


class AdaGradSolver(Solver):
    type = "AdaGrad"


class RMSPropSolver(Solver):
    type = "RMSProp"


class AdaDeltaSolver(Solver):
    type = "AdaDelta"


class AdamSolver(Solver):
    type = "Adam"


CLASSES: dict[str, type[Solver]] = {
    cls.type: cls for cls in (SGDSolver, NesterovSolver, AdaGradSolver, RMSPropSolver, AdaDeltaSolver, AdamSolver)
}


def get_solver(definition: str | Path | Any, **options: Any) -> Solver:
    """Return a solver of the class that the `type` of `definition` (a file or a SolverParameter) names.

    `options` are those of Solver. SolverError with the nearest names for a type that does not exist.
    """
    param = _read(definition, options.pop("ignore_unknown", False))
    rule_class(param)
    if isinstance(definition, (str, Path)):
        options.setdefault("folder", Path(definition).resolve().parent)
    return CLASSES[param.type](param, **options)
