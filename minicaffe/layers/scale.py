"""Scale: y = x · γ, or y = x · γ + β, γ and β being broadcast along the axes of x that they do not have.

bottom[0]    x, any shape
bottom[1]    γ, optional; else it is learned
top[0]       y, the shape of x; may be bottom[0] itself
blobs        γ where there is one bottom: x.shape[axis : axis + num_axes]; 1 unless `filler` says otherwise;
             then β with `bias_term: true`: the shape of γ; 0 unless `bias_filler` says otherwise
scale_param  axis (default 1), num_axes (default 1; −1: to the end, 0: a scalar; two bottoms: as many as γ has), filler,
             bias_term (default false), bias_filler

Gradient: dx = dy · γ; dγ = Σ dy · x and dβ = Σ dy over the other axes. In place a copy of x is kept, unless γ is a
parameter that does not learn. Source: Caffe's scale_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register
from minicaffe.layers.broadcast import Broadcast
from minicaffe.layers.relu import only_relu
from minicaffe.proto import schema


@register("Scale")
class Scale(Broadcast):
    """Multiply by a broadcast blob, and add another."""

    kept_x: np.ndarray | None = None  # x of the last forward, where the top took its place
    _memory: np.ndarray | None = None

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.scale_param
        self.backward_reads = () if top[0] is bottom[0] and len(bottom) == 1 else ("bottom",)
        shape = bottom[1].shape if len(bottom) > 1 else self.learned_shape(bottom[0], param)
        if len(bottom) == 1:
            one = schema.FillerParameter(type="constant", value=1)
            self.add_param(shape, param.filler if param.HasField("filler") else one)
        if param.bias_term:
            self.add_param(shape, param.bias_filler)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        gamma = self.gamma(bottom)
        self.lay_out(bottom, gamma, self.param.scale_param.axis)
        if self.param.scale_param.bias_term:
            beta = self.blobs[-1]
            self.check(beta.shape == gamma.shape, f"its bias has shape {beta.shape}, its scale {gamma.shape}", bottom)
        top[0].reshape_like(bottom[0])

    def gamma(self, bottom: Sequence[Blob]) -> Blob:
        """Return the factor: the second bottom, or the first parameter."""
        return bottom[1] if len(bottom) > 1 else self.blobs[0]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.forward_with((), bottom, top)

    def learns_channels(self, channels: int) -> bool:
        """Whether γ is learned, one number for each of so many channels on axis 1, whatever shape x takes."""
        learned = len(self.blobs) > self.param.scale_param.bias_term
        return learned and self.param.scale_param.axis == 1 and self.blobs[0].shape == (channels,)

    def absorbs(self, followers: Sequence[Layer]) -> bool:
        return only_relu(followers)

    def forward_with(self, followers: Sequence[Layer], bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        overwritten = self.reads_x(bottom) and top[0].shares_data_with(bottom[0])
        x = self.framed(bottom[0].array)
        kept = self.kept(x) if overwritten else None
        self.kept_x = kept
        y = self.framed(top[0].array)
        self.ops.normalise(x, None, None, self.gain(bottom), self.bias, y, kept, bool(followers))

    def reads_x(self, bottom: Sequence[Blob]) -> bool:
        """Whether backward reads x."""
        return len(bottom) > 1 or self.learns(0)

    def kept(self, x: np.ndarray) -> np.ndarray:
        """Return memory for a copy of x, framed."""
        if self._memory is None or self._memory.shape != x.shape:
            self._memory = self.ops.xp.empty_like(x)
        return self._memory

    def gain(self, bottom: Sequence[Blob]) -> np.ndarray:
        """Return γ, one number for each of its places."""
        return self.gamma(bottom).array.reshape(-1)

    @property
    def bias(self) -> np.ndarray | None:
        """Return β like γ; None without one."""
        return self.blobs[-1].array.reshape(-1) if self.param.scale_param.bias_term else None

    def add_gradients(self, sums: np.ndarray, dots: np.ndarray | None) -> None:
        """Add to the diffs of γ and β, as far as they are learned, from the sums of dy and dy · x."""
        if self.param.scale_param.bias_term and self.learns(len(self.blobs) - 1):
            dbeta = self.blobs[-1].diff_array.reshape(-1)
            dbeta += sums
        if len(self.blobs) > self.param.scale_param.bias_term and self.learns(0):
            dgamma = self.blobs[0].diff_array.reshape(-1)
            dgamma += dots

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        dy = self.framed(top[0].diff_array)
        wants_gamma = propagate_down[1] if len(bottom) > 1 else self.learns(0)
        wants_beta = self.param.scale_param.bias_term and self.learns(len(self.blobs) - 1)
        if wants_gamma or wants_beta:
            x = self.framed(bottom[0].array) if self.kept_x is None else self.kept_x
            sums, dots = self.ops.channel_sums(dy, x if wants_gamma else None)
            self.add_gradients(sums, dots)
            if wants_gamma and len(bottom) > 1:
                bottom[1].diff_array.reshape(-1)[...] = dots
        if propagate_down[0]:
            self.ops.normalise(dy, None, None, self.gain(bottom), None, self.framed(bottom[0].diff_array))


def scale_among(followers: Sequence[Layer]) -> Scale | None:
    """Return the Scale layer among layers, if there is one."""
    return next((layer for layer in followers if isinstance(layer, Scale)), None)
