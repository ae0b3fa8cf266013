"""BatchNorm: y = (x − μ) / √(v + eps), channel by channel.

bottom[0]         x, N x C x ... (a bottom of one axis is N values of one channel; Caffe aborts there)
top[0]            y, the shape of x; may be the bottom itself
blobs             running sums, zero at first: of the mean (C,), of the variance (C,), of their weight (1,)
batch_norm_param  use_global_stats (default: in TEST), moving_average_fraction λ (default 0.999), eps (default 1e-5)

With global statistics, μ = mean sum / weight and v = variance sum / weight, both 0 while the weight is 0. Otherwise
they are the batch's own, v the biased variance over the m values of a channel, and every forward, in whichever phase,
updates the sums:

    weight       ← λ · weight + 1
    mean sum     ← λ · mean sum + μ
    variance sum ← λ · variance sum + v · m / (m − 1)

Gradient, σ being √(v + eps): dx = dy / σ with global statistics, else dx = (dy − mean(dy) − y · mean(dy · y)) / σ. A
copy of y is kept for it, so that layers working in place on the top do no harm.

The blobs are statistics, not weights: their lr_mult is 0, and any other is an error. A learned scale and shift is the
Scale layer that follows. Source: Caffe's batch_norm_layer; Ioffe and Szegedy, 2015.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register
from minicaffe.layers.fork_fields import refuse
from minicaffe.layers.relu import ReLU, only_relu
from minicaffe.layers.scale import Scale, scale_among
from minicaffe.phase import TEST


@register("BatchNorm")
class BatchNorm(Layer):
    """Normalise every channel by its mean and variance."""

    backward_reads = ()
    bottoms = 1
    tops = 1
    kept_y: np.ndarray | None = None
    factor: np.ndarray  # 1 / σ of the last forward

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.batch_norm_param
        apart = "write a Scale layer with bias_term: true after this one"
        refuse(self, param, scale_bias=apart, scale_filler=apart, filler=apart, bias_filler=apart)
        refuse(self, param, relu="write a ReLU layer after this one")
        refuse(self, param, stats_batch_size="the statistics are those of the whole batch")
        refuse(self, param, update_global_stats="batch statistics always update the running ones, and only they do")
        self.check(len(bottom[0].shape) >= 1, "needs a bottom of 1 axis or more", bottom)
        self.use_global = param.use_global_stats if param.HasField("use_global_stats") else self.phase == TEST
        self.fraction: float = param.moving_average_fraction
        self.eps: float = param.eps
        self.channels = self.channel_count(bottom[0])
        for shape in ((self.channels,), (self.channels,), (1,)):
            self.add_param(shape)
        self.fix_learning_rates()

    @staticmethod
    def channel_count(x: Blob) -> int:
        return x.shape[1] if len(x.shape) > 1 else 1

    def fix_learning_rates(self) -> None:
        """Give every blob a ParamSpec with lr_mult 0."""
        specs = self.param.param
        for i, spec in enumerate(specs):
            self.check(
                not spec.HasField("lr_mult") or spec.lr_mult == 0,
                f"param[{i}] has lr_mult: {spec.lr_mult:g}, but its blobs are running statistics that no gradient "
                "reaches: write lr_mult: 0, or no param at all; what learns is the Scale layer after it",
            )
        for _ in range(len(specs), len(self.blobs)):
            specs.add()
        for spec in specs:
            spec.lr_mult = 0

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x = bottom[0]
        self.check(
            len(x.shape) >= 1 and self.channel_count(x) == self.channels,
            f"has {self.channels} channels on axis 1",
            bottom,
        )
        top[0].reshape_like(x)
        self.frame = (x.shape[0], self.channels, math.prod(x.shape[2:]))

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, y = bottom[0].array.reshape(self.frame), top[0].array.reshape(self.frame)
        mean = self.statistics(x)
        self.ops.normalise(x, mean, self.factor, None, None, y, None if self.use_global else self.kept(y))

    def absorbs(self, followers: Sequence[Layer]) -> bool:
        scale, *others = followers
        if not isinstance(scale, Scale):
            return only_relu(followers)
        return scale.learns_channels(self.channels) and (not others or only_relu(others))

    def forward_with(self, followers: Sequence[Layer], bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Normalise, scale and rectify. The Scale layer's x is y here: one copy of it serves both in backward."""
        x, y = bottom[0].array.reshape(self.frame), top[0].array.reshape(self.frame)
        mean = self.statistics(x)
        scale = scale_among(followers)
        rectify = isinstance(followers[-1], ReLU)
        keeps = not self.use_global or (scale is not None and scale.reads_x(top))
        kept = self.kept(y) if keeps else None
        gain, bias = (None, None) if scale is None else (scale.gain(top), scale.bias)
        if scale is not None:
            scale.kept_x = kept
        self.ops.normalise(x, mean, self.factor, gain, bias, y, kept, rectify)

    def affine(self, scale: Scale | None, top: Sequence[Blob]) -> tuple[np.ndarray, np.ndarray]:
        """Return factor and addend of every channel that are BatchNorm with global statistics, and then `scale`."""
        mean = self.global_mean()
        gain = self.factor if scale is None else self.factor * scale.gain(top)
        shift = -mean * gain
        return gain, shift if scale is None or scale.bias is None else shift + scale.bias

    def kept(self, y: np.ndarray) -> np.ndarray:
        """Return memory for a copy of y."""
        if self.kept_y is None or self.kept_y.shape != y.shape:
            self.kept_y = self.ops.xp.empty_like(y)
        return self.kept_y

    def statistics(self, x: np.ndarray) -> np.ndarray:
        """Return the mean to subtract, set `factor`, 1 / σ; unless they are global ones, update the running sums."""
        if self.use_global:
            return self.global_mean()
        mean_sum, variance_sum, weight = (blob.array for blob in self.blobs)
        mean, variance = self.ops.channel_moments(x)
        self.factor = 1 / (variance + self.eps) ** 0.5
        values = self.frame[0] * self.frame[2]
        variance_sum *= self.fraction
        variance_sum += variance * (values / (values - 1) if values > 1 else 1)
        mean_sum *= self.fraction
        mean_sum += mean
        weight *= self.fraction
        weight += 1
        return mean

    def global_mean(self) -> np.ndarray:
        """As `statistics`, with global ones."""
        mean_sum, variance_sum, weight = (blob.array for blob in self.blobs)
        total = float(weight[0])
        share = 1 / total if total else 0.0
        self.factor = 1 / (variance_sum * share + self.eps) ** 0.5
        return mean_sum * share

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        dy, dx = top[0].diff_array.reshape(self.frame), bottom[0].diff_array.reshape(self.frame)
        if self.use_global:
            self.ops.normalise(dy, None, None, self.factor, None, dx)
        else:
            self.ops.normalise_backward(dy, None, self.kept_y, self.factor, None, True, dx)

    def absorbs_backward(self, followers: Sequence[Layer]) -> bool:
        return self.absorbs(followers)

    def backward_with(self, followers: Sequence[Layer], top: Sequence[Blob], bottom: Sequence[Blob]) -> None:
        """Rectify, scale and normalise, backwards; where y was 0 is read from the top."""
        dy, dx = top[0].diff_array.reshape(self.frame), bottom[0].diff_array.reshape(self.frame)
        scale = scale_among(followers)
        y = top[0].array.reshape(self.frame) if isinstance(followers[-1], ReLU) else None
        gain, h = None if scale is None else scale.gain(top), None if self.use_global else self.kept_y
        if h is None and scale is not None:
            h = scale.kept_x
        sums, dots = self.ops.normalise_backward(dy, y, h, self.factor, gain, not self.use_global, dx)
        if scale is not None:
            scale.add_gradients(sums, dots)
