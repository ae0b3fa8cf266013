"""ELU: y = x where x > 0, alpha · (eˣ − 1) elsewhere.

bottom[0]  x, any shape
top[0]     y, the shape of x; may be the bottom itself
elu_param  alpha (default 1)

Gradient: dx = dy where x > 0, (y + alpha) · dy elsewhere. It is read off y, whose sign is that of x unless alpha < 0;
then x is needed too. Source: Caffe's elu_layer; Clevert et al., 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import register
from minicaffe.layers.elementwise import Elementwise
from minicaffe.layers.fork_fields import refuse


@register("ELU")
class ELU(Elementwise):
    """Exponential linear unit."""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        refuse(self, self.param.elu_param, **{"lambda": "write a Power layer with this scale after it"})
        self.alpha: float = self.param.elu_param.alpha
        self.reads_x = self.alpha < 0

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        xp = self.ops.xp
        below = xp.minimum(x, 0)
        xp.expm1(below, out=below)
        below *= self.alpha
        xp.maximum(x, 0, out=y)
        y += below

    def gradient(self, x: np.ndarray, y: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> None:
        positive = (x if self.reads_x else y) > 0
        # y where x <= 0 never exceeds this bound; capping the rest keeps inf · 0 out of the sum.
        slope = self.ops.xp.minimum(y, max(0.0, -self.alpha))
        slope += self.alpha
        slope *= ~positive
        slope += positive
        self.ops.xp.multiply(dy, slope, out=dx)
