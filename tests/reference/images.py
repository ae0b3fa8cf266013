"""What layers that see windows of images compute; images are 4-D."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.reference.layers import Arrays, formula


def two(p: Any, name: str, default: int) -> tuple[int, int]:
    """Height and width of a kernel, stride, pad or dilation, in whichever way it is written."""
    short = name.removesuffix("_size")
    if name != "dilation" and (p.HasField(f"{short}_h") or p.HasField(f"{short}_w")):
        return getattr(p, f"{short}_h"), getattr(p, f"{short}_w")
    given = getattr(p, name)
    given = [given] if isinstance(given, int) else list(given) or [default]
    return given[0], given[-1]


@formula("Convolution")
def convolution(param: Any, x: Arrays, blobs: Arrays, train: bool) -> Arrays:
    p = param.convolution_param
    k, s, d, pad = two(p, "kernel_size", 0), two(p, "stride", 1), two(p, "dilation", 1), two(p, "pad", 0)
    return [convolved(one, blobs, k, s, d, pad, p.group) for one in x]


def convolved(x: np.ndarray, blobs: Arrays, k: Any, s: Any, d: Any, pad: Any, group: int) -> np.ndarray:
    W = blobs[0]
    padded = np.pad(x, ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2))
    height, width = ((padded.shape[i + 2] - d[i] * (k[i] - 1) - 1) // s[i] + 1 for i in (0, 1))
    y = np.zeros((len(x), len(W), height, width))
    per_out, per_in = len(W) // group, x.shape[1] // group
    for out in range(len(W)):
        first = out // per_out * per_in
        for i in range(height):
            for j in range(width):
                rows, columns = np.arange(k[0]) * d[0] + i * s[0], np.arange(k[1]) * d[1] + j * s[1]
                window = padded[:, first : first + per_in][:, :, rows][:, :, :, columns]
                y[:, out, i, j] = (window * W[out]).sum((1, 2, 3))
    return y + (blobs[1][:, None, None] if len(blobs) > 1 else 0)


@formula("Deconvolution")
def deconvolution(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    p, W = param.convolution_param, blobs[0]
    k, s, d, pad = two(p, "kernel_size", 0), two(p, "stride", 1), two(p, "dilation", 1), two(p, "pad", 0)
    N, C, H, width = x[0].shape
    span = [s[i] * (x[0].shape[i + 2] - 1) + d[i] * (k[i] - 1) + 1 for i in (0, 1)]
    y = np.zeros((N, W.shape[1] * p.group, *span))
    for c in range(C):
        first = c // (C // p.group) * W.shape[1]
        for i in range(H):
            for j in range(width):
                rows, columns = i * s[0] + np.arange(k[0]) * d[0], j * s[1] + np.arange(k[1]) * d[1]
                part = x[0][:, c, i, j][:, None, None, None] * W[c]
                for out in range(W.shape[1]):
                    y[:, first + out, rows[:, None], columns] += part[:, out]
    y = y[:, :, pad[0] : span[0] - pad[0], pad[1] : span[1] - pad[1]]
    return y + (blobs[1][:, None, None] if len(blobs) > 1 else 0)


@formula("Pooling")
def pooling(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    p = param.pooling_param
    k = x[0].shape[2:] if p.global_pooling else two(p, "kernel_size", 0)
    rounded = math.floor if p.round_mode == p.FLOOR else math.ceil
    return pooled(x[0], p.pool == p.MAX, k, two(p, "stride", 1), two(p, "pad", 0), rounded)


def pooled(x: np.ndarray, largest: bool, k: Any, s: Any, pad: Any, rounded: Any = math.ceil) -> np.ndarray:
    size = x.shape[2:]
    out = [rounded((size[i] + 2 * pad[i] - k[i]) / s[i]) + 1 for i in (0, 1)]
    if any(pad):
        out = [n - 1 if (n - 1) * s[i] >= size[i] + pad[i] else n for i, n in enumerate(out)]
    y = np.zeros((*x.shape[:2], *out))
    for i in range(out[0]):
        for j in range(out[1]):
            low = (i * s[0] - pad[0], j * s[1] - pad[1])
            high = [min(low[a] + k[a], size[a] + pad[a]) for a in (0, 1)]
            window = x[:, :, max(low[0], 0) : min(high[0], size[0]), max(low[1], 0) : min(high[1], size[1])]
            if largest:
                y[:, :, i, j] = window.max((2, 3))
            else:
                y[:, :, i, j] = window.sum((2, 3)) / ((high[0] - low[0]) * (high[1] - low[1]))
    return y


@formula("SPP")
def pyramid(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    p, levels = param.spp_param, []
    for level in range(p.pyramid_height):
        k = [math.ceil(size / 2**level) for size in x[0].shape[2:]]
        pad = [(k[i] * 2**level - size + 1) // 2 for i, size in enumerate(x[0].shape[2:])]
        levels.append(pooled(x[0], p.pool == p.MAX, k, k, pad))
    return levels[0] if len(levels) == 1 else np.concatenate([y.reshape(len(y), -1) for y in levels], 1)


@formula("ROIPooling")
def roi_pooling(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    """Of boxes whose corners, times spatial_scale, are whole numbers."""
    p, (H, W) = param.roi_pooling_param, x[0].shape[2:]
    y = np.zeros((len(x[1]), x[0].shape[1], p.pooled_h, p.pooled_w))
    for r, (image, *corners) in enumerate(x[1]):
        x1, y1, x2, y2 = (int(corner * p.spatial_scale) for corner in corners)
        tall, wide = max(y2 - y1 + 1, 1) / p.pooled_h, max(x2 - x1 + 1, 1) / p.pooled_w
        for i in range(p.pooled_h):
            for j in range(p.pooled_w):
                rows = [h for h in range(y1 + math.floor(i * tall), y1 + math.ceil((i + 1) * tall)) if 0 <= h < H]
                columns = [w for w in range(x1 + math.floor(j * wide), x1 + math.ceil((j + 1) * wide)) if 0 <= w < W]
                if rows and columns:
                    y[r, :, i, j] = x[0][int(image)][:, rows][:, :, columns].max((1, 2))
    return y


@formula("Im2col")
def im2col(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    """A convolution whose every kernel has a single 1."""
    p, C = param.convolution_param, x[0].shape[1]
    k, s, d, pad = two(p, "kernel_size", 0), two(p, "stride", 1), two(p, "dilation", 1), two(p, "pad", 0)
    taps = np.eye(C * k[0] * k[1]).reshape(-1, C, *k)
    return convolved(x[0], [taps], k, s, d, pad, 1)


@formula("LRN")
def lrn(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    p, half = param.lrn_param, (param.lrn_param.local_size - 1) // 2
    squares = x[0] ** 2
    total = np.zeros_like(squares)
    if p.norm_region == p.ACROSS_CHANNELS:
        for c in range(total.shape[1]):
            total[:, c] = squares[:, max(c - half, 0) : c + half + 1].sum(1)
        return x[0] * (p.k + p.alpha / p.local_size * total) ** -p.beta
    for i in range(total.shape[2]):
        for j in range(total.shape[3]):
            near = squares[:, :, max(i - half, 0) : i + half + 1, max(j - half, 0) : j + half + 1]
            total[:, :, i, j] = near.sum((2, 3))
    return x[0] * (1 + p.alpha / p.local_size**2 * total) ** -p.beta
