"""Eltwise: several blobs of one shape made one, number by number.

bottom[0], bottom[1], ...  x_i, two or more of equal shape
top[0]                     y, that shape; may be bottom[0] itself
eltwise_param              operation (default SUM), coeff (one a bottom, for SUM), stable_prod_grad (default true)

| operation | y             | gradient                                                                     |
|-----------|---------------|------------------------------------------------------------------------------|
| SUM       | Σ c_i x_i     | dx_i = c_i dy                                                                |
| PROD      | Π x_i         | dx_i = dy · Π_{j≠i} x_j; with stable_prod_grad: false, dy · y / x_i          |
| MAX       | max x_i       | dx_i = dy where x_i won, else 0                                              |

Of equal numbers bottom[1] wins over bottom[0], and over all later bottoms: as on Caffe's CPU. `coeff` is refused for
PROD and has no effect on MAX. PROD in place keeps a copy of x_0. Source: Caffe's eltwise_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register
from minicaffe.layers.elementwise import keep
from minicaffe.layers.relu import only_relu
from minicaffe.proto import schema


@register("Eltwise", v1="ELTWISE")
class Eltwise(Layer):
    """Sum, product or maximum."""

    bottoms = (2, None)
    tops = 1
    kept_x0: np.ndarray | None = None

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.eltwise_param
        coeff = list(param.coeff)
        self.check(
            len(coeff) in {0, len(bottom)},
            f"coeff is given {len(coeff)} times for {len(bottom)} bottoms; give it once for each, in their order, or "
            "not at all",
            bottom,
        )
        self.check(
            not coeff or param.operation != schema.EltwiseParameter.PROD,
            "coeff belongs to operation SUM; scale a product with a Power or Scale layer",
        )
        self.coeff: list[float] = coeff or [1.0] * len(bottom)
        if param.operation == schema.EltwiseParameter.SUM:
            self.backward_reads = ()
        self.operation = schema.EltwiseParameter.EltwiseOp.Name(param.operation).lower()

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        equal = all(blob.shape == bottom[0].shape for blob in bottom)
        self.check(equal, "needs bottoms of equal shape", bottom)
        top[0].reshape_like(bottom[0])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        in_place = top[0].shares_data_with(bottom[0])
        self.kept_x0 = keep(bottom[0].array, self.kept_x0) if in_place and self.operation == "prod" else None
        with np.errstate(all="ignore"):
            getattr(self, self.operation)([blob.array for blob in bottom], top[0].array)

    def absorbs(self, followers: Sequence[Layer]) -> bool:
        return self.operation == "sum" and only_relu(followers)

    def forward_with(self, followers: Sequence[Layer], bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        with np.errstate(all="ignore"):
            self.ops.weighted_sum([blob.array for blob in bottom], self.coeff, top[0].array, True)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        xs, y = [blob.array for blob in bottom if self.backward_reads], top[0].array if self.backward_reads else None
        if self.kept_x0 is not None:
            xs[0] = self.kept_x0
        gradient = getattr(self, f"{self.operation}_gradient")
        # In place, bottom[0]'s diff is the top's: it comes last.
        for i in reversed(range(len(bottom))):
            if propagate_down[i]:
                with np.errstate(all="ignore"):
                    gradient(i, xs, y, top[0].diff_array, bottom[i].diff_array)

    # -- SUM ----------------------------------------------------------------------------------------------------------

    def sum(self, xs: list[np.ndarray], y: np.ndarray) -> None:
        self.ops.weighted_sum(xs, self.coeff, y)

    def sum_gradient(self, i: int, xs: list[np.ndarray], y: None, dy: np.ndarray, dx: np.ndarray) -> None:
        if self.coeff[i] != 1 or not self.ops.xp.may_share_memory(dx, dy):
            self.ops.weighted_sum([dy], self.coeff[i : i + 1], dx)

    # -- PROD ---------------------------------------------------------------------------------------------------------

    def prod(self, xs: list[np.ndarray], y: np.ndarray) -> None:
        self.ops.xp.multiply(xs[0], xs[1], out=y)
        for x in xs[2:]:
            y *= x

    def prod_gradient(self, i: int, xs: list[np.ndarray], y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        xp = self.ops.xp
        if not self.param.eltwise_param.stable_prod_grad:
            xp.multiply(dy, y / xs[i], out=dx)
            return
        first, *others = (x for j, x in enumerate(xs) if j != i)
        xp.multiply(dy, first, out=dx)
        for x in others:
            dx *= x

    # -- MAX ----------------------------------------------------------------------------------------------------------

    def max(self, xs: list[np.ndarray], y: np.ndarray) -> None:
        xp = self.ops.xp
        first_wins = xs[0] > xs[1]
        # Blobs without axes make NumPy return plain numbers, hence asarray.
        self.winner = xp.asarray((~first_wins).astype(np.uint8 if len(xs) <= 256 else np.int32))
        y[...] = xp.where(first_wins, xs[0], xs[1])
        for k, x in enumerate(xs[2:], start=2):
            better = x > y
            xp.copyto(y, x, where=better)
            xp.copyto(self.winner, k, where=better)

    def max_gradient(self, i: int, xs: list[np.ndarray], y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        self.ops.xp.multiply(dy, self.winner == i, out=dx)
