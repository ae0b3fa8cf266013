"""The parameters of a net: sharing by name and between nets, and the flat buffers they lie in."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import minicaffe as caffe
from minicaffe.errors import NetError
from tests.small_nets import INPUT, build, feed, ip, loss

SHARED = "param {{ name: 'w' {0} }} param {{ name: 'b' {0} }}"


def twin(readonly: str = "propagate_down: false", owner: str = "") -> caffe.Net:
    return feed(
        build(
            INPUT,
            ip("first", "data", "h"),
            ip("ip_ro", "h", "y_ro", SHARED.format(owner) + readonly),
            "layer { name: 'quiet' type: 'Silence' bottom: 'y_ro' }",
            ip("ip", "h", "y", SHARED.format("lr_mult: 2 decay_mult: 0")),
            loss(),
        )
    )


def test_shared_parameters_are_one_data_and_one_diff() -> None:
    net = twin()
    owner, sharer = net.params["ip_ro"], net.params["ip"]
    for a, b in zip(owner, sharer, strict=True):
        assert np.shares_memory(a.data, b.data)
        assert np.shares_memory(a.diff, b.diff)
    assert [(p.name, p.lr_mult, p.decay_mult) for p in net.learnable] == [
        ("first[0]", 1, 1),
        ("first[1]", 1, 1),
        ("w", 2, 0),
        ("b", 2, 0),
    ]


def test_sharers_and_owners_are_told_as_caffe_tells_them(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="minicaffe"):
        twin()
    assert [text for text in caplog.messages if text.startswith("Sharing")] == [
        "Sharing parameters 'w' owned by layer 'ip_ro', param index 0",
        "Sharing parameters 'b' owned by layer 'ip_ro', param index 1",
    ]


def test_gradients_of_all_sharers_add_up() -> None:
    text = [INPUT, ip("a", "data", "y", SHARED.format("")), ip("b", "data", "z", SHARED.format(""))]
    both = feed(build(*text, loss("y"), loss("z").replace("'loss'", "'loss2'")))
    both.forward_backward()
    one = feed(build(INPUT, ip("a", "data", "y"), loss()))
    for mine, theirs in zip(one.params["a"], both.params["a"], strict=True):
        mine.data[...] = theirs.data
    one.forward_backward()
    np.testing.assert_allclose(both.params["b"][0].diff, 2 * one.params["a"][0].diff, rtol=1e-5)


def test_the_readonly_tower_never_runs_backward_and_owns_no_diffs() -> None:
    net = twin()
    net.forward_backward()
    assert [name for name, step in zip(net._layer_names, net.steps, strict=True) if step.runs_backward] == [
        "first",
        "h_first_0_split",
        "ip",
        "loss",
    ]
    for name in ("y_ro", "h_first_0_split_0", "data", "label"):
        assert not net.blobs[name].has_diff, f"{name} owns a diff nobody needs"


def test_the_twins_gradient_is_the_single_towers() -> None:
    net = twin()
    single = feed(build(INPUT, ip("first", "data", "h"), ip("ip", "h", "y"), loss()))
    for name in ("first", "ip"):
        for mine, theirs in zip(single.params[name], net.params[name], strict=True):
            mine.data[...] = theirs.data
    net.forward_backward()
    single.forward_backward()
    for name in ("first", "ip"):
        for mine, theirs in zip(single.params[name], net.params[name], strict=True):
            np.testing.assert_array_equal(mine.diff, theirs.diff)


def test_mismatched_multipliers_of_one_parameter_are_an_error() -> None:
    with pytest.raises(NetError, match="mismatched lr_mult: 2 here, 1 in"):
        twin(owner="lr_mult: 1")


def test_parameters_are_windows_of_one_flat_buffer() -> None:
    net = twin()
    for param in net.learnable:
        assert np.shares_memory(param.blob.data, net.flat_data)
        assert np.shares_memory(param.blob.diff, net.flat_diff)
        net.flat_data[param.window] = 5
        assert (param.blob.data == 5).all()


def test_frozen_parameters_have_no_place_in_the_diff_buffer() -> None:
    frozen = "param { lr_mult: 0 } param { lr_mult: 0 }"
    net = feed(build(INPUT, ip("a", "data", "h", frozen), ip("b", "h", "y"), loss()))
    net.forward_backward()
    assert [param.trained for param in net.learnable] == [False, False, True, True]
    assert net.flat_diff.size < net.flat_data.size
    assert not net.params["a"][0].has_diff


def test_a_test_net_without_a_loss_owns_no_diffs_at_all() -> None:
    net = build(INPUT, ip("a", "data", "y"), phase="TEST")
    net.forward(data=np.zeros((4, 3)), label=np.zeros(4))
    assert net.flat_diff.size == 0
    assert not any(blob.has_diff for blob in net.blobs.values())


def test_share_with_uses_the_other_nets_data() -> None:
    a, b = build(INPUT, ip("ip", "data", "y"), seed=1), build(INPUT, ip("ip", "data", "y"), seed=2)
    b.share_with(a)
    assert np.shares_memory(a.params["ip"][0].data, b.params["ip"][0].data)
    assert not np.shares_memory(a.params["ip"][0].diff, b.params["ip"][0].diff)
    other = build(INPUT, ip("ip", "data", "y", outputs=2))
    with pytest.raises(NetError, match="cannot share weights"):
        other.share_with(a)


def test_share_at_construction_never_owns_the_parameters() -> None:
    a = build(INPUT, ip("ip", "data", "h"), ip("new", "h", "y"))
    b = build(INPUT, ip("ip", "data", "h"), ip("own", "h", "y"), seed=5, share=a)
    assert np.shares_memory(a.params["ip"][0].data, b.params["ip"][0].data)
    assert b.params["own"][0].data.any()
    assert b.flat_data.size == 16 + 16
