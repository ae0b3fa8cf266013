"""Fillers: what a parameter holds before it has learned anything.

With n = fan_in, fan_out or their mean (`variance_norm`), where fan_in = count / shape[0] and fan_out = count /
shape[1]:

| type               | values                                                                                      |
|--------------------|---------------------------------------------------------------------------------------------|
| constant           | value                                                                                       |
| uniform            | uniform in [min, max)                                                                       |
| gaussian           | normal(mean, std); `sparse` ≥ 0 keeps each value with probability sparse / shape[0]         |
| positive_unitball  | uniform in [0, 1), then each item over axis 0 divided by its sum                            |
| xavier             | uniform in [−s, s), s = √(3/n) (Glorot and Bengio, 2010)                                    |
| msra               | normal(0, √(2/n)) (He et al., 2015)                                                         |
| bilinear           | the interpolation kernel of an upsampling Deconvolution, on the last two axes               |

Fans of a grouped convolution do not know of the group, those of a transposed InnerProduct follow the stored shape:
both as in Caffe. The numbers are drawn in the blob's own dtype, straight into its memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from minicaffe.blob import Blob
from minicaffe.errors import NetError, did_you_mean

Filler = Callable[[np.ndarray, Any, np.random.Generator], None]

FILLERS: dict[str, Filler] = {}


def fill(blob: Blob, filler: Any, generator: np.random.Generator) -> None:
    """Fill the data of `blob` as `filler`, a FillerParameter, says; `generator` is the source of its random numbers.

    NetError if the type is unknown, the blob empty, or the filler's numbers make no sense for the blob's shape.
    """
    function = FILLERS.get(filler.type)
    if function is None:
        fail(blob, filler, f"no such filler{did_you_mean(filler.type, FILLERS)}; there are {', '.join(FILLERS)}")
    if blob.count == 0:
        fail(blob, filler, "an empty blob cannot be filled: a size that the layer takes from its bottoms is 0")
    if filler.sparse != -1 and filler.type != "gaussian":
        fail(blob, filler, f"sparse: {filler.sparse} belongs to filler type 'gaussian' only")
    try:
        with blob.edited() as values:
            function(values, filler, generator)
    except ValueError as error:
        fail(blob, filler, str(error))


def fail(blob: Blob, filler: Any, message: str) -> NoReturn:
    """Raise NetError with the filler's type, the blob's name and its shape."""
    raise NetError(f"filler {filler.type!r} for blob {blob.name!r} of shape {blob.shape}: {message}")


def register_filler(name: str) -> Callable[[Filler], Filler]:
    """Decorator: make `function(values, filler_param, generator)`, which overwrites `values`, known as filler `name`.

    The function raises ValueError for parameters it cannot use.
    """

    def decorate(function: Filler) -> Filler:
        FILLERS[name] = function
        return function

    return decorate


def fan(values: np.ndarray, filler: Any) -> float:
    """Return the fan that `filler.variance_norm` asks for; a blob of one axis has fan_out = its size."""
    fan_in = values.size / values.shape[0] if values.ndim > 0 else values.size
    fan_out = values.size / values.shape[1] if values.ndim > 1 else values.size
    if filler.variance_norm == filler.FAN_OUT:
        return fan_out
    return (fan_in + fan_out) / 2 if filler.variance_norm == filler.AVERAGE else fan_in


def draw_uniform(values: np.ndarray, low: float, high: float, generator: np.random.Generator) -> None:
    """Overwrite `values` with numbers uniform in [low, high)."""
    if low > high:
        raise ValueError(f"min: {low:g} is greater than max: {high:g}")
    generator.random(dtype=values.dtype, out=values)
    values *= high - low
    values += low


def draw_normal(values: np.ndarray, mean: float, std: float, generator: np.random.Generator) -> None:
    """Overwrite `values` with normal numbers."""
    if std < 0:
        raise ValueError(f"std: {std:g} is negative")
    generator.standard_normal(dtype=values.dtype, out=values)
    if std != 1:
        values *= std
    if mean:
        values += mean


@register_filler("constant")
def constant(values: np.ndarray, filler: Any, generator: np.random.Generator) -> None:
    values[...] = filler.value


@register_filler("uniform")
def uniform(values: np.ndarray, filler: Any, generator: np.random.Generator) -> None:
    draw_uniform(values, filler.min, filler.max, generator)


@register_filler("gaussian")
def gaussian(values: np.ndarray, filler: Any, generator: np.random.Generator) -> None:
    draw_normal(values, filler.mean, filler.std, generator)
    if filler.sparse == -1:
        return
    outputs = values.shape[0] if values.ndim else 1
    if not 0 <= filler.sparse <= outputs:
        raise ValueError(f"sparse: {filler.sparse} must lie between 0 and shape[0] = {outputs}")
    values *= generator.random(values.shape, np.float32) < filler.sparse / outputs


@register_filler("positive_unitball")
def positive_unitball(values: np.ndarray, filler: Any, generator: np.random.Generator) -> None:
    generator.random(dtype=values.dtype, out=values)
    rows = values.reshape(values.shape[0] if values.ndim else 1, -1)
    rows /= rows.sum(axis=1, keepdims=True)


@register_filler("xavier")
def xavier(values: np.ndarray, filler: Any, generator: np.random.Generator) -> None:
    scale = math.sqrt(3 / fan(values, filler))
    draw_uniform(values, -scale, scale, generator)


@register_filler("msra")
def msra(values: np.ndarray, filler: Any, generator: np.random.Generator) -> None:
    draw_normal(values, 0, math.sqrt(2 / fan(values, filler)), generator)


@register_filler("bilinear")
def bilinear(values: np.ndarray, filler: Any, generator: np.random.Generator) -> None:
    if values.ndim != 4 or values.shape[2] != values.shape[3]:
        raise ValueError("bilinear needs 4 axes and a square kernel: the weights of a 2-D Deconvolution")
    size = values.shape[3]
    factor = math.ceil(size / 2)
    centre = (size - 1) / (2 * factor)
    weight = 1 - np.abs(np.arange(size) / factor - centre)
    values[...] = np.outer(weight, weight)
