"""From a wired graph to layers with blobs: what `Net` consists of, put together in the order of the passes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from minicaffe.blob import Blob
from minicaffe.errors import NetError, describe
from minicaffe.graph import BackwardPlan, Fusion, Graph, LayerNeeds, find_fusions, plan_backward
from minicaffe.graph.sharing import param_spec
from minicaffe.graph.splits import is_copy
from minicaffe.layer import Count, Layer, Setting, layer_class
from minicaffe.phase import Phase
from minicaffe.step import Step

log = logging.getLogger("minicaffe")


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


def fuse(steps: Sequence[Step], backward: bool = False) -> list[Fusion]:
    """Find the layers that can run as one, forward or backward.

    Backward the first must work in place too: else the diff of its top, which it does not write, is there to be read.
    """

    def absorbs(first: int, last: int, following: int) -> bool:
        group = steps[first : following + 1]
        # A user's class may be one of ours with another arithmetic.
        ours = all(type(step.layer).__module__.startswith("minicaffe.layers.") for step in group)
        if not ours or any(step.losses for step in group):
            return False
        layer, followers = group[0].layer, [step.layer for step in group[1:]]
        if backward:
            needed = all(step.runs_backward and all(step.propagate_down) for step in group)
            in_place = group[0].bottom == group[0].top
            return needed and in_place and layer.absorbs_backward(followers)
        return layer.absorbs(followers)

    names = [[[blob.name for blob in blobs] for blobs in (step.bottom, step.top)] for step in steps]
    return find_fusions([bottoms for bottoms, _ in names], [tops for _, tops in names], absorbs)


def may_force(layer: Layer, index: int, count: int) -> bool:
    """Whether `force_backward` may ask for bottom `index` of `count`; negative numbers in the class data count back."""
    never = type(layer).no_force_backward
    return index not in never and index - count not in never
