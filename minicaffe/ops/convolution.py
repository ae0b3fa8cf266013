"""Convolution over any number of spatial axes, with stride, padding, dilation and groups, as matrix products over
columns.

x [N, C, *S], W [O, C/group, *kernel], b [O], y [N, O, *positions]; a cross-correlation, as Caffe's convolution_layer
has it. Columns are made a block at a time, some images or some rows of one image, in scratch memory that lives on: a
block large enough for the matrix product to run at full speed, small enough to stay near the processor. A kernel of 1
with stride 1 and no padding multiplies the image itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minicaffe.ops.accumulate import add_matmul
from minicaffe.ops.arrays import Scratch, array_module
from minicaffe.ops.im2col import col2im, im2col

# A block has as many positions as BLOCK_ELEMENTS allow, but at least BLOCK_POSITIONS: every block reads all the
# weights.
BLOCK_ELEMENTS = 1 << 21
BLOCK_POSITIONS = 2048
# On a GPU a block is as large as memory allows without regret: 256 MiB of floats.
DEVICE_BLOCK_ELEMENTS = 1 << 26
# An image this large is multiplied alone when it needs no columns; smaller ones are gathered into one product.
STRAIGHT_POSITIONS = 512

_scratch = Scratch()


class Geometry(NamedTuple):
    """How a kernel passes over an image, one number an axis; `group` independent convolutions side by side."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    dilation: tuple[int, ...]
    group: int

    @property
    def pointwise(self) -> bool:
        """Whether the columns of an image are the image itself."""
        return all(k == s == 1 and p == 0 for k, s, p in zip(self.kernel, self.stride, self.pad, strict=True))


PASSES = "forward", "backward_data", "backward_weights"


def conv_algorithm(
    x_shape: Sequence[int],
    W_shape: Sequence[int],
    stride: Sequence[int],
    pad: Sequence[int],
    dilation: Sequence[int],
    group: int,
    dtype: Any,
) -> dict[str, str]:
    """Return the name of the algorithm that computes each pass of a convolution of this shape."""
    return dict.fromkeys(PASSES, "plain")


class Block(NamedTuple):
    """Some images, and some of their positions along the first spatial axis."""

    images: slice
    rows: slice | None

    def of(self, y: Any) -> Any:
        """Return the block's part of y [N, O, *positions], channels first: [O, n, *positions of the block]."""
        return (y[self.images] if self.rows is None else y[self.images, :, self.rows]).swapaxes(0, 1)


