"""Which pixel of one blob lies over which pixel of another, and the Crop layer that puts the two into register.

A spatial layer takes coordinates of its bottom to those of its top by a scale and a shift an axis; composing these
along the net relates any two tops. For NetSpec, as fully convolutional nets use it: `n.score = crop(n.upscore,
n.data)`.

A map is (axis, scale, shift), top = scale * bottom + shift: `axis` is the one before the first spatial axis (None:
any), scale and shift are numbers, or arrays of one number a spatial axis. After pycaffe's coord_map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minicaffe.errors import NetError
from minicaffe.net_spec import Function, Top, layers

CoordMap = tuple[int | None, Any, Any]

IDENTITY: CoordMap = (None, 1, 0)

PASS_THROUGH_LAYERS = frozenset(
    ["AbsVal", "BatchNorm", "Bias", "BNLL", "Clip", "Dropout", "ELU", "Eltwise", "Exp", "Log", "LRN", "MVN", "Power"]
    + ["PReLU", "ReLU", "Scale", "Sigmoid", "Split", "Swish", "TanH", "Threshold"]
)

# what dividing by strides may leave of a whole number
ROUNDING = 1e-6


class UndefinedMapException(NetError):  # noqa: N818
    """The layer moves pixels in no fixed way, or not at all."""


class AxisMismatchException(NetError):  # noqa: N818
    """Two layers on the way count different axes as the first spatial one."""


class DisconnectedError(NetError, RuntimeError):
    """No spatial path joins the two tops; also a RuntimeError, which is what pycaffe raises here."""


class CropError(NetError, AssertionError):
    """The tops are in no register a Crop can bring about; also an AssertionError, which is what pycaffe raises here."""


def crop(top_from: Top, top_to: Top) -> Top:
    """Return a Crop layer's top: `top_from` cut to the extent of `top_to`, pixel upon pixel.

    CropError unless the two have one scale and `top_to` starts at a whole pixel inside `top_from`.
    """
    axis, scale, shift = coord_map_from_to(top_from, top_to)
    if np.any(np.abs(np.subtract(scale, 1)) > ROUNDING):
        raise CropError(f"scale mismatch on crop: one pixel of the blob to crop is {scale} of the other's")
    offset = -np.atleast_1d(shift)
    if np.any(offset < -ROUNDING):
        raise CropError(f"cannot crop by a negative offset: {offset} pixels, the blob to crop starts inside the other")
    if np.any(np.abs(offset - np.round(offset)) > ROUNDING):
        raise CropError(f"cannot crop by part of a pixel: {offset} pixels")
    first = 2 if axis is None else axis + 1
    return layers.Crop(top_from, top_to, crop_param={"axis": first, "offset": np.round(offset).astype(int).tolist()})


def coord_map_from_to(top_from: Top, top_to: Top) -> CoordMap:
    """Return the map from coordinates of `top_from` to those of `top_to`, through the nearest blob both come from."""
    from_maps = dict(_ancestors(top_from))
    for ancestor, to_map in _ancestors(top_to):
        if ancestor in from_maps:
            return compose(to_map, inverse(from_maps[ancestor]))
    raise DisconnectedError("could not compute a map between the tops: no chain of spatial layers connects them")


def _ancestors(top: Top) -> list[tuple[Top, CoordMap]]:
    """Return every blob that spatial layers lead from to `top`, nearest first, each with its map to `top`."""
    found = {top: IDENTITY}
    queue = [top]
    for descendant in queue:
        fn = descendant.fn
        try:
            step = coord_map(fn)
        except UndefinedMapException:
            continue
        for bottom in fn.inputs[:1] if fn.type_name == "Crop" else fn.inputs:
            if bottom not in found:
                found[bottom] = compose(found[descendant], step)
                queue.append(bottom)
    return list(found.items())


def compose(base_map: CoordMap, next_map: CoordMap) -> CoordMap:
    """Return the map that applies `next_map`, then `base_map`."""
    axis1, scale1, shift1 = base_map
    axis2, scale2, shift2 = next_map
    if axis1 is not None and axis2 is not None and axis1 != axis2:
        raise AxisMismatchException(f"spatial axes start after axis {axis1} on one side and after {axis2} on the other")
    return (axis2 if axis1 is None else axis1), scale1 * scale2, scale1 * shift2 + shift1


def inverse(coord_map: CoordMap) -> CoordMap:
    """Return the map that undoes `coord_map`."""
    axis, scale, shift = coord_map
    return axis, 1 / scale, -shift / scale


# -- the maps of single layers ----------------------------------------------------------------------------------------


def coord_map(fn: Function) -> CoordMap:
    """Return the map from coordinates of a layer's bottom to those of its top; UndefinedMapException if it has none."""
    rule = _RULES.get(fn.type_name)
    if rule is not None:
        return rule(fn)
    if fn.type_name in PASS_THROUGH_LAYERS:
        return IDENTITY
    raise UndefinedMapException(f"a {fn.type_name} layer has no map from pixels of its bottom to pixels of its top")


def _convolution(fn: Function) -> CoordMap:
    axis, stride, extent, pad = conv_params(fn)
    return axis, 1 / stride, (pad - (extent - 1) / 2) / stride


def _deconvolution(fn: Function) -> CoordMap:
    axis, stride, extent, pad = conv_params(fn)
    return axis, stride, (extent - 1) / 2 - pad


def _crop(fn: Function) -> CoordMap:
    axis, offset = crop_params(fn)
    return axis - 1, 1, -offset


_RULES: dict[str, Callable[[Function], CoordMap]] = {
    "Convolution": _convolution,
    "Pooling": _convolution,
    "Im2col": _convolution,
    "Deconvolution": _deconvolution,
    "Crop": _crop,
}


def conv_params(fn: Function) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Return (axis, stride, extent of the dilated kernel, pad) of a convolution or pooling, arrays but for the axis.

    The two-axis forms `kernel_h`, `kernel_w` and so on count too. UndefinedMapException for global pooling.
    """
    own = "pooling_param" if fn.type_name == "Pooling" else "convolution_param"
    params = fn.params.get(own, fn.params)
    if params.get("global_pooling"):
        raise UndefinedMapException("global pooling leaves no pixels to map")
    if not {"kernel_size", "kernel_h"} & params.keys():
        raise UndefinedMapException(f"a {fn.type_name} layer without kernel_size moves pixels in no known way")

    def sizes(name: str, short: str, default: int) -> np.ndarray:
        if f"{short}_h" in params or f"{short}_w" in params:
            return np.array([params.get(f"{short}_h", default), params.get(f"{short}_w", default)])
        return np.array(params.get(name, default), ndmin=1)

    kernel, dilation = sizes("kernel_size", "kernel", 1), np.array(params.get("dilation", 1), ndmin=1)
    stride, pad = sizes("stride", "stride", 1), sizes("pad", "pad", 0)
    return params.get("axis", 1), stride, (kernel - 1) * dilation + 1, pad


def crop_params(fn: Function) -> tuple[int, np.ndarray]:
    """Return (axis, offset) of a Crop layer."""
    params = fn.params.get("crop_param", fn.params)
    return params.get("axis", 2), np.array(params.get("offset", 0))
