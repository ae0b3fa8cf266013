"""RNN and LSTM beyond their gradients: state carried over, batches that change size, exposed hidden states."""

from __future__ import annotations

import json

import numpy as np
import pytest

import minicaffe
from minicaffe.errors import NetError
from minicaffe.proto import prototxt, schema
from minicaffe.rng import Streams

RECURRENT = (
    'recurrent_param { num_output: 3 weight_filler { type: "uniform" min: -1 } bias_filler { type: "uniform" } }'
)


def net(kind: str, T: int, N: int = 2, layers: str = "r", more: str = "") -> minicaffe.Net:
    text = (
        f"layer {{ name: 'x' type: 'Input' top: 'x' input_param {{ shape {{ dim: {T} dim: {N} dim: 4 }} }} }}"
        f"layer {{ name: 'c' type: 'Input' top: 'c' input_param {{ shape {{ dim: {T} dim: {N} }} }} }}"
    ) + "".join(
        f"layer {{ name: '{name}' type: '{kind}' bottom: 'x' bottom: 'c' top: '{name}' {more} {RECURRENT} }}"
        for name in layers
    )
    return minicaffe.Net(prototxt.parse(text, schema.NetParameter), phase="TRAIN", streams=Streams(3))


@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
def test_one_long_pass_equals_many_short_ones(kind: str) -> None:
    x = np.random.default_rng(0).standard_normal((4, 2, 4)).astype("f")
    cont = np.array([[0, 0], [1, 1], [1, 0], [1, 1]], "f")
    whole, single = net(kind, 4), net(kind, 1)
    for mine, theirs in zip(single.params["r"], whole.params["r"], strict=True):
        mine.data[...] = theirs.data
    expected = whole.forward(x=x, c=cont)["r"]
    for t in range(4):
        got = single.forward(x=x[t : t + 1], c=cont[t : t + 1])["r"]
        np.testing.assert_allclose(got[0], expected[t], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
def test_the_batch_may_change_size(kind: str) -> None:
    n = net(kind, 2)
    n.forward(x=np.ones((2, 2, 4)), c=np.zeros((2, 2)))
    n.blobs["x"].reshape(2, 5, 4)
    n.blobs["c"].reshape(2, 5)
    out = n.forward(x=np.ones((2, 5, 4)), c=np.array([[0] * 5, [1] * 5]))["r"]
    assert out.shape == (2, 5, 3)
    assert np.ptp(out, axis=1).max() < 1e-6


def test_the_number_of_steps_may_not() -> None:
    n = net("RNN", 2)
    n.blobs["x"].reshape(3, 2, 4)
    with pytest.raises(NetError, match="the number of time steps is fixed at 2"):
        n.reshape()


def test_items_without_numbers() -> None:
    text = (
        "layer { name: 'in' type: 'Input' top: 'x' input_param { shape { dim: 3 dim: 2 } } }"
        f"layer {{ name: 'r' type: 'LSTM' bottom: 'x' bottom: 'x' top: 'y' {RECURRENT} }}"
    )
    with pytest.raises(NetError, match=r"^<string>:1: layer 'r' \(LSTM\): x must have 3 axes or more: T x N x \.\.\."):
        minicaffe.Net(prototxt.parse(text, schema.NetParameter), phase="TEST")


def test_reset_forgets() -> None:
    n = net("LSTM", 1)
    ones = {"x": np.ones((1, 2, 4)), "c": np.ones((1, 2))}
    first = n.forward(**ones)["r"].copy()
    assert not np.allclose(n.forward(**ones)["r"], first)
    n.layer_dict["r"].reset()  # type: ignore[attr-defined]
    np.testing.assert_array_equal(n.forward(**ones)["r"], first)


@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
def test_the_hidden_state_travels_with_that_of_the_net(kind: str) -> None:
    x = np.random.default_rng(0).standard_normal((4, 1, 2, 4))
    first, second = net(kind, 1), net(kind, 1)
    for given in x[:2]:
        first.forward(x=given, c=np.ones((1, 2)))
    state = json.loads(json.dumps(first.get_state()))
    second.forward(x=x[3], c=np.ones((1, 2)))
    second.set_state(state)
    for given in x[2:]:
        expected, found = (one.forward(x=given, c=np.ones((1, 2)))["r"] for one in (first, second))
        np.testing.assert_array_equal(found, expected)
    other = net(kind, 1, N=3)
    fresh = other.forward(x=np.ones((1, 3, 4)), c=np.ones((1, 3)))["r"].copy()
    other.set_state(state)
    np.testing.assert_array_equal(other.forward(x=np.ones((1, 3, 4)), c=np.ones((1, 3)))["r"], fresh)


def test_exposed_states_are_given_and_returned() -> None:
    states = "".join(
        f"layer {{ name: '{s}' type: 'Input' top: '{s}' input_param {{ shape {{ dim: 1 dim: 2 dim: 3 }} }} }}"
        for s in "hC"
    )
    text = (
        "layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: 3 dim: 2 dim: 4 } } }"
        "layer { name: 'c' type: 'Input' top: 'c' input_param { shape { dim: 3 dim: 2 } } }"
        + states
        + "layer { name: 'r' type: 'LSTM' bottom: 'x' bottom: 'c' bottom: 'h' bottom: 'C' top: 'r' top: 'hT' top: 'cT' "
        + RECURRENT[:-1]
        + "expose_hidden: true } }"
    )
    exposed = minicaffe.Net(prototxt.parse(text, schema.NetParameter), phase="TRAIN", streams=Streams(3))
    hidden = net("LSTM", 3)
    for mine, theirs in zip(hidden.params["r"], exposed.params["r"], strict=True):
        mine.data[...] = theirs.data
    x, cont = np.random.default_rng(1).standard_normal((3, 2, 4)), np.ones((3, 2))
    zero = np.zeros((1, 2, 3))
    out = exposed.forward(x=x, c=cont, h=zero, C=zero)
    np.testing.assert_allclose(out["r"], hidden.forward(x=x, c=cont)["r"], rtol=1e-5)
    np.testing.assert_array_equal(out["hT"][0], out["r"][-1])
    again = exposed.forward(x=x, c=cont, h=out["hT"].copy(), C=out["cT"].copy())["r"]
    np.testing.assert_allclose(again, hidden.forward(x=x, c=cont)["r"], rtol=1e-5)


@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
def test_a_net_that_shares_its_weights_uses_them_in_every_step(kind: str) -> None:
    """As the test net of a solver does, and as it does when the weights change later."""
    train, test = net(kind, 3), net(kind, 3)
    for blob in test.params["r"]:
        blob.data[...] = 0
    test.share_with(train)
    inputs = {"x": np.random.default_rng(0).standard_normal((3, 2, 4)), "c": np.array([[0, 0], [1, 1], [1, 1]])}
    for _ in range(2):
        expected = train.forward(**inputs)["r"]
        assert np.ptp(expected, axis=0).min() > 0
        np.testing.assert_array_equal(test.forward(**inputs)["r"], expected)
        for blob in train.params["r"]:
            blob.data[...] *= 0.5


@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
def test_layers_with_the_same_parameters(kind: str) -> None:
    names = " ".join(f"param {{ name: 'p{i}' }}" for i in range(len(net(kind, 1).params["r"])))
    single, double = net(kind, 3, more="loss_weight: 1"), net(kind, 3, layers="rs", more=f"loss_weight: 1 {names}")
    for mine, theirs in zip(double.params["s"], single.params["r"], strict=True):
        mine.data[...] = theirs.data
    inputs = {"x": np.random.default_rng(0).standard_normal((3, 2, 4)), "c": np.array([[0, 0], [1, 1], [1, 1]])}
    for one in (single, double):
        one.forward(**inputs)
        one.backward()
    for name in "rs":
        np.testing.assert_array_equal(double.blobs[name].data, single.blobs["r"].data)
    for mine, theirs in zip(double.params["r"], single.params["r"], strict=True):
        assert theirs.diff.any()
        np.testing.assert_allclose(mine.diff, 2 * theirs.diff, rtol=1e-5, atol=1e-6)


def test_parameter_order_is_caffes() -> None:
    assert [blob.shape for blob in net("LSTM", 2).params["r"]] == [(12, 4), (12,), (12, 3)]
    assert [blob.shape for blob in net("RNN", 2).params["r"]] == [(3, 4), (3,), (3, 3), (3, 3), (3,)]
