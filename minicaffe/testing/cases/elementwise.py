"""Cases of the layers that work number by number, and of those that normalise, scale and combine."""

from __future__ import annotations

from typing import Any

from minicaffe.testing.case import Case, Input, away_from, distinct, given, normal, uniform

X = (2, 3, 4, 5)
AGAIN = ((3, 2, 7),)


def _function(text: str, x: Input | None = None, label: str = "", **more: Any) -> Case:
    """One bottom, one top, in place allowed, any shape."""
    return Case(text, (x or normal(*X),), label=label, in_place=True, again=AGAIN, **more)


FUNCTIONS = [
    _function('type: "ReLU"', away_from((0.0,), *X)),
    _function('type: "ReLU" relu_param { negative_slope: 0.1 }', away_from((0.0,), *X), "leaky"),
    _function('type: "ReLU" relu_param { negative_slope: 1.5 }', away_from((0.0,), *X), "steep"),
    _function('type: "ReLU" relu_param { negative_slope: -0.3 }', away_from((0.0,), *X), "negative"),
    _function('type: "ELU"', away_from((0.0,), *X)),
    _function('type: "ELU" elu_param { alpha: 0.3 }', away_from((0.0,), *X), "alpha"),
    _function('type: "ELU" elu_param { alpha: -0.5 }', away_from((0.0,), *X), "negative"),
    _function('type: "Sigmoid"'),
    _function('type: "TanH"'),
    _function('type: "Swish"'),
    _function('type: "Swish" swish_param { beta: 1.5 }', label="beta"),
    _function('type: "BNLL"'),
    _function('type: "AbsVal"', away_from((0.0,), *X)),
    _function('type: "Power"'),
    _function('type: "Power" power_param { scale: -0.5 shift: 2 }', label="affine"),
    _function('type: "Power" power_param { power: 2 scale: 0.83 shift: -2.4 }', label="square"),
    _function('type: "Power" power_param { power: 3 }', away_from((0.0,), *X), "cube"),
    _function('type: "Power" power_param { power: -1 shift: 6 scale: 0.5 }', label="inverse"),
    _function('type: "Power" power_param { power: 0.37 scale: 0.83 }', uniform(0.5, 3, *X), "root"),
    _function('type: "Power" power_param { power: 0 scale: 2 shift: 1 }', label="constant"),
    _function('type: "Power" power_param { power: 2 scale: 0 shift: 3 }', label="scale-0"),
    _function('type: "Exp"'),
    _function('type: "Exp" exp_param { base: 2 scale: 3 shift: 1 }', label="base"),
    _function('type: "Log"', uniform(0.5, 3, *X)),
    _function('type: "Log" log_param { base: 2 scale: 3 shift: 1 }', uniform(0.5, 3, *X), "base"),
    Case('type: "Threshold" threshold_param { threshold: 0.25 }', (away_from((0.25,), *X),), (), again=AGAIN),
    _function('type: "Clip" clip_param { min: -0.5 max: 0.7 }', away_from((-0.5, 0.7), *X)),
]

DROPOUT = [
    _function('type: "Dropout"'),
    _function('type: "Dropout" dropout_param { dropout_ratio: 0.2 scale_train: false }', label="unscaled"),
    _function('type: "Dropout" dropout_param { dropout_ratio: 0 }', label="ratio-0"),
    _function('type: "Dropout"', label="test", train=False),
    _function(
        'type: "Dropout" dropout_param { dropout_ratio: 0.2 scale_train: false }', label="unscaled-test", train=False
    ),
    _function('type: "Dropout" dropout_param { sample_weights_test: true }', label="sampling-test", train=False),
]

PRELU = [
    Case(
        'type: "PReLU"',
        (away_from((0.0,), *X),),
        in_place=True,
        again=((3, 3, 2),),
        params=(normal(3),),
    ),
    Case('type: "PReLU"', (away_from((0.0,), 4, 3),), in_place=True, again=((2, 3),), label="two-axes"),
    Case(
        'type: "PReLU" prelu_param { channel_shared: true filler { value: -0.4 } }',
        (away_from((0.0,), *X),),
        in_place=True,
        again=((3, 4, 2),),
        label="shared",
    ),
]


def _statistics(channels: int) -> tuple[Input, ...]:
    """Running sums of mean and variance, and their weight."""
    return normal(channels), uniform(1, 4, channels), given([2.0])


