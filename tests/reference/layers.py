"""What layers compute, in plain NumPy: written from the specification for tests, slow and short.

`tops(param, bottoms, blobs, train)` gives the tops of a layer. The formulas of layers that see windows of images are in
`images`, those of layers that pick items or go through them one by one in `sequences`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minicaffe.proto import schema

Arrays = list[np.ndarray]
Formula = Callable[[Any, Arrays, Arrays, bool], Any]

FORMULAS: dict[str, Formula] = {}


def tops(param: Any, bottoms: Sequence[np.ndarray], blobs: Sequence[np.ndarray], train: bool) -> Arrays:
    """The tops of the layer defined by `param`, for these bottoms and parameters, in this phase."""
    result = FORMULAS[param.type](param, list(bottoms), list(blobs), train)
    return result if isinstance(result, list) else [result]


def formula(*types: str) -> Callable[[Formula], Formula]:
    def note(function: Formula) -> Formula:
        FORMULAS.update(dict.fromkeys(types, function))
        return function

    return note


def elementwise(type_name: str, function: Callable[[np.ndarray, Any], np.ndarray]) -> None:
    """Note a formula of x and the layer's own parameter message (named after the type)."""
    field = f"{type_name.lower()}_param"
    known = schema.LayerParameter.DESCRIPTOR.fields_by_name
    FORMULAS[type_name] = lambda param, x, blobs, train: function(
        x[0], getattr(param, field) if field in known else None
    )


# -- elementwise --------------------------------------------------------------------------------------------------


def logarithm_of(base: float) -> float:
    return 1.0 if base == -1 else math.log(base)


elementwise("ReLU", lambda x, p: np.where(x > 0, x, p.negative_slope * x))
elementwise("ELU", lambda x, p: np.where(x > 0, x, p.alpha * (np.exp(np.minimum(x, 0)) - 1)))
elementwise("Sigmoid", lambda x, p: 1 / (1 + np.exp(-x)))
elementwise("TanH", lambda x, p: np.tanh(x))
elementwise("Swish", lambda x, p: x / (1 + np.exp(-p.beta * x)))
elementwise("BNLL", lambda x, p: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0))
elementwise("AbsVal", lambda x, p: np.abs(x))
elementwise("Power", lambda x, p: (p.shift + p.scale * x) ** p.power)
elementwise("Exp", lambda x, p: np.exp(logarithm_of(p.base) * (p.shift + p.scale * x)))
elementwise("Log", lambda x, p: np.log(p.shift + p.scale * x) / logarithm_of(p.base))
elementwise("Clip", lambda x, p: np.clip(x, p.min, p.max))
elementwise("Threshold", lambda x, p: (x > p.threshold).astype(float))


