"""RNN: a simple recurrent net over T steps, unrolled (see `recurrent.py` for bottoms, tops and the hidden state h).

blobs: W_xh [D, I], b_h [D], (W_xh_static [D, S]), W_hh [D, D], W_ho [D, D], b_o [D].

    h_t = tanh(W_hh (cont_t h_{t-1}) + W_xh x_t + b_h (+ W_xh_static x_static));  o_t = tanh(W_ho h_t + b_o)

The output is o. Source: Caffe's rnn_layer.
"""

from __future__ import annotations

from minicaffe.layer import register
from minicaffe.layers.recurrent import Recurrent, Unrolled


@register("RNN")
class RNN(Recurrent):
    bottoms = (2, 4)
    tops = (1, 2)
    states = ("h",)
    output = "o"

    def unroll(self, net: Unrolled) -> None:
        net.transform("x_transform", "x", "W_xh_x", net.D, ["W_xh", "b_h"])
        if net.static:
            net.static_transform("W_xh", net.D, "W_xh_static")
        net.slice("W_xh_x", "W_xh_x")
        for t in range(1, net.T + 1):
            net.transform(f"h_transform_{t}", net.conted(t), f"W_hh_h_{t - 1}", net.D, ["W_hh"])
            parts = [f"W_hh_h_{t - 1}", f"W_xh_x_{t}"] + (["W_xh_x_static"] if net.static else [])
            net.sum(f"h_input_{t}", parts, f"h_neuron_input_{t}")
            net.add("TanH", f"h_neuron_{t}", [f"h_neuron_input_{t}"], [f"h_{t}"])
            net.transform(f"o_transform_{t}", f"h_{t}", f"W_ho_h_{t}", net.D, ["W_ho", "b_o"])
            net.add("TanH", f"o_neuron_{t}", [f"W_ho_h_{t}"], [f"o_{t}"])
        net.finish([f"o_{t}" for t in range(1, net.T + 1)], "o")
