"""Mining: the published layer's recorded choices, the rule as loops, and a layer that says what does not fit."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minicaffe
from minicaffe.blob import Blob
from minicaffe.detection.config import cfg
from minicaffe.detection.ohem import hard_examples, roi_losses
from minicaffe.detection.ohem_data_layer import OHEMDataLayer
from minicaffe.errors import NetError
from minicaffe.layer import Setting
from minicaffe.proto import prototxt, schema
from tests.detection import mined

GOLDEN = ["ohem_plain", "ohem_nms", "ohem_fewer_than_batch"]

# -- what the published layer chose -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOLDEN)
def test_the_recorded_choice(name: str) -> None:
    arrays = mined.recorded(name)
    net = mined.net_of(arrays)
    for _ in range(2):
        net.forward()
        for blob in mined.INPUTS:
            np.testing.assert_array_equal(net.blobs[f"{blob}_hard"].data, arrays[f"out/{blob}_hard"])


@pytest.mark.parametrize("name", GOLDEN)
def test_the_loops_choose_the_same(name: str) -> None:
    """So the loops, which later tests rely on, are the published rule."""
    arrays = mined.recorded(name)
    given = [arrays[f"in/{key}"] for key in ("cls_prob_readonly", "bbox_pred_readonly", *mined.INPUTS)]
    prob, pred, rois, labels, *boxes = given
    losses = [mined.loss_of(*region) for region in zip(prob, pred, labels, *boxes, strict=True)]
    train = mined.settings(arrays)["TRAIN"]
    threshold = Fraction(train["OHEM_NMS_THRESH"]) if train["OHEM_USE_NMS"] else None
    hard = mined.hardest(losses, rois, labels, train["BATCH_SIZE"], threshold)
    np.testing.assert_array_equal(rois[hard], arrays["out/rois_hard"])
    np.testing.assert_array_equal(labels[hard], arrays["out/labels_hard"])


# -- losses -----------------------------------------------------------------------------------------------------------


def test_losses_are_those_of_the_loops() -> None:
    rng = np.random.default_rng(0)
    R, C = 50, 4
    prob = rng.dirichlet(np.ones(C), R).astype(np.float32)
    labels = rng.integers(0, C, R).astype(np.float32)
    pred, target = (2 * rng.standard_normal((R, 4 * C)).astype(np.float32) for _ in range(2))
    inside, outside = (rng.choice([0, 0.5, 1, 2], (R, 4 * C)).astype(np.float32) for _ in range(2))
    losses = roi_losses(prob, pred, labels, target, inside, outside)
    expected = [mined.loss_of(*each) for each in zip(prob, pred, labels, target, inside, outside, strict=True)]
    assert losses.dtype == np.float32
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_a_probability_of_zero_costs_52_bits() -> None:
    losses = roi_losses(np.array([[0, 1], [1, 0]], np.float32), None, np.array([0, 0.9], np.float32))
    np.testing.assert_allclose(losses, [52 * np.log(2), 0], rtol=1e-6)


def test_what_has_no_inside_weight_does_not_count_even_if_it_is_infinite() -> None:
    prob, labels = np.array([[0.5, 0.5]] * 2, np.float32), np.array([0, 1], np.float32)
    target = np.array([[0, np.inf], [0, 3]], np.float32)
    pred, inside, outside = np.zeros((2, 2), np.float32), np.array([[0, 1], [0, 1]], np.float32), np.ones((2, 2))
    losses = roi_losses(prob, pred, labels, target, inside, outside.astype(np.float32))
    np.testing.assert_allclose(losses, np.log(2) + np.array([0, 2.5]), rtol=1e-6)


def test_float64() -> None:
    losses = roi_losses(np.array([[0.3, 0.7]]), np.zeros((1, 8)), np.ones(1), *np.ones((3, 1, 8)))
    assert losses.dtype == np.float64
    assert losses[0] == pytest.approx(-np.log(0.7) + 8 * 0.5, rel=1e-12)


# -- choice -----------------------------------------------------------------------------------------------------------


@st.composite
def regions(draw: st.DrawFn) -> tuple[list[float], list[list[int]], list[int]]:
    few = st.integers(0, 6)
    boxes = draw(st.lists(st.tuples(st.integers(0, 1), few, few, few, few), min_size=1, max_size=15))
    rois = [[image, x, y, x + w, y + h] for image, x, y, w, h in boxes]
    return (
        [draw(st.integers(0, 5)) / 4 for _ in rois],
        rois,
        [draw(st.integers(0, 2)) for _ in rois],
    )


@settings(deadline=None, max_examples=100)
@given(regions(), st.integers(1, 16), st.sampled_from([None, 0.5, 0.75]))
def test_the_choice_is_that_of_the_loops(regions: Any, count: int, threshold: float | None) -> None:
    losses, rois, labels = (np.array(each, np.float32) for each in regions)
    exact = None if threshold is None else Fraction(threshold)
    expected = mined.hardest(*regions, count, exact)
    assert hard_examples(losses, rois, labels, count, threshold).tolist() == expected


def test_suppression_stays_within_image_and_label() -> None:
    """Six regions in one place: only the two of image 0 and label 1 suppress one another."""
    rois = np.array([[image, 0, 0, 9, 9] for image in (0, 0, 0, 1, 1, 1)], np.float32)
    labels = np.array([0, 1, 1, 0, 1, 2], np.float32)
    losses = np.array([1, 2, 3, 4, 5, 6], np.float32)
    assert hard_examples(losses, rois, labels, 6, 0.7).tolist() == [5, 4, 3, 2, 0]
    assert hard_examples(losses, rois, labels, 6).tolist() == [5, 4, 3, 2, 1, 0]


def test_losses_that_are_nan_come_last() -> None:
    rois, labels = np.array([[0, 20.0 * i, 0, 20 * i + 9, 9] for i in range(3)]), np.zeros(3)
    losses = np.array([np.nan, 1, 2])
    for threshold in (None, 0.7):
        assert hard_examples(losses, rois, labels, 3, threshold).tolist() == [2, 1, 0]


# -- the layer --------------------------------------------------------------------------------------------------------

SHAPES = {
    "cls_prob_readonly": (6, 3),
    "bbox_pred_readonly": (6, 12),
    "rois": (6, 5),
    "labels": (6,),
    "bbox_targets": (6, 12),
    "bbox_inside_weights": (6, 12),
    "bbox_outside_weights": (6, 12),
}
PARAM = "'num_classes': 3"
WITH = "{{num_classes: 3, TRAIN: {{{}}}}}".format


def layer_text(param: str, bottoms: int = 7, tops: int = 5, more: str = "") -> str:
    return (
        "layer { name: 'mine' type: 'Python' "
        + " ".join(f"bottom: '{name}'" for name in list(SHAPES)[:bottoms])
        + " ".join(f" top: '{name}_hard'" for name in mined.INPUTS[:tops])
        + f" python_param {{ module: 'roi_data_layer.layer' layer: 'OHEMDataLayer' param_str: \"{param}\" }} {more} }}"
    )


def build(
    param: str = PARAM, shapes: dict[str, Any] | None = None, bottoms: int = 7, tops: int = 5, more: str = ""
) -> Any:
    text = ""
    for name, shape in {**SHAPES, **(shapes or {})}.items():
        dims = " ".join(f"dim: {dim}" for dim in shape)
        text += f"layer {{ name: '{name}' type: 'Input' top: '{name}' input_param {{ shape {{ {dims} }} }} }}\n"
    text += layer_text(param, bottoms, tops, more)
    net = minicaffe.Net(prototxt.parse(text, schema.NetParameter, file="net.prototxt"), phase="TRAIN")
    rng = np.random.default_rng(1)
    for name in net.inputs:
        net.blobs[name].data[...] = rng.random(net.blobs[name].shape)
    net.blobs["rois"].data[:, 0] = 0
    net.blobs["labels"].data.ravel()[:] = np.arange(net.blobs["labels"].count) % 3
    return net


def test_tops_have_shapes_before_the_first_forward() -> None:
    net = build()
    tops = [net.blobs[f"{name}_hard"].shape for name in mined.INPUTS]
    assert tops == [(1, 5), (1,), (1, 12), (1, 12), (1, 12)]


def test_keys_in_param_str_hold_for_this_layer_alone() -> None:
    few = build(WITH("BATCH_SIZE: 2, OHEM_USE_NMS: False"))
    few.forward()
    assert few.blobs["rois_hard"].shape == (2, 5)
    assert cfg.TRAIN.BATCH_SIZE == 128
    everything = build(WITH("OHEM_USE_NMS: False"))
    everything.forward()
    assert everything.blobs["rois_hard"].shape == (6, 5)


def test_the_configuration_of_the_time_it_is_built_holds() -> None:
    with cfg.overridden({"TRAIN": {"BATCH_SIZE": 1}}):
        net = build()
    net.forward()
    assert net.blobs["labels_hard"].shape == (1,)


def test_the_number_of_regions_may_change() -> None:
    net = build()
    net.forward()
    for name in net.inputs:
        blob = net.blobs[name]
        blob.reshape(9, *blob.shape[1:])
        blob.data[...] = np.random.default_rng(2).random(blob.shape)
    net.blobs["rois"].data[...] = [[0, 20 * i, 0, 20 * i + 5, 5] for i in range(9)]
    net.blobs["labels"].data[...] = 1
    net.forward()
    assert net.blobs["bbox_targets_hard"].shape == (9, 12)


def test_labels_may_be_a_column() -> None:
    flat, column = build(), build(shapes={"labels": (6, 1)})
    for net in (flat, column):
        net.forward()
    np.testing.assert_array_equal(column.blobs["labels_hard"].data[:, 0], flat.blobs["labels_hard"].data)


def test_without_box_regression_there_are_four_bottoms_and_two_tops() -> None:
    net = build(WITH("BBOX_REG: False, OHEM_USE_NMS: False"), bottoms=4, tops=2)
    net.forward()
    prob, labels = net.blobs["cls_prob_readonly"].data, net.blobs["labels"].data
    order = np.argsort(prob[np.arange(6), labels.astype(int)])
    np.testing.assert_array_equal(net.blobs["rois_hard"].data, net.blobs["rois"].data[order])


def test_it_has_no_gradient() -> None:
    with pytest.raises(NetError, match=r"has no gradient for bottom\[1\]: set 'propagate_down: false'"):
        OHEMDataLayer(schema.LayerParameter(name="mine"), Setting()).backward([], [False, True], [])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"bottoms": 6}, r"takes the 7 bottoms cls_prob_readonly, .* and gives 5 tops .*; here are 6 bottoms"),
        ({"tops": 4}, r"gives 5 tops while TRAIN.BBOX_REG is True; here are 7 bottoms and 4 tops"),
        ({"param": WITH("BBOX_REG: False")}, r"takes the 4 bottoms"),
        ({"param": WITH("HAS_RPN: True")}, r"set TRAIN.HAS_RPN to False"),
        ({"param": ""}, r"must give the number of classes, background included, as in \"'num_classes': 21\"; it is ''"),
        ({"param": "'num_classes': 1"}, r"must give the number of classes"),
        (
            {"param": WITH("BATCH: 3")},
            r"no key 'TRAIN.BATCH' \(did you mean 'BATCH_SIZE'",
        ),
        ({"param": "'classes': 3"}, r"no key 'classes' \(did you mean 'CLASSES' or 'num_classes'"),
        ({"param": "'num_classes': 4"}, r"bottom\[0\] must be cls_prob_readonly, of shape \(6, 4\) for 6 regions"),
        ({"shapes": {"labels": (5,)}}, r"bottom\[3\] must be labels, of shape \(6,\)"),
        ({"shapes": {"bbox_outside_weights": (6, 3)}}, r"bottom\[6\] must be bbox_outside_weights, of shape \(6, 12\)"),
        ({"shapes": {"rois": (0, 5)}}, r"there are no regions to choose from"),
    ],
)
def test_what_does_not_fit_is_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(NetError, match=rf"(?s)^net.prototxt:8: layer 'mine' \(Python\): .*{words}"):
        build(**arguments)


@pytest.mark.parametrize("label", [3, -1, np.nan])
def test_a_label_that_is_no_class_is_an_error(label: float) -> None:
    net = build()
    net.blobs["labels"].data[4] = label
    with pytest.raises(NetError, match=rf"region 4 has the label {label:g}, but num_classes is 3"):
        net.forward()


def test_both_published_layers_stand_in_one_module() -> None:
    from minicaffe import compat

    module = compat.resolve("roi_data_layer.layer")
    assert {"RoIDataLayer", "OHEMDataLayer"} <= set(vars(module))
    assert vars(module)["OHEMDataLayer"] is OHEMDataLayer


def test_blobs_given_by_hand() -> None:
    """The layer outside any net, as the stand of the layer tests builds it."""
    param = prototxt.parse(layer_text(PARAM)[len("layer {") : -1], schema.LayerParameter)
    layer = OHEMDataLayer(param, Setting())
    bottom, top = [Blob(shape) for shape in SHAPES.values()], [Blob() for _ in range(5)]
    bottom[2].data[...] = [[0, 30 * i, 0, 30 * i + 9, 9] for i in range(6)]
    bottom[0].data[:, 0] = np.arange(1, 7) / 7
    layer.setup(bottom, top)
    layer.reshape(bottom, top)
    layer.forward(bottom, top)
    np.testing.assert_array_equal(top[0].data, bottom[2].data)
