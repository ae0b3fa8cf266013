"""LSTM: long short-term memory over T steps, unrolled (see `recurrent.py` for bottoms, tops and hidden states h, c).

blobs: W_xc [4D, I], b_c [4D], (W_xc_static [4D, S]), W_hc [4D, D]; gates in the order i, f, o, g.

    gates_t = W_hc (cont_t h_{t-1}) + W_xc x_t + b_c (+ W_xc_static x_static);  (c_t, h_t) = LSTMUnit(c_{t-1},
    gates_t, cont_t)

The output is h. Source: Donahue et al. 2014 (LRCN); Caffe's lstm_layer.
"""

from __future__ import annotations

from minicaffe.layer import register
from minicaffe.layers.recurrent import Recurrent, Unrolled


@register("LSTM")
class LSTM(Recurrent):
    bottoms = (2, 5)
    tops = (1, 3)
    states = ("h", "c")
    output = "h"

    def unroll(self, net: Unrolled) -> None:
        net.transform("x_transform", "x", "W_xc_x", 4 * net.D, ["W_xc", "b_c"])
        if net.static:
            net.static_transform("W_xc", 4 * net.D, "W_xc_static")
        net.slice("W_xc_x", "W_xc_x")
        for t in range(1, net.T + 1):
            net.transform(f"transform_{t}", net.conted(t), f"W_hc_h_{t - 1}", 4 * net.D, ["W_hc"])
            parts = [f"W_hc_h_{t - 1}", f"W_xc_x_{t}"] + (["W_xc_x_static"] if net.static else [])
            net.sum(f"gate_input_{t}", parts, f"gate_input_{t}")
            net.add("LSTMUnit", f"unit_{t}", [f"c_{t - 1}", f"gate_input_{t}", f"cont_{t}"], [f"c_{t}", f"h_{t}"])
        net.finish([f"h_{t}" for t in range(1, net.T + 1)], "h")
