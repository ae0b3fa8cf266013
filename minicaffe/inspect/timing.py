"""How long each layer of a net takes, forward and backward, averaged over passes of the whole net."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

from minicaffe.layer import Layer

if TYPE_CHECKING:
    from minicaffe.assembly import Step
    from minicaffe.net import Net


@dataclass
class LayerTiming:
    """Seconds one layer took, summed over all passes."""

    name: str
    type: str
    forward: float = 0.0
    backward: float = 0.0


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
    timing = Timing([LayerTiming(step.param.name, step.param.type) for step in net.steps])
    for step, learns in zip(reversed(net.steps), reversed(net.plan.params), strict=True):
        step.layer.param_propagate_down = learns
        _backward(step)
    for number in range(1, iterations + 1):
        forward = sum(_clock(timing.layers, "forward", i, step.forward) for i, step in enumerate(net.steps))
        backward = sum(
            _clock(timing.layers, "backward", i, lambda step=step: _backward(step))  # type: ignore[misc]
            for i, step in reversed(list(enumerate(net.steps)))
        )
        timing.forward += forward
        timing.backward += backward
        timing.iterations = number
        timing.passes.append(forward + backward)
        if after_pass:
            after_pass(number, forward + backward)
    return timing


def _clock(layers: list[LayerTiming], half: str, index: int, run: Callable[[], object]) -> float:
    start = perf_counter()
    run()
    seconds = perf_counter() - start
    setattr(layers[index], half, getattr(layers[index], half) + seconds)
    return seconds


def _backward(step: Step) -> None:
    if type(step.layer).backward is not Layer.backward:
        step.backward()


def table(timing: Timing) -> Iterator[str]:
    """Yield a table: each layer's mean milliseconds forward, backward and together, and its share of the whole."""
    width = max([len(layer.name) for layer in timing.layers] + [len("layer")])
    type_width = max([len(layer.type) for layer in timing.layers] + [len("type")])
    scale = 1000 / max(timing.iterations, 1)
    yield f"{'layer':{width}}  {'type':{type_width}}  {'forward':>9}  {'backward':>9}  {'mean ms':>9}  {'share':>6}"
    total = timing.total or 1.0
    rows = [(layer.name, layer.type, layer.forward, layer.backward) for layer in timing.layers]
    for name, kind, forward, backward in [*rows, ("total", "", timing.forward, timing.backward)]:
        both = forward + backward
        means = "  ".join(f"{seconds * scale:9.3f}" for seconds in (forward, backward, both))
        yield f"{name:{width}}  {kind:{type_width}}  {means}  {both / total:6.1%}"
