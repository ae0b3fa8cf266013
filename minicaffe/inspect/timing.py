"""How long each layer of a net takes, forward and backward, averaged over passes of the whole net."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from minicaffe.layer import Layer

if TYPE_CHECKING:
    from minicaffe.net import Net
    from minicaffe.step import Step


@dataclass
class LayerTiming:
    """Seconds one layer took, summed over all passes; `how` names its algorithm, or the layer that does its work."""

    name: str
    type: str
    forward: float = 0.0
    backward: float = 0.0
    how: str = ""


@dataclass
class Timing:
    """Seconds of each layer and of the whole passes, summed over `iterations`."""

    layers: list[LayerTiming]
    iterations: int = 0
    forward: float = 0.0
    backward: float = 0.0
    passes: list[float] = field(default_factory=list)

    @property
    def total(self) -> float:
        return self.forward + self.backward


def measure(net: Net, iterations: int, after_pass: Callable[[int, float], None] | None = None) -> Timing:
    """Run `iterations` passes and time every layer; `after_pass(number from 1, seconds)` is called after each.

    Like Caffe's `time`, backward is measured for every layer that has one, also where training would skip it; so a net
    without a loss can be timed too. The caller has run the net once, so that memory and kernels are in place; one more
    backward pass, unmeasured, does the same for the layers that training skips.
    """
    timing = Timing([_layer(step) for step in net.steps])
    for first, last in net.fusions.items():
        for follower in timing.layers[first + 1 : last + 1]:
            follower.how = f"forward in {timing.layers[first].name}"
    clock = DeviceClock(net.setting.ops.xp) if net.setting.ops.on_device else HostClock()
    for step, learns in zip(reversed(net.steps), reversed(net.plan.params), strict=True):
        step.layer.param_propagate_down = learns
        _backward(step)
    pairs = list(zip(timing.layers, net.steps, strict=True))
    for number in range(1, iterations + 1):
        for i, run in _forwards(net):
            clock.run(timing.layers[i], "forward", run)
        for layer, step in reversed(pairs):
            clock.run(layer, "backward", lambda step=step: _backward(step))  # type: ignore[misc]
        forward, backward = clock.finish()
        timing.forward += forward
        timing.backward += backward
        timing.iterations = number
        timing.passes.append(forward + backward)
        if after_pass:
            after_pass(number, forward + backward)
    return timing


class HostClock:
    """Times what the processor does."""

    def __init__(self) -> None:
        self._spent = {"forward": 0.0, "backward": 0.0}

    def run(self, layer: LayerTiming, half: str, call: Callable[[], object]) -> None:
        """Call, and add the time it takes to the layer's `half`."""
        start = perf_counter()
        call()
        self.add(layer, half, perf_counter() - start)

    def add(self, layer: LayerTiming, half: str, seconds: float) -> None:
        """Note that a layer's half took so long."""
        setattr(layer, half, getattr(layer, half) + seconds)
        self._spent[half] += seconds

    def finish(self) -> tuple[float, float]:
        """End a pass; return how long its halves took."""
        spent = self._spent
        self._spent = {"forward": 0.0, "backward": 0.0}
        return spent["forward"], spent["backward"]


class DeviceClock(HostClock):
    """Times what a GPU does: an event on either side of every call, read when the pass is over."""

    def __init__(self, xp: Any):
        super().__init__()
        self._xp = xp
        self._pending: list[tuple[LayerTiming, str, Any, Any]] = []

    def run(self, layer: LayerTiming, half: str, call: Callable[[], object]) -> None:
        """Call, and have the device note when it begins and ends with it."""
        start, stop = self._xp.cuda.Event(), self._xp.cuda.Event()
        start.record()
        call()
        stop.record()
        self._pending.append((layer, half, start, stop))

    def finish(self) -> tuple[float, float]:
        """Wait for the device; return how long the halves of the pass took."""
        for layer, half, start, stop in self._pending:
            stop.synchronize()
            self.add(layer, half, self._xp.cuda.get_elapsed_time(start, stop) / 1000)
        self._pending.clear()
        return super().finish()


def _layer(step: Step) -> LayerTiming:
    return LayerTiming(step.param.name, step.param.type, how=step.layer.algorithm(step.bottom, step.top))


def _forwards(net: Net) -> Iterator[tuple[int, Callable[[], object]]]:
    """Yield the number of each layer that runs, and its forward with those of the layers whose work it does."""
    i, last = 0, len(net.steps) - 1
    while i <= last:
        end = net.group_end(i, last)
        followers = net.steps[i + 1 : end + 1]
        yield i, partial(net.steps[i].forward_with, followers) if followers else net.steps[i].forward
        i = end + 1


def _backward(step: Step) -> None:
    if type(step.layer).backward is not Layer.backward:
        step.backward()


def table(timing: Timing) -> Iterator[str]:
    """Yield a table: each layer's mean milliseconds forward, backward and together, its share of the whole, and how
    its arithmetic is done where that is not the same for all."""
    width = max([len(layer.name) for layer in timing.layers] + [len("layer")])
    type_width = max([len(layer.type) for layer in timing.layers] + [len("type")])
    scale = 1000 / max(timing.iterations, 1)
    head = f"{'layer':{width}}  {'type':{type_width}}  {'forward':>9}  {'backward':>9}  {'mean ms':>9}  {'share':>6}"
    yield head + ("  how" if any(layer.how for layer in timing.layers) else "")
    total = timing.total or 1.0
    rows = [(layer.name, layer.type, layer.forward, layer.backward, layer.how) for layer in timing.layers]
    for name, kind, forward, backward, how in [*rows, ("total", "", timing.forward, timing.backward, "")]:
        both = forward + backward
        means = "  ".join(f"{seconds * scale:9.3f}" for seconds in (forward, backward, both))
        yield f"{name:{width}}  {kind:{type_width}}  {means}  {both / total:6.1%}" + (f"  {how}" if how else "")
