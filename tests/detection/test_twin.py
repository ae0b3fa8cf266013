"""A small twin net, readonly and trainable tower, against what real Caffe computed, and against a net of one tower."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import minicaffe
from minicaffe.detection.config import cfg
from minicaffe.graph.backward import LayerNeeds, plan_backward
from minicaffe.proto import prototxt, schema
from minicaffe.solver import get_solver
from tests.detection import mined

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return mined.recorded("twin_small")


@pytest.fixture
def twin(arrays: Arrays) -> minicaffe.Net:
    """After one forward and one backward pass."""
    net = mined.net_of(arrays)
    net.forward_backward()
    return net


def close(ours: np.ndarray, theirs: np.ndarray, what: str) -> None:
    assert ours.shape == theirs.shape, what
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max(), what


# -- real Caffe -------------------------------------------------------------------------------------------------------


def test_every_blob(twin: minicaffe.Net, arrays: Arrays) -> None:
    names = [key[4:] for key in arrays if key.startswith("out/")]
    assert len(names) == 23
    for name in names:
        close(twin.blobs[name].data, arrays[f"out/{name}"], name)
    for name in mined.INPUTS:
        np.testing.assert_array_equal(twin.blobs[f"{name}_hard"].data, arrays[f"out/{name}_hard"])


def test_every_gradient(twin: minicaffe.Net, arrays: Arrays) -> None:
    keys = [key for key in arrays if key.startswith("param_diff/")]
    assert {key.split("/")[1] for key in keys} == set(twin.params)
    for key in keys:
        _, layer, index = key.split("/")
        close(twin.params[layer][int(index)].diff, arrays[key], key)
    close(twin.blobs["conv4"].diff, arrays["in_diff/conv4"], "conv4")


def test_three_steps_of_two_passes(arrays: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.prototxt").write_text(str(arrays["prototxt"]))
    Path("solver.prototxt").write_text(str(arrays["solver"]))
    with cfg.overridden(mined.settings(arrays)):
        solver = get_solver("solver.prototxt")
    mined.feed(solver.net, arrays)
    solver.step(3)
    keys = [key for key in arrays if key.startswith("w3/")]
    assert {key.split("/")[1] for key in keys} == set(solver.net.params)
    for key in keys:
        _, layer, index = key.split("/")
        close(solver.net.params[layer][int(index)].data, arrays[key], key)


# -- what mining is ---------------------------------------------------------------------------------------------------


def test_hard_regions_are_those_of_highest_loss_after_suppression(twin: minicaffe.Net, arrays: Arrays) -> None:
    prob, pred = (twin.blobs[name].data for name in ("cls_prob_readonly", "bbox_pred_readonly"))
    rois, labels, *boxes = (twin.blobs[name].data for name in mined.INPUTS)
    losses = [mined.loss_of(*region) for region in zip(prob, pred, labels, *boxes, strict=True)]
    hard = mined.hardest(losses, rois, labels, 12, Fraction(0.7))
    assert len(hard) == 12
    np.testing.assert_array_equal(twin.blobs["rois_hard"].data, rois[hard])
    np.testing.assert_array_equal(twin.blobs["labels_hard"].data, labels[hard])


def test_the_losses_are_the_means_over_hard_regions(twin: minicaffe.Net) -> None:
    prob, pred = (twin.blobs[name].data for name in ("cls_prob_readonly", "bbox_pred_readonly"))
    rois, labels, *boxes = (twin.blobs[name].data for name in mined.INPUTS)
    losses = [mined.loss_of(*region) for region in zip(prob, pred, labels, *boxes, strict=True)]
    hard = mined.hardest(losses, rois, labels, 12, Fraction(0.7))
    total = float(twin.blobs["loss_cls"].data) + float(twin.blobs["loss_bbox"].data)
    assert total == pytest.approx(np.mean([losses[i] for i in hard]), rel=1e-4)


# -- one tower --------------------------------------------------------------------------------------------------------

INPUTS = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 96 dim: 128 } } }
layer { name: "hard" type: "Input"
  top: "rois_hard" top: "labels_hard" top: "bbox_targets_hard" top: "bbox_inside_weights_hard"
  top: "bbox_outside_weights_hard"
  input_param { shape { dim: 12 dim: 5 } shape { dim: 12 } shape { dim: 12 dim: 16 } }
}
"""


