"""From a wired graph to layers with blobs and parameters: what `Net` consists of, put together in the order of the
passes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minicaffe import fillers
from minicaffe.blob import Blob, Memory
from minicaffe.errors import Error, LayerError, NetError, describe
from minicaffe.graph import (
    BackwardPlan,
    Fusion,
    Graph,
    LayerNeeds,
    Parameter,
    ParameterSlot,
    find_fusions,
    plan_backward,
    resolve_sharing,
)  # fmt: skip
from minicaffe.graph.sharing import param_spec
from minicaffe.graph.splits import is_copy
from minicaffe.layer import Count, Layer, Setting, layer_class
from minicaffe.phase import Phase
from minicaffe.proto import wire as wire_format

log = logging.getLogger("minicaffe")

ALIGNMENT = 16  # numbers; keeps every parameter's window on a cache line


@dataclass
class Step:
    """One layer in its place: its definition, its blobs, and what backward does with it."""

    param: Any
    layer: Layer
    bottom: list[Blob]
    top: list[Blob]
    loss_weights: list[float] = field(default_factory=list)
    losses: list[tuple[Blob, float]] = field(default_factory=list)
    runs_backward: bool = False
    propagate_down: list[bool] = field(default_factory=list)
    _filled: list[Memory | None] = field(default_factory=list)

    def call(self, method: str, *arguments: Any) -> None:
        """Call a method of the layer; what is not one of our errors comes back as LayerError with its cause kept.

        Errors of ours that do not know their layer get its place put before them.
        """
        try:
            getattr(self.layer, method)(*arguments)
        except Error as error:
            if f"layer {self.param.name!r}" in str(error):
                raise
            raise type(error)(f"{describe(self.param)}: {error}") from error
        except MemoryError:
            raise  # the net says who holds it
        except Exception as error:
            raise LayerError(self._complaint(method, error)) from error

    def forward(self) -> float:
        """Reshape, compute the tops, return this layer's share of the loss (on a GPU, where it still lies there)."""
        self.call("reshape", self.bottom, self.top)
        self.call("forward", self.bottom, self.top)
        if not self.losses:
            return 0.0
        self.seed_losses()
        ops = self.layer.ops
        return sum(ops.number(ops.xp.vdot(blob.array, blob.diff_array)) for blob, _ in self.losses)

    def forward_with(self, followers: Sequence[Step]) -> None:
        """As `forward`, and with it what `followers` do to the top in place; there are no losses among them."""
        for step in (self, *followers):
            step.call("reshape", step.bottom, step.top)
        self.call("forward_with", [step.layer for step in followers], self.bottom, self.top)

    def backward(self) -> None:
        self.call("backward", self.top, self.propagate_down, self.bottom)

    def seed_losses(self) -> None:
        """Fill the diff of every loss top with its weight, once, and again only if a reshape gave it new memory."""
        for i, (blob, weight) in enumerate(self.losses):
            if self._filled[i] is not blob._diff:
                blob.diff_array[...] = weight
                self._filled[i] = blob._diff

    def set_losses(self, weights: Sequence[float]) -> None:
        self.loss_weights = list(weights)
        self.losses = [(blob, w) for blob, w in zip(self.top, weights, strict=True) if w]
        self._filled = [None] * len(self.losses)
        self.seed_losses()

    def _complaint(self, method: str, error: Exception) -> str:
        from minicaffe.compat.python2 import hint

        lines = [f"{describe(self.param)}: {method} raised {type(error).__name__}: {error}"]
        lines += [f"  bottom[{i}] {blob.label!r} has shape {blob.shape}" for i, blob in enumerate(self.bottom)]
        advice = hint(error)
        return "\n".join(lines + ([f"  {advice}"] if advice else []))


@dataclass
class LearnableParam:
    """A parameter as the solver sees it: the owner's blob and the multipliers agreed on by all who share it.

    `trained`: some layer computes its gradient, so it has a window in the flat diff buffer. `window` is its place in
    the flat buffers of its kind.
    """

    blob: Blob
    lr_mult: float
    decay_mult: float
    name: str
    layer: str
    index: int
    trained: bool = False
    window: slice = field(default_factory=lambda: slice(0, 0))
    unfilled: bool = False


def tops_made(param: Any) -> int:
    """Return how many tops a layer of this definition ends up with at least, counting those it makes itself."""
    cls = layer_class(param)
    return _limits(cls.tops)[0] if cls.auto_top else 0


