"""Bind the bottoms and tops of every layer to blobs, with the checks Caffe's `Net::AppendBottom` and `AppendTop`
make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from minicaffe.errors import NetError, describe

AUTOMATIC = "(automatic)"


@dataclass
class Node:
    """One layer: its definition and the ids of its blobs."""

    param: Any
    bottoms: list[int] = field(default_factory=list)
    tops: list[int] = field(default_factory=list)


@dataclass
class Graph:
    """The wired net. `blob_names[id]` may repeat only for automatic tops; inputs and outputs are blob ids."""

    nodes: list[Node] = field(default_factory=list)
    blob_names: list[str] = field(default_factory=list)
    producers: list[int] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)


def wire(net: Any, tops_made: Callable[[Any], int]) -> Graph:
    """Return the Graph of `net`, a NetParameter with splits inserted.

    `tops_made(layer_param)` says how many tops the layer has at least, when it makes missing ones by itself (losses
    do).
    """
    graph = Graph()
    ids: dict[str, int] = {}
    available: dict[str, int] = {}
    for index, param in enumerate(net.layer):
        if param.propagate_down and len(param.propagate_down) != len(param.bottom):
            raise NetError(
                f"{describe(param)}: propagate_down is given {len(param.propagate_down)} times for "
                f"{len(param.bottom)} bottoms; give it once for each bottom, in their order, or not at all"
            )
        node = Node(param)
        for j, name in enumerate(param.bottom):
            if name not in available:
                raise NetError(
                    f"{describe(param)}: Unknown bottom blob {name!r} (layer {param.name!r}, bottom index {j})"
                )
            node.bottoms.append(available.pop(name))
        for j, name in enumerate(param.top):
            node.tops.append(_append_top(graph, ids, param, j, name, index))
            available[name] = node.tops[-1]
        for _ in range(len(param.top), tops_made(param)):
            node.tops.append(_new_blob(graph, AUTOMATIC, index))
        if param.type == "Input":
            graph.inputs.extend(node.tops)
        graph.nodes.append(node)
    graph.outputs = [available[name] for name in sorted(available)]
    return graph


def _append_top(graph: Graph, ids: dict[str, int], param: Any, j: int, name: str, index: int) -> int:
    if j < len(param.bottom) and param.bottom[j] == name:
        graph.producers[ids[name]] = index
        return ids[name]
    if name in ids:
        first = graph.nodes[graph.producers[ids[name]]].param if graph.producers[ids[name]] < index else param
        place = f" ({first.origin})" if first.origin else ""
        raise NetError(
            f"{describe(param)}: Top blob {name!r} produced by multiple sources.\n  layer {first.name!r}{place} "
            "produces it already; a layer may rewrite a blob in place only when it is that blob's sole direct "
            "consumer and names it at the same index of bottom and top"
        )
    ids[name] = _new_blob(graph, name, index)
    return ids[name]


def _new_blob(graph: Graph, name: str, producer: int) -> int:
    graph.blob_names.append(name)
    graph.producers.append(producer)
    return len(graph.blob_names) - 1
