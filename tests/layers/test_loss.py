"""What all losses share: labels, normalisation, their checks."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.errors import NetError
from minicaffe.layer import layer_class
from minicaffe.layers.loss import Normalizer
from minicaffe.proto import prototxt, schema
from minicaffe.testing import Case, given
from minicaffe.testing.bench import Bench

LOSSES = [
    "ContrastiveLoss",
    "EuclideanLoss",
    "HingeLoss",
    "InfogainLoss",
    "MultinomialLogisticLoss",
    "SigmoidCrossEntropyLoss",
    "SmoothL1Loss",
    "SoftmaxWithLoss",
]
ONE_HOT = np.eye(3)


def bench(layer: str, *values: object, tops: int = 1) -> Bench:
    return Bench(Case(layer, tuple(given(v) for v in values), gradients=(0,), tops=tops))


def normalizer(text: str, default: str = "VALID") -> Normalizer:
    return Normalizer(prototxt.parse(text, schema.LossParameter), default)


@pytest.mark.parametrize(
    ("text", "default", "divisor"),
    [
        ("", "VALID", 5),
        ("", "BATCH_SIZE", 2),
        ("normalize: true", "BATCH_SIZE", 5),
        ("normalize: false", "VALID", 2),
        ("normalization: FULL", "VALID", 8),
        ("normalization: VALID", "BATCH_SIZE", 5),
        ("normalization: BATCH_SIZE", "VALID", 2),
        ("normalization: NONE", "VALID", 1),
        ("normalization: FULL normalize: false", "VALID", 8),
        ("normalization: PRE_FIXED pre_fixed_normalizer: 2.5", "VALID", 2.5),
        ("normalization: PRE_FIXED pre_fixed_normalizer: 0.5", "VALID", 1),
    ],
)
def test_divisor(text: str, default: str, divisor: float) -> None:
    assert normalizer(text, default)(2, 8, 5) == divisor


@pytest.mark.parametrize("mode", ["FULL", "VALID", "BATCH_SIZE", "NONE"])
def test_divisor_is_never_less_than_one(mode: str) -> None:
    assert normalizer(f"normalization: {mode}")(0, 0, 0) == 1


@pytest.mark.parametrize("layer", LOSSES)
def test_every_loss_makes_its_own_scalar_top(layer: str) -> None:
    cls = layer_class(schema.LayerParameter(type=layer))
    assert cls.auto_top
    assert not cls.in_place
    assert cls.default_loss_weights[0] == (0 if layer == "SmoothL1Loss" else 1)


@pytest.mark.parametrize(
    "layer", ["SoftmaxWithLoss", "MultinomialLogisticLoss", "HingeLoss", "InfogainLoss", "Accuracy"]
)
@pytest.mark.parametrize("label", [3, -1, 1e9, np.nan, np.inf])
def test_label_outside_the_classes_is_named(layer: str, label: float) -> None:
    more = [ONE_HOT] if layer == "InfogainLoss" else []
    stand = bench(f'type: "{layer}"', ONE_HOT, [0, label, 1], *more)
    with pytest.raises(NetError) as error:
        stand.forward()
    assert f"label {label:g} at index (1,) of bottom[1] is not one of the 3 classes" in str(error.value)
    assert "expected 0 to 2" in str(error.value)


def test_outside_label_is_found_in_its_own_shape_and_ignore_label_is_mentioned() -> None:
    labels = np.zeros((2, 1, 2, 2))
    labels[1, 0, 1, 0] = 4
    stand = bench('type: "SoftmaxWithLoss" loss_param { ignore_label: 9 }', np.zeros((2, 3, 2, 2)), labels)
    with pytest.raises(NetError, match=r"label 4 at index \(1, 0, 1, 0\).*expected 0 to 2, or 9 to be ignored"):
        stand.forward()


def test_labels_are_cut_off_towards_zero() -> None:
    whole = bench('type: "SoftmaxWithLoss"', ONE_HOT, [0, 1, 2])
    broken = bench('type: "SoftmaxWithLoss"', ONE_HOT, [-0.9, 1.9, 2.5])
    assert whole.objective() == broken.objective()


@pytest.mark.parametrize("layer", LOSSES)
def test_different_numbers_of_items_are_refused_with_both_shapes(layer: str) -> None:
    more = {"ContrastiveLoss": [[0, 1]], "InfogainLoss": [ONE_HOT]}.get(layer, [])
    with pytest.raises(NetError, match=r"(?s)equally many items.*bottom0.*\(2, 3\).*bottom1.*\(3, 2\)"):
        bench(f'type: "{layer}"', np.zeros((2, 3)), np.zeros((3, 2)), *more)


@pytest.mark.parametrize(
    "layer", ["SoftmaxWithLoss", "SigmoidCrossEntropyLoss", "MultinomialLogisticLoss", "HingeLoss"]
)
def test_labels_have_no_gradient(layer: str) -> None:
    target = np.zeros((2, 3)) if layer == "SigmoidCrossEntropyLoss" else [0, 1]
    with pytest.raises(NetError, match=r"no gradient for bottom\[1\]: set 'propagate_down: false'"):
        bench(f'type: "{layer}"', np.ones((2, 3)), target).run((0, 1))


@pytest.mark.parametrize("layer", ["SoftmaxWithLoss", "EuclideanLoss", "HingeLoss", "SmoothL1Loss"])
def test_an_empty_batch_costs_nothing(layer: str) -> None:
    target = np.zeros((0, 3)) if layer in ("EuclideanLoss", "SmoothL1Loss") else np.zeros(0)
    results = bench(f'type: "{layer}"', np.zeros((0, 3)), target).run()
    assert results.tops[0] == 0
    assert results.bottoms[0].shape == (0, 3)