def build_steps(graph: Graph, setting: Setting) -> tuple[list[Step], list[Blob]]:
    """Create, set up and shape every layer in order. Returns the steps and the blobs by id."""
    blobs = [Blob((), setting.dtype, name, setting.ops.xp) for name in graph.blob_names]
    steps = []
    for node in graph.nodes:
        bottom = [blobs[i] for i in node.bottoms]
        top = [blobs[i] for i in node.tops]
        step = _build_step(node.param, bottom, top, setting)
        steps.append(step)
    return steps, blobs


def _build_step(param: Any, bottom: list[Blob], top: list[Blob], setting: Setting) -> Step:
    cls = layer_class(param)
    log.info("Creating Layer %s", param.name)
    for blob in bottom:
        log.info("%s <- %s", param.name, blob.name)
    for blob in top:
        log.info("%s -> %s%s", param.name, blob.name, " (in-place)" if blob in bottom else "")
    if not param.HasField("phase"):
        param.phase = int(setting.phase)
    elif param.phase != setting.phase:
        setting = setting.with_phase(Phase(param.phase))
    layer = cls.create(param, setting)
    check_counts(layer, param, bottom, top)
    step = Step(param, layer, bottom, top)
    for k, blob in enumerate(top):
        if is_copy(param, k):
            blob.label, blob.producer = bottom[0].label, bottom[0].producer
        else:
            blob.producer = describe(param)
    log.info("Setting up %s", param.name)
    step.call("setup", bottom, top)
    step.call("reshape", bottom, top)
    _set_loss_weights(step)
    for blob, weight in zip(top, step.loss_weights, strict=True):
        log.info("Top shape: %s", blob.shape_string)
        if weight:
            log.info("    with loss weight %g", weight)
    return step


def _limits(count: Count) -> tuple[int, int | None]:
    return (count, count) if isinstance(count, int) else count


