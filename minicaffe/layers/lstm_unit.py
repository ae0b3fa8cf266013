"""LSTMUnit: one step of an LSTM, given its gates' inputs.

bottoms: c_prev [1, N, D], gates [1, N, 4D] in the order i, f, o, g, cont [1, N].  tops: c [1, N, D], h [1, N, D].

    c = (cont σ(f)) c_prev + σ(i) tanh(g);  h = σ(o) tanh(c)

cont 0 forgets exactly. No gradient to cont. Source: Hochreiter & Schmidhuber 1997; Caffe's lstm_unit_layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import Blob
from minicaffe.layer import Layer, register


@register("LSTMUnit")
class LSTMUnit(Layer):
    bottoms = 3
    tops = 2
    in_place = False
    no_force_backward = (2,)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        c, gates, cont = (blob.shape for blob in bottom)
        self.check(len(c) == 3 and c[0] == 1, "c_prev must have the shape (1, N, D)", bottom)
        expected = (1, c[1], 4 * c[2])
        self.check(gates == expected, f"the gates must have the shape (1, N, 4D) = {expected}", bottom)
        self.check(cont == c[:2], f"cont must have the shape (1, N) = {c[:2]}", bottom)
        for blob in top:
            blob.reshape_like(bottom[0])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        xp = self.ops.xp
        gates = bottom[1].array.reshape(*bottom[0].shape[:2], 4, -1)
        sigmoids = 0.5 * xp.tanh(0.5 * gates[:, :, :3]) + 0.5
        self.i, self.f, self.o = (sigmoids[:, :, k] for k in range(3))
        self.f = self.f * bottom[2].array[:, :, None]
        self.g = xp.tanh(gates[:, :, 3])
        c = top[0].array
        xp.multiply(self.f, bottom[0].array, out=c)
        c += self.i * self.g
        self.tanh_c = xp.tanh(c)
        xp.multiply(self.o, self.tanh_c, out=top[1].array)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.no_gradient(propagate_down, 2)
        i, f, o, g = self.i, self.f, self.o, self.g
        dh = top[1].diff_array
        dc = top[0].diff_array + dh * o * (1 - self.tanh_c**2)
        if propagate_down[0]:
            self.ops.xp.multiply(dc, f, out=bottom[0].diff_array)
        if propagate_down[1]:
            dgates = bottom[1].diff_array.reshape(*dc.shape[:2], 4, -1)
            dgates[:, :, 0] = dc * g * i * (1 - i)
            dgates[:, :, 1] = dc * bottom[0].array * f * (1 - f)
            dgates[:, :, 2] = dh * self.tanh_c * o * (1 - o)
            dgates[:, :, 3] = dc * i * (1 - g**2)
