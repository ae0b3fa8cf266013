"""include and exclude rules, level and stages (NET: Net::FilterNet, StateMeetsRule)."""

from __future__ import annotations

import pytest

from minicaffe.errors import NetError
from minicaffe.graph import filter_net, merge_state
from minicaffe.proto import prototxt, schema


def names(layers: str, state: str) -> list[str]:
    net = prototxt.parse(layers, schema.NetParameter, file="net.prototxt")
    return [layer.name for layer in filter_net(net, prototxt.parse(state, schema.NetState)).layer]


@pytest.mark.parametrize(
    ("rules", "state", "kept"),
    [
        ("", "phase: TRAIN", True),
        ("include {}", "phase: TEST", True),
        ("exclude {}", "phase: TEST", False),
        ("include { phase: TRAIN }", "phase: TRAIN", True),
        ("include { phase: TRAIN }", "phase: TEST", False),
        ("exclude { phase: TRAIN }", "phase: TRAIN", False),
        ("exclude { phase: TRAIN }", "phase: TEST", True),
        ("include { min_level: 2 }", "level: 1", False),
        ("include { min_level: 2 }", "level: 2", True),
        ("include { max_level: -1 }", "level: 0", False),
        ("include { max_level: 0 }", "level: 0", True),
        ("include { min_level: 1 max_level: 3 }", "level: 4", False),
        ("include { stage: 'a' }", "", False),
        ("include { stage: 'a' }", "stage: 'a' stage: 'b'", True),
        ("include { stage: 'a' stage: 'b' }", "stage: 'a'", False),
        ("include { stage: 'a' not_stage: 'b' }", "stage: 'a' stage: 'b'", False),
        ("include { not_stage: 'b' }", "stage: 'a'", True),
        ("include { stage: 'a' } include { stage: 'b' }", "stage: 'b'", True),
        ("exclude { stage: 'a' } exclude { stage: 'b' }", "stage: 'b'", False),
        ("include { phase: TRAIN stage: 'a' }", "phase: TRAIN", False),
    ],
)
def test_rules(rules: str, state: str, kept: bool) -> None:
    assert names(f"layer {{ name: 'l' {rules} }}", state) == (["l"] if kept else [])


def test_default_phase_is_test() -> None:
    assert names("layer { name: 'l' include { phase: TEST } }", "") == ["l"]


def test_include_and_exclude_together_name_the_line() -> None:
    with pytest.raises(NetError, match=r"net\.prototxt:2: layer 'l' .*both include and exclude"):
        names("\nlayer { name: 'l' type: 'ReLU' include {} exclude {} }", "")


def test_everything_but_the_layers_is_kept() -> None:
    text = (
        "name: 'n' force_backward: true debug_info: true input: 'x' input_dim: 1 state { level: 3 } layer { name: 'l' }"
    )
    net = prototxt.parse(text, schema.NetParameter)
    out = filter_net(net, schema.NetState(level=7))
    assert (out.name, out.force_backward, out.debug_info, list(out.input), list(out.input_dim)) == (
        "n", True, True, ["x"], [1]
    )  # fmt: skip
    assert out.state.level == 7
    assert net.state.level == 3, "the definition itself must stay as it was"


def test_merged_states_replace_scalars_and_append_stages() -> None:
    base = prototxt.parse("level: 1 stage: 'a'", schema.NetState)
    more = prototxt.parse("phase: TEST stage: 'b'", schema.NetState)
    merged = merge_state(0, base, more)
    assert (merged.phase, merged.level, list(merged.stage)) == (1, 1, ["a", "b"])
