"""Which layers run backward, and which gradients they compute: the three walks of Caffe's `Net::Init`.

Walk A, forward: a layer needs backward when one of its bottoms does or one of its parameters learns; an explicit
`propagate_down` decides alone whether a bottom wants its gradient (but does not stop the need from travelling on).
Walk B, backward: a layer that feeds no loss, or whose every top is skipped by its consumers, is switched off; a
bottom that wants no gradient is skipped. Walk C: `force_backward` switches everything on. This is BVLC master; the
fork that the published OHEM net was written for ANDs `propagate_down` with the need of the bottom, which gives that
net the same plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class LayerNeeds:
    """What the planner must know of a layer.

    bottoms, tops: blob names. propagate_down: as in the prototxt ([] when not given). learns: per parameter, lr_mult
    != 0 in the layer's own spec. losses: loss weight of each top. force: per bottom, whether `force_backward` may ask
    for it.
    """

    name: str
    bottoms: Sequence[str]
    tops: Sequence[str]
    propagate_down: Sequence[bool] = ()
    learns: Sequence[bool] = ()
    losses: Sequence[float] = ()
    force: Sequence[bool] = ()


@dataclass
class BackwardPlan:
    """Per layer: whether backward runs, which bottoms and parameters get a gradient, and why it is so (for people)."""

    runs: list[bool] = field(default_factory=list)
    bottoms: list[list[bool]] = field(default_factory=list)
    params: list[list[bool]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def plan_backward(layers: Sequence[LayerNeeds], force_backward: bool = False) -> BackwardPlan:
    """Return the plan for `layers` in net order, splits included."""
    plan = BackwardPlan()
    _needs(layers, plan)
    _prune(layers, plan)
    if force_backward:
        for i, layer in enumerate(layers):
            plan.runs[i] = True
            plan.reasons[i] = "force_backward"
            plan.bottoms[i] = [need or may for need, may in zip(plan.bottoms[i], layer.force, strict=True)]
            plan.params[i] = [True] * len(layer.learns)
    return plan


def _needs(layers: Sequence[LayerNeeds], plan: BackwardPlan) -> None:
    blob_need: dict[str, bool] = {}
    for layer in layers:
        from_below = [name for name in layer.bottoms if blob_need[name]]
        need = bool(from_below) or any(layer.learns)
        for name in layer.tops:
            blob_need[name] = need or (name in layer.bottoms and blob_need[name])
        plan.runs.append(need)
        plan.bottoms.append(
            list(layer.propagate_down) if layer.propagate_down else [name in from_below for name in layer.bottoms]
        )
        plan.params.append(list(layer.learns))
        if any(layer.learns):
            plan.reasons.append("its parameters learn")
        elif from_below:
            plan.reasons.append(f"bottom {from_below[0]!r} comes from layers that learn")
        else:
            plan.reasons.append("nothing below it learns")


def _prune(layers: Sequence[LayerNeeds], plan: BackwardPlan) -> None:
    under_loss: set[str] = set()
    skipped: set[str] = set()
    for i in reversed(range(len(layers))):
        layer = layers[i]
        contributes, all_skipped = False, True
        for name, loss in zip(layer.tops, layer.losses, strict=True):
            contributes = contributes or loss != 0 or name in under_loss
            all_skipped = all_skipped and name in skipped
            if contributes and not all_skipped:
                break
        if plan.runs[i] and (all_skipped or not contributes):
            plan.runs[i] = False
            plan.reasons[i] = "no consumer of its tops sends a gradient back" if contributes else "it feeds no loss"
            if all_skipped:
                plan.bottoms[i] = [False] * len(layer.bottoms)
        for j, name in enumerate(layer.bottoms):
            if contributes:
                under_loss.add(name)
            else:
                plan.bottoms[i][j] = False
            if not plan.bottoms[i][j]:
                skipped.add(name)
