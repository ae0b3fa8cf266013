"""Give every consumer of a blob its own copy, so that each blob is produced once and consumed once.

A top with more than one consumer gets a Split layer right behind its producer, named as Caffe's `insert_splits` names
it: layer `BLOB_LAYER_TOPINDEX_split`, tops `BLOB_LAYER_TOPINDEX_split_K` with K in the order of the consumers in the
file. LAYER is the last producer, so a blob that an in-place ReLU rewrote is split behind the ReLU. A top with an
explicit non-zero loss_weight counts one consumer more (the loss itself, K = 0); the Split takes that weight over and
the producer's whole loss_weight list is cleared, as in Caffe.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from minicaffe.errors import NetError, describe, did_you_mean
from minicaffe.graph.state import states_that_produce
from minicaffe.proto import schema

Top = tuple[int, int]  # (layer index, top index)


def insert_splits(net: Any, unfiltered: Any = None) -> Any:
    """Return a copy of `net` (NetParameter) with Split layers inserted.

    `unfiltered`, the definition before `filter_net`, lets the error for an unknown bottom say in which phase it would
    exist.
    """
    sources, consumers, loss_weights = _trace(net, unfiltered)
    out = schema.NetParameter()
    out.CopyFrom(net)
    del out.layer[:]
    taken: Counter[Top] = Counter(dict.fromkeys(loss_weights, 1))
    for i, original in enumerate(net.layer):
        layer = out.layer.add()
        layer.CopyFrom(original)
        for j, blob in enumerate(original.bottom):
            top = sources[i, j]
            if consumers[top] > 1:
                layer.bottom[j] = split_top(net.layer[top[0]].name, blob, top[1], taken[top])
                taken[top] += 1
        for j, blob in enumerate(original.top):
            if consumers[i, j] > 1:
                weight = loss_weights.get((i, j), 0.0)
                if weight:
                    del layer.loss_weight[:]
                _append_split(out, original, blob, j, consumers[i, j], weight)
    return out


def split_name(layer: str, blob: str, top_index: int) -> str:
    return f"{blob}_{layer}_{top_index}_split"


def split_top(layer: str, blob: str, top_index: int, k: int) -> str:
    return f"{split_name(layer, blob, top_index)}_{k}"


def is_copy(layer: Any, top_index: int) -> bool:
    """Whether a top of `layer` is a copy that `insert_splits` made, so that nobody's prototxt knows its name."""
    return layer.type == "Split" and layer.top[top_index] == f"{layer.name}_{top_index}"


def _trace(net: Any, unfiltered: Any) -> tuple[dict[tuple[int, int], Top], Counter[Top], dict[Top, float]]:
    """Find where each bottom comes from, how often each top is consumed, and which tops carry a loss weight."""
    last_producer: dict[str, Top] = {}
    sources: dict[tuple[int, int], Top] = {}
    consumers: Counter[Top] = Counter()
    loss_weights: dict[Top, float] = {}
    for i, layer in enumerate(net.layer):
        for j, blob in enumerate(layer.bottom):
            if blob not in last_producer:
                raise NetError(_unknown_bottom(net, unfiltered, i, j))
            sources[i, j] = last_producer[blob]
            consumers[last_producer[blob]] += 1
        for j, blob in enumerate(layer.top):
            last_producer[blob] = (i, j)
        for j, weight in enumerate(layer.loss_weight[: len(layer.top)]):
            if weight:
                loss_weights[i, j] = weight
                consumers[i, j] += 1
    return sources, consumers, loss_weights


def _append_split(out: Any, producer: Any, blob: str, top_index: int, count: int, weight: float) -> None:
    split = out.layer.add(name=split_name(producer.name, blob, top_index), type="Split", origin=producer.origin)
    split.bottom.append(blob)
    split.top.extend(split_top(producer.name, blob, top_index, k) for k in range(count))
    if weight:
        split.loss_weight.extend([weight] + [0.0] * (count - 1))


def _produced_later(net: Any, i: int, k: int) -> str:
    """Say why layer `i` cannot have what layer `k`, the same or one after it, makes."""
    if k == i:
        return "only this layer itself produces it: to work in place, a layer takes a blob that one before it produced"
    producer = net.layer[k]
    place = f" ({producer.origin})" if producer.origin else ""
    said = f"it is only produced afterwards, by layer {producer.name!r}{place}"
    reached = set(net.layer[i].top)
    for other in net.layer[i + 1 : k]:
        if reached.intersection(other.bottom):
            reached.update(other.top)
    if reached.intersection(producer.bottom):
        return f"{said}, out of what this layer computes: that is a cycle, and a net has no cycles"
    return f"{said}: layers run in the order of the file; move the producer before its consumer"


def _unknown_bottom(net: Any, unfiltered: Any, i: int, j: int) -> str:
    layer = net.layer[i]
    blob = layer.bottom[j]
    known = {top for other in net.layer[:i] for top in other.top}
    message = f"{describe(layer)}: Unknown bottom blob {blob!r} (layer {layer.name!r}, bottom index {j})"
    later = [k for k in range(i, len(net.layer)) if blob in net.layer[k].top]
    if later:
        return f"{message}\n  {_produced_later(net, i, later[0])}"
    elsewhere = states_that_produce(unfiltered, blob) if unfiltered is not None else []
    if elsewhere:
        phase = schema.NetState.DESCRIPTOR.fields_by_name["phase"].enum_type.values_by_number[net.state.phase].name
        return f"{message}\n  the net is built for phase {phase}; {blob!r} is produced " + "; ".join(elsewhere)
    return f"{message}: no layer produces it{did_you_mean(blob, known)}"