@formula("Dropout")
def dropout(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    assert not train, "random in training"
    return x[0]


def along(values: np.ndarray, axis: int, ndim: int) -> np.ndarray:
    """`values` with axes of 1 around them, so that their first axis meets axis `axis` of `ndim`."""
    return values.reshape((1,) * axis + values.shape + (1,) * (ndim - axis - values.ndim))


@formula("PReLU")
def prelu(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    slope = along(blobs[0], 1 if blobs[0].ndim else 0, x[0].ndim)
    return np.maximum(x[0], 0) + slope * np.minimum(x[0], 0)


@formula("Scale", "Bias")
def scale_or_bias(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    own = param.scale_param if param.type == "Scale" else param.bias_param
    values = x[1:] + blobs
    start = own.axis % x[0].ndim if values[0].ndim else 0
    placed = [along(one, start, x[0].ndim) for one in values]
    if param.type == "Bias":
        return x[0] + placed[0]
    return x[0] * placed[0] + (placed[1] if own.bias_term else 0)


# -- normalised ---------------------------------------------------------------------------------------------------


@formula("BatchNorm")
def batch_norm(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    p, others = param.batch_norm_param, tuple(i for i in range(x[0].ndim) if i != 1)
    if p.use_global_stats if p.HasField("use_global_stats") else not train:
        mean, variance = (along(blob / blobs[2], 1, x[0].ndim) for blob in blobs[:2])
    else:
        mean, variance = x[0].mean(others, keepdims=True), x[0].var(others, keepdims=True)
    return (x[0] - mean) / np.sqrt(variance + p.eps)


@formula("MVN")
def mvn(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    p = param.mvn_param
    axes = tuple(range(1 if p.across_channels else 2, x[0].ndim))
    y = x[0] - x[0].mean(axes, keepdims=True)
    return y / (y.std(axes, keepdims=True) + p.eps) if p.normalize_variance else y


# -- all to all ---------------------------------------------------------------------------------------------------


@formula("InnerProduct")
def inner_product(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    p = param.inner_product_param
    axis = p.axis % x[0].ndim
    rows = x[0].reshape(*x[0].shape[:axis], -1)
    y = np.einsum("...k,kn->...n", rows, blobs[0] if p.transpose else blobs[0].T)
    return y + blobs[1] if p.bias_term else y


@formula("Softmax")
def softmax(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    e = np.exp(x[0])
    return e / e.sum(param.softmax_param.axis, keepdims=True)


# -- joining and cutting ------------------------------------------------------------------------------------------


@formula("Eltwise")
def eltwise(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    p = param.eltwise_param
    if p.operation == p.MAX:
        return np.max(x, axis=0)
    if p.operation == p.PROD:
        return np.prod(x, axis=0)
    return sum((c * one for c, one in zip(p.coeff or [1] * len(x), x, strict=True)), np.zeros(x[0].shape))


@formula("Concat")
def concat(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    return np.concatenate(x, param.concat_param.axis)


@formula("Slice")
def cut(param: Any, x: Arrays, blobs: Arrays, train: bool) -> Arrays:
    p = param.slice_param
    return np.split(x[0], list(p.slice_point) or len(param.top), p.axis)


@formula("Split")
def split(param: Any, x: Arrays, blobs: Arrays, train: bool) -> Arrays:
    return x * len(param.top)


@formula("Silence")
def silence(param: Any, x: Arrays, blobs: Arrays, train: bool) -> Arrays:
    return []


@formula("Flatten")
def flatten(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    shape, p = x[0].shape, param.flatten_param
    first, last = p.axis % len(shape), p.end_axis % len(shape)
    return x[0].reshape(*shape[:first], -1, *shape[last + 1 :])


@formula("Reshape")
def reshape(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    dims = param.reshape_param.shape.dim
    return x[0].reshape([x[0].shape[i] if dim == 0 else dim for i, dim in enumerate(dims)])


@formula("Tile")
def tile(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    return np.concatenate([x[0]] * param.tile_param.tiles, param.tile_param.axis)


@formula("Crop")
def crop(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    p = param.crop_param
    first = p.axis % x[0].ndim
    y = x[0]
    for axis in range(first, y.ndim):
        offset = list(p.offset)[(axis - first) % len(p.offset)] if p.offset else 0
        y = y.take(np.arange(offset, offset + x[1].shape[axis]), axis)
    return y


@formula("Reduction")
def reduction(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    p = param.reduction_param
    rows = x[0].reshape(*x[0].shape[: p.axis % x[0].ndim], -1)
    kinds = {p.SUM: rows.sum(-1), p.ASUM: np.abs(rows).sum(-1), p.SUMSQ: (rows**2).sum(-1), p.MEAN: rows.mean(-1)}
    return p.coeff * kinds[p.operation]


# -- losses -------------------------------------------------------------------------------------------------------


def scores_of(x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores as rows of classes, and the class of each row."""
    return np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]), labels.reshape(-1).astype(int)


@formula("SoftmaxWithLoss")
def softmax_with_loss(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    p, (rows, labels) = param.loss_param, scores_of(*x)
    losses = np.log(np.exp(rows).sum(1)) - rows[np.arange(len(rows)), labels]
    counted = labels != p.ignore_label if p.HasField("ignore_label") else np.full(len(labels), True)
    divisors = {p.FULL: len(labels), p.VALID: counted.sum(), p.BATCH_SIZE: len(x[0]), p.NONE: 1}
    return np.array(losses[counted].sum() / max(divisors[p.normalization], 1))


@formula("SigmoidCrossEntropyLoss")
def sigmoid_cross_entropy(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    return np.array((x[1] * np.log1p(np.exp(-x[0])) + (1 - x[1]) * np.log1p(np.exp(x[0]))).sum() / len(x[0]))


@formula("MultinomialLogisticLoss")
def multinomial(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    rows, labels = scores_of(*x)
    return np.array(-np.log(rows[np.arange(len(rows)), labels]).mean())


@formula("InfogainLoss")
def infogain(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    rows, labels = scores_of(*x[:2])
    logs = rows - np.log(np.exp(rows).sum(1, keepdims=True))
    return np.array(-(x[2][labels] * logs).sum() / len(rows))


@formula("ContrastiveLoss")
def contrastive(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    p, squares = param.contrastive_loss_param, ((x[0] - x[1]) ** 2).sum(1)
    near = p.margin - squares if p.legacy_version else p.margin - np.sqrt(squares)
    apart = np.maximum(near, 0) ** (1 if p.legacy_version else 2)
    return np.array(np.where(x[2] != 0, squares, apart).mean() / 2)


@formula("EuclideanLoss")
def euclidean(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    return np.array(((x[0] - x[1]) ** 2).sum() / 2 / len(x[0]))


@formula("HingeLoss")
def hinge(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    p, (rows, labels) = param.hinge_loss_param, (x[0].reshape(len(x[0]), -1), x[1].reshape(-1).astype(int))
    sign = np.where(np.arange(rows.shape[1]) == labels[:, None], -1, 1)
    margin = np.maximum(0, 1 + sign * rows)
    return np.array((margin**2 if p.norm == p.L2 else margin).sum() / len(rows))


@formula("SmoothL1Loss")
def smooth_l1(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    square = param.smooth_l1_loss_param.sigma**2
    inside, outside = x[2:] if len(x) == 4 else (np.ones(1), np.ones(1))
    d = np.abs(inside * (x[0] - x[1]))
    return np.array((outside * np.where(d < 1 / square, square * d * d / 2, d - 0.5 / square)).sum() / len(x[0]))


@formula("Accuracy")
def accuracy(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    rows, labels = scores_of(*x)
    rank = (rows >= rows[np.arange(len(rows)), labels][:, None]).sum(1)
    return np.array((rank <= param.accuracy_param.top_k).mean())
