"""Random small nets: forward against plain NumPy, backward against finite differences, and what must change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, note, settings

import minicaffe
from minicaffe.proto import prototxt, schema
from minicaffe.rng import Streams
from tests.reference.networks import Network
from tests.reference.random_nets import networks

STEP = 1e-5
PHASES = [minicaffe.TRAIN, minicaffe.TEST]


def several(examples: int) -> Any:
    """As many random nets, the same every time."""
    unhurried = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=unhurried,
        phases=(Phase.generate, Phase.shrink),
    )


def build(text: str, network: Network, phase: Any = minicaffe.TRAIN, dtype: Any = np.float64) -> minicaffe.Net:
    """The net of this text, its parameters and inputs those of the network."""
    note(text)
    net = minicaffe.Net(
        prototxt.parse(text, schema.NetParameter, "net.prototxt"), phase=phase, dtype=dtype, streams=Streams(3)
    )
    for part in network.parts:
        name = part.name if part.name in net.layer_dict else f"{part.name}_0"
        if part.blobs and name in net.layer_dict:
            for blob, values in zip(net.params[name], part.blobs, strict=True):
                assert blob.shape == values.shape
                blob.data[...] = values
    for name, values in network.inputs.items():
        net.blobs[name].data[...] = values
    return net


def gradients(net: minicaffe.Net) -> dict[str, list[np.ndarray]]:
    """Run forward and backward; return the gradients of the parameters by layer and of the input `data`."""
    net.clear_param_diffs()
    net.forward_backward()
    found = {name: [blob.diff.copy() for blob in blobs] for name, blobs in net.params.items()}
    return {**found, "data": [net.blobs["data"].diff.copy()]}


def same(ours: np.ndarray, others: np.ndarray, what: str) -> None:
    np.testing.assert_allclose(ours, others, rtol=1e-10, atol=1e-10, err_msg=what)


@pytest.mark.parametrize("phase", PHASES)
@given(network=networks())
@several(100)
def test_forward_is_that_of_plain_numpy(phase: Any, network: Network) -> None:
    net = build(network.text(), network, phase)
    values, loss = network.compute(phase == "TRAIN")
    assert net.forward_loss() == pytest.approx(loss, rel=1e-9, abs=1e-9)
    for name, expected in values.items():
        assert net.blobs[name].shape == expected.shape, name
        np.testing.assert_allclose(net.blobs[name].data, expected, rtol=1e-8, atol=1e-9, err_msg=name)
    consumed = {bottom for part in network.parts for bottom in part.bottoms}
    assert net.outputs == sorted(set(values) - consumed)


@pytest.mark.parametrize("phase", PHASES)
@given(network=networks(dropout=True))
@several(100)
def test_backward_is_the_slope_of_forward(phase: Any, network: Network) -> None:
    net = build("force_backward: true\n" + network.text(), network, phase)
    state = net.get_state()
    masters = [param.blob for param in net.learnable if param.lr_mult] + [net.blobs["data"]]
    analytic = gradients(net)
    rng = np.random.default_rng(5)
    directions = [rng.standard_normal(blob.shape) for blob in masters]
    slope = sum(float((blob.diff * v).sum()) for blob, v in zip(masters, directions, strict=True))

    def loss_at(step: float) -> float:
        net.set_state(state)  # the same numbers fall in every Dropout
        for blob, v in zip(masters, directions, strict=True):
            blob.data[...] += step * v
        loss = net.forward_loss()
        for blob, v in zip(masters, directions, strict=True):
            blob.data[...] -= step * v
        return loss

    low, here, high = (loss_at(step) for step in (-STEP, 0, STEP))
    numeric, scale = (high - low) / (2 * STEP), max(abs(slope), 1.0)
    assume(abs(high - 2 * here + low) / STEP < 0.01 * scale)  # no kink within reach
    assert numeric == pytest.approx(slope, rel=1e-6, abs=1e-6), f"{analytic}"


@given(network=networks(chain=True))
@several(50)
def test_working_in_place_changes_nothing(network: Network) -> None:
    text = network.text(in_place=True)
    assume(text != network.text())
    apart, within = build(network.text(), network), build(text, network)
    expected, found = gradients(apart), gradients(within)
    for name in apart.outputs:
        same(within.blobs[network.places().get(name, name)].data, apart.blobs[name].data, name)
    for name, arrays in expected.items():
        for theirs, mine in zip(arrays, found[name], strict=True):
            same(mine, theirs, name)


@given(network=networks())
@several(50)
def test_splits_change_nothing(network: Network) -> None:
    """A blob read twice gives what two blobs give that are computed alike, by layers that share their parameters."""
    once, again = build(network.text(), network), build(network.doubled(), network)
    assert not [
        name
        for name in again.layer_dict
        if name.endswith("_split") and not any(name.startswith(f"{given}_{given}_") for given in network.inputs)
    ]
    expected, found = gradients(once), gradients(again)
    assert again.forward_loss() == pytest.approx(once.forward_loss(), rel=1e-9, abs=1e-9)
    for name, arrays in expected.items():
        if name != "data" and f"{name}_0" in found and "batchnorm" not in name:
            for theirs, mine in zip(arrays, found[f"{name}_0"], strict=True):
                same(mine, theirs, name)


@pytest.mark.parametrize("suffix", [".caffemodel", ".caffemodel.h5"])
@given(network=networks(dropout=True))
@several(25)
def test_saved_weights_give_the_same_outputs(suffix: str, network: Network, tmp_path: Path) -> None:
    first = build(network.text(), network, "TEST", np.float32)
    path = tmp_path / f"net{suffix}"
    (first.save_hdf5 if suffix.endswith("h5") else first.save)(path)
    second = build(network.text(), Network(network.inputs), "TEST", np.float32)
    second.copy_from(path)
    first.forward()
    second.forward()
    for name in first.outputs:
        np.testing.assert_array_equal(second.blobs[name].data, first.blobs[name].data, name)


@pytest.mark.parametrize("phase", PHASES)
@given(network=networks(grows=True))
@several(50)
def test_another_batch_size_and_back(phase: Any, network: Network) -> None:
    net = build(network.text(), network, phase)
    statistics = {name: [blob.data.copy() for blob in blobs] for name, blobs in net.params.items()}
    before = gradients(net)
    outputs = {name: net.blobs[name].data.copy() for name in net.outputs}

    larger = Network({name: np.concatenate([x, x[:1], x[-1:]]) for name, x in network.inputs.items()}, network.parts)
    born = build(larger.text(), larger, phase)
    for name, values in larger.inputs.items():
        net.blobs[name].reshape(*values.shape)
        net.blobs[name].data[...] = values
    for one in (net, born):
        one.forward()
    for name in born.outputs:
        same(net.blobs[name].data, born.blobs[name].data, name)

    for name, values in network.inputs.items():
        net.blobs[name].reshape(*values.shape)
        net.blobs[name].data[...] = values
    for name, arrays in statistics.items():
        for blob, values in zip(net.params[name], arrays, strict=True):
            blob.data[...] = values
    after = gradients(net)
    for name in net.outputs:
        np.testing.assert_array_equal(net.blobs[name].data, outputs[name], name)
    for name, arrays in before.items():
        for mine, theirs in zip(after[name], arrays, strict=True):
            np.testing.assert_array_equal(mine, theirs, name)