def _batch_norm(text: str, shape: tuple[int, ...], again: tuple[int, ...], label: str, train: bool = True) -> Case:
    channels = shape[1] if len(shape) > 1 else 1
    text = f'type: "BatchNorm" {text}'
    return Case(text, (normal(*shape),), None, 1, True, (again,), train, label, params=_statistics(channels))


NORMALISATION = [
    _batch_norm("", (4, 3, 5, 6), (2, 3, 4), "train"),
    _batch_norm("", (6, 4), (3, 4), "two-axes"),
    _batch_norm("", (7,), (4,), "one-axis"),
    _batch_norm("batch_norm_param { moving_average_fraction: 0.9 eps: 0.1 }", X, (3, 3, 2, 2), "parameters"),
    _batch_norm("", X, (1, 3, 2), "test", train=False),
    _batch_norm("batch_norm_param { use_global_stats: true }", X, (1, 3, 2), "global-train"),
    _batch_norm("batch_norm_param { use_global_stats: false }", X, (3, 3, 2), "batch-test", train=False),
    Case('type: "MVN"', (normal(*X),), in_place=True, again=((3, 2, 4, 6),)),
    Case('type: "MVN"', (normal(2, 3, 10),), again=((3, 2, 4),), label="three-axes"),
    Case('type: "MVN" mvn_param { across_channels: true eps: 1e-6 }', (normal(*X),), in_place=True, label="across"),
    Case('type: "MVN" mvn_param { normalize_variance: false }', (normal(*X),), in_place=True, label="mean"),
]


def _broadcast(text: str, *b: Input, again: tuple[tuple[int, ...], ...] | None = None, label: str = "") -> Case:
    return Case(text, (normal(*X), *b), in_place=True, again=again, label=label)


BROADCAST = [
    _broadcast('type: "Scale"', again=((3, 3, 2),)),
    _broadcast('type: "Scale" scale_param { bias_term: true }', again=((3, 3, 2),), label="bias"),
    _broadcast(
        'type: "Scale" scale_param { axis: 2 num_axes: 2 bias_term: true }', again=((3, 1, 4, 5),), label="axes"
    ),
    _broadcast('type: "Scale" scale_param { axis: -1 }', again=((3, 5),), label="last"),
    _broadcast('type: "Scale" scale_param { axis: 0 num_axes: -1 }', label="all"),
    _broadcast('type: "Scale" scale_param { num_axes: 0 bias_term: true }', again=((3, 7),), label="scalar"),
    _broadcast('type: "Scale" scale_param { axis: 0 }', normal(2, 3), again=((5, 4, 2), (5, 4)), label="two"),
    _broadcast('type: "Scale" scale_param { bias_term: true }', normal(3, 4), label="two-bias"),
    _broadcast('type: "Scale"', normal(), again=((3, 7), ()), label="two-scalar"),
    _broadcast('type: "Bias"', again=((3, 3, 2),)),
    _broadcast('type: "Bias" bias_param { axis: 0 num_axes: 3 }', again=((2, 3, 4),), label="axes"),
    _broadcast('type: "Bias" bias_param { axis: 2 num_axes: -1 }', again=((3, 1, 4, 5),), label="to-the-end"),
    _broadcast('type: "Bias" bias_param { num_axes: 0 }', again=((3, 7),), label="scalar"),
    _broadcast('type: "Bias"', normal(3, 4, 5), again=((5, 4, 2), (4,)), label="two"),
]


def _eltwise(text: str, count: int, label: str, draw: Input | None = None) -> Case:
    again = ((3, 4),) * count
    inputs = (draw or normal(*X),) * count
    return Case(f'type: "Eltwise" eltwise_param {{ {text} }}', inputs, in_place=True, again=again, label=label)


ELTWISE = [
    Case('type: "Eltwise"', (normal(*X), normal(*X)), in_place=True, again=((3, 4), (3, 4)), label="sum"),
    _eltwise("coeff: 1 coeff: -0.5 coeff: 2", 3, "coeff"),
    _eltwise("coeff: 1 coeff: -1", 2, "difference"),
    _eltwise("operation: PROD", 2, "prod"),
    _eltwise("operation: PROD", 4, "prod-4"),
    _eltwise("operation: PROD stable_prod_grad: false", 3, "prod-unstable", away_from((0.0,), *X, margin=0.2)),
    _eltwise("operation: MAX", 2, "max", distinct(*X)),
    _eltwise("operation: MAX coeff: 1 coeff: 2 coeff: 3", 3, "max-3", distinct(*X)),
]

CASES: list[Case] = FUNCTIONS + DROPOUT + PRELU + NORMALISATION + BROADCAST + ELTWISE