def check_counts(layer: Layer, param: Any, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
    """Raise NetError unless the numbers of bottoms and tops are ones the layer declares, or a top is forbidden in
    place."""
    for what, have, count in (("bottom", bottom, type(layer).bottoms), ("top", top, type(layer).tops)):
        least, most = _limits(count)
        if len(have) < least or (most is not None and len(have) > most):
            wanted = f"{least}" if least == most else f"{least} or more" if most is None else f"{least} to {most}"
            names = ", ".join(repr(blob.label) for blob in have) or "none"
            raise NetError(
                f"{describe(param)}: takes {wanted} {what}{'s' * (wanted != '1')}, but the prototxt gives "
                f"{len(have)}: {names}"
            )
    if type(layer).equal_counts and len(bottom) != len(top):
        raise NetError(f"{describe(param)}: needs as many tops as bottoms; bottoms: {len(bottom)}, tops: {len(top)}")
    shared = [blob.name for blob in top if any(blob is other for other in bottom)]
    if shared and not type(layer).in_place:
        raise NetError(f"{describe(param)}: cannot compute in place; give top {shared[0]!r} a name of its own")


def _set_loss_weights(step: Step) -> None:
    """Take the explicit loss weights, or the layer's own defaults; losses may leave out those of their later tops."""
    param, defaults = step.param, type(step.layer).default_loss_weights
    weights = list(param.loss_weight) or list(defaults)
    if len(weights) != len(step.top):
        if len(param.loss_weight) > len(step.top) or (param.loss_weight and not defaults):
            raise NetError(
                f"{describe(param)}: loss_weight is given {len(param.loss_weight)} times for {len(step.top)} tops; "
                "give it once for each top, in their order, or not at all"
            )
        weights = (weights + [0.0] * len(step.top))[: len(step.top)]
    if any(weights) and not param.loss_weight:
        param.loss_weight.extend(weights)
    step.set_losses(weights)


def share_parameters(steps: Sequence[Step]) -> tuple[list[ParameterSlot], list[Parameter]]:
    return resolve_sharing(
        [step.param for step in steps], [[blob.shape for blob in step.layer.blobs] for step in steps]
    )


def plan(steps: Sequence[Step], force_backward: bool) -> BackwardPlan:
    """Run the backward planner over the steps and note its decisions in them."""
    needs = [
        LayerNeeds(
            step.param.name,
            [blob.name for blob in step.bottom],
            [blob.name for blob in step.top],
            list(step.param.propagate_down),
            [param_spec(step.param, j).lr_mult != 0 for j in range(len(step.layer.blobs))],
            step.loss_weights,
            [may_force(step.layer, i, len(step.bottom)) for i in range(len(step.bottom))],
        )
        for step in steps
    ]
    decided = plan_backward(needs, force_backward)
    for step, runs, bottoms, params in zip(steps, decided.runs, decided.bottoms, decided.params, strict=True):
        step.runs_backward = runs
        step.propagate_down = bottoms
        step.layer.param_propagate_down = params if runs else [False] * len(params)
    return decided


def fuse(steps: Sequence[Step]) -> list[Fusion]:
    """Find the layers that can run as one."""

    def absorbs(first: int, last: int, following: int) -> bool:
        group = steps[first : following + 1]
        return not any(step.losses for step in group) and group[0].layer.absorbs([step.layer for step in group[1:]])

    names = [[[blob.name for blob in blobs] for blobs in (step.bottom, step.top)] for step in steps]
    return find_fusions([bottoms for bottoms, _ in names], [tops for _, tops in names], absorbs)


def may_force(layer: Layer, index: int, count: int) -> bool:
    """Whether `force_backward` may ask for bottom `index` of `count`; negative numbers in the class data count back."""
    never = type(layer).no_force_backward
    return index not in never and index - count not in never


def learnable_params(
    steps: Sequence[Step], slots: Sequence[ParameterSlot], parameters: Sequence[Parameter]
) -> list[LearnableParam]:
    """Return the owners in the order Caffe's solver indexes them."""
    result = []
    for parameter in parameters:
        owner = slots[parameter.slot]
        step = steps[owner.layer]
        trained = any(
            steps[slots[s].layer].runs_backward and steps[slots[s].layer].layer.param_propagate_down[slots[s].index]
            for s in parameter.slots
        )
        name = parameter.name or f"{step.param.name}[{owner.index}]"
        blob = step.layer.blobs[owner.index]
        result.append(
            LearnableParam(
                blob, parameter.lr_mult, parameter.decay_mult, name, step.param.name, owner.index, trained=trained
            )
        )
    return result


def allocate(params: Sequence[LearnableParam], dtype: Any, xp: Any = np) -> tuple[Any, Any]:
    """Lay the parameters out in two flat buffers, data and diff, and bind their blobs to windows of them.

    The trained ones come first, in net order; the diff buffer ends with them. Both buffers are zero and take memory
    only page by page as they are written.
    """
    position = 0
    diff_size = 0
    for param in sorted(params, key=lambda p: not p.trained):
        param.window = slice(position, position + param.blob.count)
        position += -(-param.blob.count // ALIGNMENT) * ALIGNMENT
        if param.trained:
            diff_size = position
    data, diff = xp.zeros(position, dtype), xp.zeros(diff_size, dtype)
    for param in params:
        param.blob.bind(data[param.window], diff[param.window] if param.trained else None)
    return data, diff


def alias_sharers(steps: Sequence[Step], slots: Sequence[ParameterSlot]) -> None:
    """Make every sharer use its owner's data and diff."""
    for number, slot in enumerate(slots):
        if slot.owner == number:
            continue
        owner = slots[slot.owner]
        log.info(
            "Sharing parameters '%s' owned by layer '%s', param index %d",
            param_spec(steps[slot.layer].param, slot.index).name, steps[owner.layer].param.name, owner.index,
        )  # fmt: skip
        mine = steps[slot.layer].layer.blobs[slot.index]
        theirs = steps[owner.layer].layer.blobs[owner.index]
        mine.share_data(theirs)
        mine.share_diff(theirs)


def fill_parameters(
    steps: Sequence[Step],
    slots: Sequence[ParameterSlot],
    setting: Setting,
    params: Sequence[LearnableParam],
    keep: Callable[[str, int], bool],
) -> None:
    """Give every owned parameter its first values: those in the definition, or its filler's; `keep` ones are left
    alone."""
    seen: Counter[str] = Counter()
    by_blob = {id(param.blob): param for param in params}
    for number, slot in enumerate(slots):
        step = steps[slot.layer]
        name = step.param.name
        if slot.owner != number or keep(name, slot.index):
            continue
        blob = step.layer.blobs[slot.index]
        if len(step.param.blobs) > slot.index:
            with blob.edited() as values:
                values[...] = wire_format.blob_to_array(step.param.blobs[slot.index]).reshape(blob.shape)
            continue
        filler = step.layer.fillers.get(slot.index)
        if filler is None or (filler.type == "constant" and filler.value == 0):
            by_blob[id(blob)].unfilled = slot.index == 0 and len(blob.shape) > 1 and not blob.array.any()
            continue
        key = f"param/{name}/{slot.index}"
        seen[key] += 1
        stream = setting.streams.stream(key if seen[key] == 1 else f"{key}#{seen[key]}")
        try:
            fillers.fill(blob, filler, stream)
        except NetError as error:
            raise NetError(f"{describe(step.param)}: {error}") from None
    for step in steps:
        del step.param.blobs[:]
