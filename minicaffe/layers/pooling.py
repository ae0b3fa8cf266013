"""Pooling: one number for every window of every channel: the largest, the average, or one picked at random.

bottom[0]  x, N x C x H x W
top[0]     y, N x C x h x w with h = ceil((H + 2 pad - kernel) / stride) + 1
top[1]     MAX only, optional: where the maximum was, h * W + w within the plane of x, as numbers of y's shape
pooling_param  pool MAX (default), AVE or STOCHASTIC; kernel_size, or kernel_h and kernel_w; stride (default 1) and pad
           (default 0), or their _h and _w; global_pooling: the kernel is the whole map, whatever its size;
           round_mode CEIL (default) or FLOOR (`ceil_mode: false` in some forks). `engine` chooses no other arithmetic.

Rounding up adds a last window that hangs over the edge; if there is any padding, one that would start in it is dropped.
MAX: the first of equal numbers in row-major order; NaN is never picked; a window with nothing above the lowest float32
gives that number, -1 in top[1], and takes no gradient. AVE: the sum over what lies in the image, divided by the size of
the window with padding counted, but not what hangs over it (a window without any pixel gives 0; Caffe divides by zero).
STOCHASTIC (Zeiler and Fergus, 2013), for x >= 0 without padding: in phase TRAIN an element with a probability in
proportion to its value, in TEST what that gives on average, Σx²/Σx, which has no gradient. Caffe runs it only on a GPU.
Source: Caffe's pooling_layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register
from minicaffe.layers.fork_fields import refuse
from minicaffe.ops.pooling import pool_output_size
from minicaffe.phase import TRAIN

Pair = tuple[int, int]
MAX, AVE, STOCHASTIC = range(3)


class Pool:
    """One pooling of one array by `layer`: the window, and what backward needs to know of the last forward."""

    def __init__(self, layer: Layer, method: int, kernel: Pair, stride: Pair, pad: Pair, floor: bool = False):
        self.layer, self.method, self.floor = layer, method, floor
        self.window = kernel, stride, pad
        self.mask: Any = None
        self.check()

    def check(self) -> None:
        """Fail if no pooling has such a window."""
        kernel, stride, pad = self.window
        for name, values in ("kernel", kernel), ("stride", stride):
            self.layer.check(min(values) > 0, f"{name} {values[0]} x {values[1]} must be positive along both axes")
        self.layer.check(not any(pad) or self.method != STOCHASTIC, "STOCHASTIC pooling takes no pad")
        inside = all(p < k for p, k in zip(pad, kernel, strict=True))
        self.layer.check(inside, f"pad {pad[0]} x {pad[1]} must be smaller than the kernel, {kernel[0]} x {kernel[1]}")

    def output_size(self, bottom: Blob) -> Pair:
        """Return how many windows fit into bottom N x C x H x W; fail if none does."""
        self.layer.check(len(bottom.shape) == 4, "needs a bottom with 4 axes: N x C x H x W", [bottom])
        H, W = bottom.shape[2:]
        kernel, stride, pad = self.window
        clip = any(pad)
        h, w = (pool_output_size(n, k, s, p, clip, self.floor) for n, k, s, p in zip((H, W), *self.window, strict=True))
        self.layer.check(
            h > 0 and w > 0,
            f"its output would be empty: size {h} x {w} from input {H} x {W}, kernel {kernel[0]} x {kernel[1]}, "
            f"stride {stride[0]} x {stride[1]}, pad {pad[0]} x {pad[1]}",
            [bottom],
        )
        return h, w

    def forward(self, x: Any, y: Any) -> None:
        """Write the pooled x to `y`."""
        ops = self.layer.ops
        if self.method == AVE:
            ops.pool_ave(x, *self.window, y)
            return
        if self.method == STOCHASTIC and self.layer.phase != TRAIN:
            ops.pool_expected(x, *self.window, y)
            return
        if self.mask is None or self.mask.shape != y.shape:
            self.mask = ops.xp.empty(y.shape, "int32")
        if self.method == MAX:
            ops.pool_max(x, *self.window, y, self.mask)
        else:
            draws = ops.xp.asarray(self.layer.stream().random(y.shape))
            ops.pool_stochastic(x, *self.window, draws, y, self.mask)

    def backward(self, dy: Any, dx: Any) -> None:
        """Write the gradient of the last forward's x to `dx`."""
        if self.method == AVE:
            self.layer.ops.pool_ave_backward(dy, *self.window, dx)
            return
        self.layer.check(
            self.method == MAX or self.layer.phase == TRAIN,
            "STOCHASTIC pooling has a gradient only in phase TRAIN, where it picks: set 'propagate_down: false'",
        )
        self.layer.ops.pool_max_backward(dy, self.mask, *self.window, dx)


