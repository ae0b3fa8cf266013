"""Cases of the losses and of Accuracy."""

from __future__ import annotations

import numpy as np

from minicaffe.testing.case import Case, Input, away_from, given, labels, normal, uniform

N, C = 4, 5
GAIN = given(np.eye(C) + 0.25 * np.arange(C * C).reshape(C, C) / C)


def _probabilities(*shape: int) -> Input:
    """Positive numbers that sum to 1 along axis 1, none near the floor of the logarithm."""

    def draw(rng: np.random.Generator, s: tuple[int, ...]) -> np.ndarray:
        p = rng.uniform(0.1, 1, s)
        return p / p.sum(axis=1, keepdims=True)

    return Input(shape, draw)


def _softmax(text: str, label: str, **more: object) -> Case:
    return Case(f'type: "SoftmaxWithLoss" {text}', label=label, gradients=(0,), **more)  # type: ignore[arg-type]


def _spatial(text: str, label: str) -> Case:
    return _softmax(text, label, inputs=(normal(2, C, 3, 4), labels(C, 2, 1, 3, 4)), again=((3, C, 2, 2), (3, 2, 2)))


SOFTMAX = [
    _softmax("", "plain", inputs=(normal(N, C), labels(C, N)), again=((7, 6), (7,))),
    _softmax(
        "", "probabilities", inputs=(normal(N, C), labels(C, N)), tops=2, through=(0,), again=((2, C), (2, 1, 1, 1))
    ),
    _softmax(
        "softmax_param { axis: -1 }", "axis", inputs=(normal(2, 3, C), labels(C, 2, 3)), again=((1, 4, C), (1, 4))
    ),
    _softmax("softmax_param { axis: 0 }", "axis0", inputs=(normal(C, 1, 5), labels(C, C))),
    _spatial("loss_param { normalization: FULL }", "full"),
    _spatial("loss_param { ignore_label: 2 }", "ignore"),
    _spatial("loss_param { ignore_label: 2 normalization: FULL }", "ignore-full"),
    _spatial("loss_param { ignore_label: 2 normalization: BATCH_SIZE }", "ignore-batch"),
    _spatial("loss_param { ignore_label: 2 normalization: NONE }", "ignore-none"),
    _spatial("loss_param { ignore_label: 2 normalize: false }", "ignore-normalize-false"),
    _spatial("loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 2.5 }", "pre-fixed"),
    _softmax("loss_param { ignore_label: -1 }", "all-ignored", inputs=(normal(N, C), given([-1] * N))),
]

SIGMOID = [
    Case('type: "SigmoidCrossEntropyLoss"', (normal(N, C), uniform(0, 1, N, C)), (0,), again=((2, 3, 2), (2, 3, 2))),
    Case(
        'type: "SigmoidCrossEntropyLoss" loss_param { ignore_label: -1 normalization: VALID }',
        (normal(N, C), Input((N, C), lambda rng, s: rng.integers(-1, 2, s))),
        (0,),
        label="ignore-valid",
        again=((6, 2), (6, 2, 1)),
    ),
    Case(
        'type: "SigmoidCrossEntropyLoss" loss_param { normalization: FULL }',
        (uniform(-30, 30, N, C), labels(2, N, C)),
        (0,),
        label="far-full",
    ),
]

INFOGAIN = [
    Case('type: "InfogainLoss"', (normal(N, C), labels(C, N), GAIN), (0,), again=((6, C), (6,), (C, C))),
    Case(
        'type: "InfogainLoss" infogain_loss_param { axis: 2 } loss_param { ignore_label: 1 normalization: BATCH_SIZE }',
        (normal(2, 3, C), labels(C, 2, 3), GAIN),
        (0,),
        tops=2,
        through=(0,),
        label="axis-ignore",
    ),
]

ONE_LABEL = [
    Case('type: "MultinomialLogisticLoss"', (_probabilities(N, C), labels(C, N)), (0,), again=((2, 6), (2, 1, 1, 1))),
    Case('type: "HingeLoss"', (away_from((-1.0, 1.0), N, C), labels(C, N)), (0,), again=((6, C), (6,))),
    Case(
        'type: "HingeLoss" hinge_loss_param { norm: L2 }',
        (away_from((-1.0, 1.0), N, C), labels(C, N)),
        (0,),
        label="L2",
        again=((2, C, 1, 2), (2,)),
    ),
]

# Distances of some hundreds: there Caffe's guard of 1e-4 in the denominator is too small to see.
PAIRS = (uniform(-200, 200, 6, 3), uniform(-200, 200, 6, 3), given([1, 0, 1, 0, 0, 0]))

REGRESSION = [
    Case('type: "EuclideanLoss"', (normal(2, 3, 4), normal(2, 3, 4)), again=((5, 2), (5, 2, 1, 1))),
    Case('type: "ContrastiveLoss" contrastive_loss_param { margin: 350 }', PAIRS, (0, 1)),
    Case(
        'type: "ContrastiveLoss" contrastive_loss_param { margin: 6 legacy_version: true }',
        (normal(6, 3), normal(6, 3), given([1, 0, 0.5, 0, -2, 0])),
        (0, 1),
        label="legacy",
    ),
    Case(
        'type: "SmoothL1Loss" smooth_l1_loss_param { sigma: 2.4 }',
        (normal(N, 8), normal(N, 8)),
        label="two",
        again=((3, 4, 1, 1), (3, 4)),
    ),
    Case(
        'type: "SmoothL1Loss"',
        (normal(N, 8), normal(N, 8), uniform(0, 2, N, 8)),
        (0, 1),
        label="three",
        again=((2, 3), (2, 3), (2, 3)),
    ),
    Case(
        'type: "SmoothL1Loss"',
        (normal(N, 8), normal(N, 8), uniform(0, 2, N, 8), uniform(0, 2, N, 8)),
        (0, 1),
        label="four",
        again=((2, 3), (2, 3), (2, 3), (2, 3)),
    ),
]

ACCURACY = [
    Case('type: "Accuracy"', (normal(N, C), labels(C, N)), (), again=((7, 6), (7,))),
    Case(
        'type: "Accuracy" accuracy_param { top_k: 2 axis: -1 ignore_label: 1 }',
        (normal(2, 3, C), labels(C, 2, 3)),
        (),
        tops=2,
        label="per-class",
    ),
]

CASES = SOFTMAX + SIGMOID + INFOGAIN + ONE_LABEL + REGRESSION + ACCURACY
