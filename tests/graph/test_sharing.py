"""Named parameters: owners, share modes, adopted multipliers (NET §7)."""

from __future__ import annotations

from typing import Any

import pytest

from minicaffe.errors import NetError
from minicaffe.graph import resolve_sharing
from minicaffe.proto import prototxt, schema

W = ((2, 3),)


def resolve(*params: str, shapes: Any = None) -> Any:
    layers = [
        prototxt.parse(f"name: 'l{i}' type: 'InnerProduct' {text}", schema.LayerParameter, file=f"n{i}.prototxt")
        for i, text in enumerate(params)
    ]
    return resolve_sharing(layers, shapes or [W] * len(params))


def test_unnamed_parameters_own_themselves() -> None:
    slots, parameters = resolve("", "")
    assert [slot.owner for slot in slots] == [0, 1]
    assert len(parameters) == 2


def test_the_first_use_owns() -> None:
    slots, parameters = resolve("param { name: 'w' }", "", "param { name: 'w' }")
    assert [slot.owner for slot in slots] == [0, 1, 0]
    assert [parameter.slot for parameter in parameters] == [0, 1]
    assert parameters[0].slots == [0, 2]


def test_a_silent_owner_adopts_the_sharers_multipliers() -> None:
    _, (parameter,) = resolve("param { name: 'w' }", "param { name: 'w' lr_mult: 2 decay_mult: 0 }")
    assert (parameter.lr_mult, parameter.decay_mult) == (2, 0)


def test_a_silent_sharer_takes_the_owners() -> None:
    _, (parameter,) = resolve("param { name: 'w' lr_mult: 3 }", "param { name: 'w' decay_mult: 4 }")
    assert (parameter.lr_mult, parameter.decay_mult) == (3, 4)


def test_equal_explicit_values_agree() -> None:
    _, (parameter,) = resolve("param { name: 'w' lr_mult: 0 }", "param { name: 'w' lr_mult: 0 }")
    assert parameter.lr_mult == 0


@pytest.mark.parametrize("field", ["lr_mult", "decay_mult"])
def test_two_explicit_values_clash_and_both_places_are_cited(field: str) -> None:
    with pytest.raises(NetError, match=rf"Shared param 'w' has mismatched {field}: 2 here, 1 in .*layer 'l0'"):
        resolve(f"param {{ name: 'w' {field}: 1 }}", "param { name: 'w' }", f"param {{ name: 'w' {field}: 2 }}")


def test_shapes_must_be_equal() -> None:
    with pytest.raises(NetError, match=r"cannot share param 'w': the shapes differ[\s\S]*PERMISSIVE"):
        resolve("param { name: 'w' }", "param { name: 'w' }", shapes=[((2, 3),), ((3, 2),)])


def test_permissive_on_the_later_layer_compares_counts() -> None:
    slots, _ = resolve("param { name: 'w' }", "param { name: 'w' share_mode: PERMISSIVE }", shapes=[((2, 3),), ((6,),)])
    assert slots[1].owner == 0
    with pytest.raises(NetError, match="the counts differ"):
        resolve("param { name: 'w' }", "param { name: 'w' share_mode: PERMISSIVE }", shapes=[((2, 3),), ((5,),)])


def test_permissive_on_the_owner_does_not_help() -> None:
    with pytest.raises(NetError, match="the shapes differ"):
        resolve("param { name: 'w' share_mode: PERMISSIVE }", "param { name: 'w' }", shapes=[((2, 3),), ((6,),)])


def test_too_many_params() -> None:
    with pytest.raises(NetError, match="Too many params specified for layer l0: 2 'param' entries for 1"):
        resolve("param {} param {}")
