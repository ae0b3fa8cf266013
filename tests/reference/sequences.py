"""What layers compute that pick items by number, or go through them one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.reference.layers import Arrays, formula


@formula("Embed")
def embed(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    return blobs[0][x[0].astype(int)] + (blobs[1] if param.embed_param.bias_term else 0)


@formula("BatchReindex")
def batch_reindex(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    return np.array([x[0][int(i)] for i in x[1]])


@formula("Filter")
def keep(param: Any, x: Arrays, blobs: Arrays, train: bool) -> Arrays:
    chosen = x[-1].reshape(-1) != 0
    return [one[chosen] for one in x[:-1]]


@formula("ArgMax")
def arg_max(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    """Along an axis; of equal numbers the last comes first."""
    p = param.argmax_param
    order = x[0].shape[p.axis] - 1 - np.argsort(-np.flip(x[0], p.axis), p.axis, kind="stable")
    first = order.take(np.arange(p.top_k), p.axis)
    return np.take_along_axis(x[0], first, p.axis) if p.out_max_val else first.astype(float)


@formula("Parameter")
def parameter(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    return blobs[0]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@formula("LSTM", "RNN")
def recurrent(param: Any, x: Arrays, blobs: Arrays, train: bool) -> np.ndarray:
    """Step by step from hidden states of zero."""
    D, (W, b, *static), rest = param.recurrent_param.num_output, blobs[: len(x)], blobs[len(x) :]
    h = c = np.zeros((x[0].shape[1], D))
    constant = b + (x[2].reshape(len(x[2]), -1) @ static[0].T if static else 0)
    outputs = []
    for now, cont in zip(x[0], x[1], strict=True):
        going = cont[:, None]
        into = now.reshape(len(now), -1) @ W.T + constant + (going * h) @ rest[0].T
        if param.type == "LSTM":
            i, f, o, g = np.split(into, 4, axis=1)
            c = going * sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            outputs.append(h)
        else:
            h = np.tanh(into)
            outputs.append(np.tanh(h @ rest[1].T + rest[2]))
    return np.array(outputs)
