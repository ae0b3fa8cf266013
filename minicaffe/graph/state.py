"""Which layers of a definition exist: phase, level and stages against each layer's `include` and `exclude` rules.

The rules are those of Caffe's `Net::FilterNet` and `StateMeetsRule`: without `include` a layer stays unless an
`exclude` rule is met; with `include` it stays if any of those rules is met; both on one layer is an error. An empty
rule is always met.
"""

from __future__ import annotations

from typing import Any

from minicaffe.errors import NetError
from minicaffe.phase import Phase
from minicaffe.proto import schema


def filter_net(net: Any, state: Any) -> Any:
    """Return a copy of `net` (NetParameter) with only the layers that exist in `state` (NetState)."""
    kept = [layer for layer in net.layer if layer_exists(layer, state)]
    filtered = schema.NetParameter()
    for field, value in net.ListFields():
        if field.name == "layer":
            continue
        if field.name == "state":
            filtered.state.CopyFrom(value)
        elif isinstance(value, (str, bool, int, float)):
            setattr(filtered, field.name, value)
        else:
            getattr(filtered, field.name).MergeFrom(value)
    filtered.state.CopyFrom(state)
    filtered.layer.extend(kept)
    return filtered


def layer_exists(layer: Any, state: Any) -> bool:
    """Whether `layer` (LayerParameter) is part of the net in `state`."""
    if layer.include and layer.exclude:
        place = f"{layer.origin}: " if layer.origin else ""
        raise NetError(f"{place}layer {layer.name!r} ({layer.type}): has both include and exclude rules; keep one kind")
    if layer.include:
        return any(rule_met(rule, state) for rule in layer.include)
    return not any(rule_met(rule, state) for rule in layer.exclude)


def rule_met(rule: Any, state: Any) -> bool:
    """Whether every condition of `rule` (NetStateRule) holds in `state`."""
    stages = set(state.stage)
    return (
        (not rule.HasField("phase") or rule.phase == state.phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and all(stage in stages for stage in rule.stage)
        and not any(stage in stages for stage in rule.not_stage)
    )


def merge_state(phase: Phase | int, *states: Any) -> Any:
    """Return a NetState of `phase` with each of `states` merged over it: scalars replace, stages append."""
    merged = schema.NetState(phase=int(phase))
    for state in states:
        merged.MergeFrom(state)
    return merged


def states_that_produce(net: Any, blob: str) -> list[str]:
    """Describe, for messages, each layer of the unfiltered `net` that has `blob` as top and the state it lives in."""
    found = []
    for layer in net.layer:
        if blob not in layer.top:
            continue
        rules = [("only in", rule) for rule in layer.include] or [("except in", rule) for rule in layer.exclude]
        conditions = " or ".join(f"{kind} {_rule_text(rule)}" for kind, rule in rules) or "in every phase"
        place = f" ({layer.origin})" if layer.origin else ""
        found.append(f"{conditions} by layer {layer.name!r}{place}")
    return found


def _rule_text(rule: Any) -> str:
    parts = []
    if rule.HasField("phase"):
        parts.append(f"phase {Phase(rule.phase)}")
    if rule.HasField("min_level"):
        parts.append(f"level >= {rule.min_level}")
    if rule.HasField("max_level"):
        parts.append(f"level <= {rule.max_level}")
    parts += [f"stage {stage!r}" for stage in rule.stage]
    parts += [f"not stage {stage!r}" for stage in rule.not_stage]
    return " and ".join(parts) or "every state"