def single_tower(arrays: Arrays) -> minicaffe.Net:
    """The twin without its readonly tower: hard regions are inputs, and no parameter has a name."""
    definition = prototxt.parse(str(arrays["prototxt"]), schema.NetParameter)
    kept = [layer for layer in definition.layer if layer.type != "Input" and "readonly" not in layer.name]
    single = prototxt.parse(INPUTS, schema.NetParameter)
    single.layer[1].input_param.shape.extend([single.layer[1].input_param.shape[2]] * 2)
    for layer in kept:
        if layer.type == "Python":
            continue
        for param in layer.param:
            param.ClearField("name")
        single.layer.add().CopyFrom(layer)
    return minicaffe.Net(single, phase=minicaffe.TRAIN)


def test_the_gradient_is_that_of_a_single_tower_fed_the_same_regions(twin: minicaffe.Net, arrays: Arrays) -> None:
    single = single_tower(arrays)
    assert not any("readonly" in name for name in single.params)
    mined.feed(single, arrays)
    for name in mined.INPUTS:
        single.blobs[f"{name}_hard"].data[...] = twin.blobs[f"{name}_hard"].data
    loss = single.forward_backward()
    assert loss == pytest.approx(float(arrays["out/loss_cls"] + arrays["out/loss_bbox"]), rel=1e-5)
    for name, blobs in single.params.items():
        for index, blob in enumerate(blobs):
            ours = twin.params[name][index].diff
            assert np.abs(ours - blob.diff).max() <= 1e-6 * np.abs(blob.diff).max(), (name, index)


def test_the_readonly_tower_judges_with_the_weights_just_learned(twin: minicaffe.Net) -> None:
    before = twin.blobs["cls_score_readonly"].data.copy()
    twin.params["cls_score"][1].data[...] += 1
    twin.forward()
    np.testing.assert_allclose(twin.blobs["cls_score_readonly"].data, before + 1, atol=1e-4)


# -- the plan ---------------------------------------------------------------------------------------------------------


def test_what_no_gradient_reaches_owns_no_diff(twin: minicaffe.Net) -> None:
    with_diff = {name for name, blob in twin.blobs.items() if blob.has_diff}
    assert with_diff == {
        "conv2", "pool2", "conv3", "pool3", "conv4", "conv4_relu_conv4_0_split_1", "pool5", "fc6",
        "fc6_relu6_0_split_0", "fc6_relu6_0_split_1", "cls_score", "bbox_pred", "loss_cls", "loss_bbox",
    }  # fmt: skip


def test_both_rules_for_propagate_down_give_one_plan(twin: minicaffe.Net) -> None:
    assert_one_plan(twin)


def assert_one_plan(net: minicaffe.Net) -> None:
    """BVLC's rule lets an explicit propagate_down decide alone; the fork's also asks whether the bottom needs it."""
    needs = net_needs(net)
    plan = plan_backward(needs)
    anded = plan_backward([fork_needs(layer, reached) for layer, reached in zip(needs, reachable(needs), strict=True)])
    assert (plan.runs, plan.bottoms) == (anded.runs, anded.bottoms)
    assert plan.runs == [step.runs_backward for step in net.steps]


def net_needs(net: minicaffe.Net) -> list[LayerNeeds]:
    return [
        LayerNeeds(
            step.param.name,
            [blob.name for blob in step.bottom],
            [blob.name for blob in step.top],
            list(step.param.propagate_down),
            [not step.param.param or step.param.param[j].lr_mult != 0 for j in range(len(step.layer.blobs))],
            step.loss_weights,
        )
        for step in net.steps
    ]


def reachable(needs: list[LayerNeeds]) -> list[list[bool]]:
    """For each layer, which of its bottoms come from a layer that learns or stands on one that does."""
    need: dict[str, bool] = {}
    result = []
    for layer in needs:
        result.append([need[name] for name in layer.bottoms])
        runs = any(result[-1]) or any(layer.learns)
        need.update((name, runs) for name in layer.tops)
    return result


def fork_needs(layer: LayerNeeds, reached: list[bool]) -> LayerNeeds:
    asked = layer.propagate_down or [True] * len(reached)
    both = [a and b for a, b in zip(asked, reached, strict=True)]
    return LayerNeeds(layer.name, layer.bottoms, layer.tops, both, layer.learns, layer.losses)
