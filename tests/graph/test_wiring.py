"""Binding bottoms to tops, in-place rules, net inputs and outputs."""

from __future__ import annotations

from typing import Any

import pytest

from minicaffe.errors import NetError
from minicaffe.graph import Graph, insert_splits, wire
from minicaffe.proto import prototxt, schema


def wired(text: str, made: Any = lambda param: 0) -> Graph:
    return wire(insert_splits(prototxt.parse(text, schema.NetParameter, file="n.prototxt")), made)


def test_inputs_in_file_order_and_outputs_alphabetical() -> None:
    graph = wired("layer { name: 'i' type: 'Input' top: 'z' top: 'b' } layer { name: 'j' type: 'Input' top: 'a' }")
    assert [graph.blob_names[i] for i in graph.inputs] == ["z", "b", "a"]
    assert [graph.blob_names[i] for i in graph.outputs] == ["a", "b", "z"]


def test_in_place_keeps_the_blob() -> None:
    graph = wired("layer { name: 'i' type: 'Input' top: 'x' } layer { name: 'r' type: 'ReLU' bottom: 'x' top: 'x' }")
    assert graph.nodes[1].bottoms == graph.nodes[1].tops == [0]
    assert graph.outputs == [0]


def test_in_place_beside_another_consumer_is_an_error() -> None:
    with pytest.raises(NetError, match="Top blob 'x' produced by multiple sources"):
        wired(
            "layer { name: 'i' type: 'Input' top: 'x' }"
            "layer { name: 'r' type: 'ReLU' bottom: 'x' top: 'x' }"
            "layer { name: 's' type: 'ReLU' bottom: 'x' top: 'x2' }"
            "layer { name: 't' type: 'ReLU' bottom: 'x' top: 'x' }"
        )


def test_a_second_producer_is_an_error_naming_both() -> None:
    with pytest.raises(NetError, match=r"n\.prototxt:2: layer 'j' .*multiple sources.\n  layer 'i' \(n\.prototxt:1\)"):
        wired("layer { name: 'i' type: 'Input' top: 'x' }\nlayer { name: 'j' type: 'Input' top: 'x' }")


def test_swapped_in_place_names_are_an_error() -> None:
    with pytest.raises(NetError, match="multiple sources"):
        wired(
            "layer { name: 'i' type: 'Input' top: 'x' top: 'y' }"
            "layer { name: 's' type: 'Two' bottom: 'x' bottom: 'y' top: 'y' top: 'x' }"
        )


def test_propagate_down_must_match_the_bottoms() -> None:
    with pytest.raises(NetError, match="propagate_down is given 2 times for 1 bottoms"):
        wired(
            "layer { name: 'i' type: 'Input' top: 'x' }"
            "layer { name: 'r' type: 'ReLU' bottom: 'x' top: 'y' propagate_down: true propagate_down: false }"
        )


def test_automatic_tops_are_no_outputs() -> None:
    text = "layer { name: 'i' type: 'Input' top: 'x' } layer { name: 'l' type: 'Loss' bottom: 'x' }"
    graph = wired(text, lambda param: 1 if param.type == "Loss" else 0)
    assert graph.blob_names == ["x", "(automatic)"]
    assert graph.outputs == []