@register("Pooling", v1="POOLING")
class Pooling(Layer):
    """Maximum, average or stochastic pooling."""

    backward_reads = ()
    bottoms = 1
    tops = (1, 2)
    in_place = False

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.pooling_param
        no_3d = "pooling works on the two last axes of N x C x H x W"
        refuse(self, param, axis=no_3d, pad_3d=no_3d, kernel_size_3d=no_3d, stride_3d=no_3d)
        refuse(self, param, torch_pooling="use round_mode: FLOOR and check the output's size")
        refuse(self, param, avg_include_pad="padding always counts in the size of an average's window")
        self.check(len(top) == 1 or param.pool == MAX, "only MAX pooling has a second top, where the maximum was")
        stride, pad = self.pair("stride"), self.pair("pad")
        self.floor = param.round_mode == param.FLOOR or not param.ceil_mode
        if param.global_pooling:
            given = [name for name in ("kernel_size", "kernel_h", "kernel_w") if param.HasField(name)]
            self.check(not given, f"global_pooling takes the whole map as its kernel: leave out {' and '.join(given)}")
            self.check(stride == (1, 1) and pad == (0, 0), "global_pooling needs stride 1 and pad 0: leave them out")
            self.pool_whole(bottom[0])
        else:
            self.pool = Pool(self, param.pool, self.kernel(), stride, pad, self.floor)

    def kernel(self) -> Pair:
        """Return the kernel: kernel_size, or else kernel_h and kernel_w."""
        param = self.param.pooling_param
        sides = [param.HasField("kernel_h"), param.HasField("kernel_w")]
        whole = param.HasField("kernel_size")
        self.check(whole or any(sides), "needs a kernel_size (or kernel_h and kernel_w, or global_pooling: true)")
        self.check(
            whole != any(sides) and (whole or all(sides)),
            "give either kernel_size or kernel_h and kernel_w, both of them",
        )
        return (param.kernel_size,) * 2 if whole else (param.kernel_h, param.kernel_w)

    def pair(self, field: str) -> Pair:
        """Return `field`, or in its place FIELD_h and FIELD_w, one for each axis."""
        param = self.param.pooling_param
        h, w = f"{field}_h", f"{field}_w"
        if not param.HasField(h) and not param.HasField(w):
            return (getattr(param, field),) * 2
        both = param.HasField(h) and param.HasField(w) and not param.HasField(field)
        self.check(both, f"give either {field} or {h} and {w}, both of them")
        return getattr(param, h), getattr(param, w)

    def pool_whole(self, bottom: Blob) -> None:
        """Take all of the bottom's height and width as the window."""
        self.check(len(bottom.shape) == 4, "needs a bottom with 4 axes: N x C x H x W", [bottom])
        H, W = bottom.shape[2:]
        self.pool = Pool(self, self.param.pooling_param.pool, (H, W), (1, 1), (0, 0), self.floor)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self.param.pooling_param.global_pooling and bottom[0].shape[2:] != self.pool.window[0]:
            self.pool_whole(bottom[0])
        size = self.pool.output_size(bottom[0])
        for blob in top:
            blob.reshape(*bottom[0].shape[:2], *size)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.pool.forward(bottom[0].array, top[0].array)
        if len(top) > 1:
            top[1].array[...] = self.pool.mask

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            self.pool.backward(top[0].diff_array, bottom[0].diff_array)