def blocks(
    N: int, positions: Sequence[int], height: int, straight: bool = False, elements: int | None = None
) -> Iterator[Block]:
    """Cut N images of `positions` into blocks whose columns are `height` long; `straight`: they need no columns."""
    room = max((elements or BLOCK_ELEMENTS) // max(height, 1), BLOCK_POSITIONS)
    each = max(math.prod(positions), 1)
    if each <= room:
        images = 1 if straight and each >= STRAIGHT_POSITIONS else room // each
        for n in range(0, N, images):
            yield Block(slice(n, min(n + images, N)), None)
        return
    row = each // positions[0]
    pieces = math.ceil(positions[0] / max(room // row, 1))
    step = math.ceil(positions[0] / pieces)
    for n in range(N):
        for r in range(0, positions[0], step):
            yield Block(slice(n, n + 1), slice(r, min(r + step, positions[0])))


def conv(
    x: Any,
    W: Any,
    b: Any,
    stride: Sequence[int],
    pad: Sequence[int],
    dilation: Sequence[int],
    group: int,
    out: Any,
    relu: bool = False,
    gain: Any = None,
    columns: Callable[..., None] = im2col,
) -> None:
    """Write the convolution of x with W, times `gain` [O], plus b, to `out` [N, O, *positions]; `relu`: rectified.

    Both may be None.
    """
    xp = array_module(x)
    g = Geometry(tuple(W.shape[2:]), tuple(stride), tuple(pad), tuple(dilation), group)
    weights = W.reshape(group, W.shape[0] // group, -1)
    for block in blocks(len(x), out.shape[2:], math.prod(W.shape[2:]) * x.shape[1], g.pointwise, _elements(W)):
        target = block.of(out)
        col = _columns(x, g, block, target.shape[1:], columns)
        y = _scratch.take("y", x, (group, weights.shape[1], col.shape[2]))
        xp.matmul(weights, col, out=y)
        if gain is not None:
            y *= gain.reshape(group, -1, 1)
        if b is None:
            target[...] = y.reshape(target.shape)
        else:
            xp.add(y.reshape(target.shape), b.reshape(-1, *(1,) * (target.ndim - 1)), out=target)
        if relu:
            xp.maximum(target, 0, out=target)


def conv_backward_data(
    dy: Any,
    W: Any,
    stride: Sequence[int],
    pad: Sequence[int],
    dilation: Sequence[int],
    group: int,
    out: Any,
    sums: Callable[..., None] = col2im,
) -> None:
    """Write the gradient of `conv` with respect to x to `out` [N, C, *S], given dy [N, O, *positions]."""
    xp = array_module(dy)
    g = Geometry(tuple(W.shape[2:]), tuple(stride), tuple(pad), tuple(dilation), group)
    weights = W.reshape(group, W.shape[0] // group, -1).swapaxes(1, 2)
    if not g.pointwise:
        out[...] = 0
    for block in blocks(len(dy), dy.shape[2:], math.prod(W.shape[2:]) * out.shape[1], g.pointwise, _elements(W)):
        part = block.of(dy)
        errors = _matrix(part, group, "dy")
        col = _scratch.take("col", dy, (group, weights.shape[1], errors.shape[2]))
        xp.matmul(weights, errors, out=col)
        if g.pointwise:
            target = block.of(out)
            target[...] = col.reshape(target.shape)
        else:
            sums(col.reshape(-1, *part.shape[1:]), g.kernel, g.stride, _pad(g, block), g.dilation, out[block.images])


def conv_backward_weights(
    x: Any,
    dy: Any,
    dW: Any,
    stride: Sequence[int],
    pad: Sequence[int],
    dilation: Sequence[int],
    group: int,
    columns: Callable[..., None] = im2col,
    add: Callable[[Any, Any, Any], None] = add_matmul,
) -> None:
    """Add the gradient of `conv` with respect to W to `dW` [O, C/group, *kernel], given dy [N, O, *positions].

    ValueError unless dW is C-contiguous.
    """
    if not dW.flags.c_contiguous:
        raise ValueError("dW must be C-contiguous")
    g = Geometry(tuple(dW.shape[2:]), tuple(stride), tuple(pad), tuple(dilation), group)
    total = dW.reshape(group, dW.shape[0] // group, math.prod(dW.shape[1:]))
    for block in blocks(len(x), dy.shape[2:], math.prod(dW.shape[2:]) * x.shape[1], g.pointwise, _elements(dW)):
        part = block.of(dy)
        col = _columns(x, g, block, part.shape[1:], columns)
        add(_matrix(part, group, "dy"), col.swapaxes(1, 2), total)


def _elements(x: Any) -> int | None:
    """Return how many elements a block of columns may have on a device; None on the host."""
    return None if isinstance(x, np.ndarray) else DEVICE_BLOCK_ELEMENTS


def _columns(x: Any, g: Geometry, block: Block, shape: Sequence[int], columns: Callable[..., None]) -> Any:
    """Return the columns [group, C/group*prod(kernel), columns] of a block of `shape` (images, *positions)."""
    if g.pointwise:
        return _matrix(block.of(x), g.group, "col")
    col = _scratch.take("col", x, (x.shape[1] * math.prod(g.kernel), *shape))
    columns(x[block.images], g.kernel, g.stride, _pad(g, block), g.dilation, col)
    return col.reshape(g.group, -1, math.prod(shape))


def _pad(g: Geometry, block: Block) -> tuple[int, ...]:
    """Return the padding as the block sees it, which starts `rows.start` positions into the image."""
    return g.pad if block.rows is None else (g.pad[0] - block.rows.start * g.stride[0], *g.pad[1:])


def _matrix(part: Any, group: int, purpose: str) -> Any:
    """Return part [O, n, *positions] as [group, O/group, n*positions]: a view of one image, gathered for several."""
    if part.shape[1] > 1:
        gathered = _scratch.take(purpose, part, part.shape)
        gathered[...] = part
        part = gathered
    return part.reshape(group, part.shape[0] // group, -1)
