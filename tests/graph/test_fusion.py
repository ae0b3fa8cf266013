"""Layers that run as one: which are found, and that nobody can tell."""

from __future__ import annotations

import numpy as np
import pytest

import minicaffe
from minicaffe import layer as layers
from minicaffe.graph import Fusion, find_fusions
from minicaffe.layers.relu import ReLU
from minicaffe.proto import prototxt, schema
from minicaffe.rng import Streams

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 9 dim: 8 } } }'
RELU = 'layer { name: "relu" type: "ReLU" bottom: "x" top: "x" }'
CONV = """layer { name: "conv" type: "Convolution" bottom: "data" top: "x"
    convolution_param {
        num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } bias_filler { type: "uniform" }
    } }"""
NORM = 'layer { name: "norm" type: "BatchNorm" bottom: "data" top: "x" }'
SCALE = """layer { name: "scale" type: "Scale" bottom: "x" top: "x"
    scale_param { bias_term: true filler { type: "uniform" min: -1 } bias_filler { type: "uniform" min: -1 } } }"""
IP = """layer { name: "ip" type: "InnerProduct" bottom: "data" top: "x"
    inner_product_param { num_output: 7 weight_filler { type: "xavier" } } }"""
SUM = """layer { name: "sum" type: "Eltwise" bottom: "data" bottom: "data" top: "x"
    eltwise_param { coeff: 0.5 coeff: 0.25 } }"""
LOSS = """layer { name: "r" type: "Reduction" bottom: "x" top: "loss" loss_weight: 1
    reduction_param { operation: SUMSQ } }"""


def test_only_layers_right_behind_and_in_place_are_taken_in() -> None:
    bottoms = [["a"], ["b"], ["b"], ["b"], ["c"], ["c"], ["d", "e"]]
    tops = [["b"], ["b"], ["b"], ["c"], ["c"], ["d", "e"], ["d", "e"]]
    assert find_fusions(bottoms, tops, lambda *_: True) == [Fusion(0, 2), Fusion(3, 4)]
    assert find_fusions(bottoms, tops, lambda first, last, following: following == 4) == [Fusion(3, 4)]
    assert find_fusions([], [], lambda *_: True) == []


def net_of(*layers: str, phase: int) -> minicaffe.Net:
    definition = prototxt.parse("\n".join((INPUT, *layers)), schema.NetParameter)
    definition.force_backward = LOSS in layers
    net = minicaffe.Net(definition, phase=phase, streams=Streams(1))
    for layer in net.layers:
        if layer.type == "BatchNorm":
            for values, blob in zip(([0.4, -0.8, 0.2, 1.1], [2.0, 1.2, 0.7, 3.1], [2.0]), layer.blobs, strict=True):
                blob.data[...] = values[: blob.count]
    return net


def results(net: minicaffe.Net) -> list[np.ndarray]:
    """Run twice, so that what layers keep is used again; return every blob, gradient and parameter."""
    net.blobs["data"].data[...] = np.random.RandomState(3).standard_normal((2, 3, 9, 8))
    for _ in range(2):
        net.clear_param_diffs()
        net.forward_backward()
    blobs = [array.copy() for blob in net.blobs.values() for array in (blob.data, blob.diff)]
    return blobs + [array.copy() for p in net.learnable for array in (p.blob.data, p.blob.diff)]


GLOBAL_NORM = NORM.replace("}", "batch_norm_param { use_global_stats: true } }")
CONV_NORM = GLOBAL_NORM.replace('bottom: "data"', 'bottom: "x"')
CONV_BARE = CONV.replace("kernel_size: 3", "kernel_size: 3 bias_term: false").replace(
    'bias_filler { type: "uniform" }', ""
)
CHAINS = {
    "conv relu": (CONV, RELU),
    "conv norm scale relu": (CONV, CONV_NORM, SCALE, RELU),
    "conv norm scale": (CONV_BARE, CONV_NORM, SCALE),
    "conv norm": (CONV_BARE, CONV_NORM),
    "conv norm relu": (CONV, CONV_NORM, RELU),
    "conv norm of the batch, scale, relu": (CONV, NORM.replace('bottom: "data"', 'bottom: "x"'), SCALE, RELU),
    "ip relu": (IP, RELU),
    "eltwise relu": (SUM, RELU),
    "norm relu": (NORM, RELU),
    "norm scale": (NORM, SCALE),
    "norm scale relu": (NORM, SCALE, RELU),
    "norm with global statistics, scale, relu": (GLOBAL_NORM, SCALE, RELU),
    "scale relu": ('layer { name: "copy" type: "Power" bottom: "data" top: "x" }', SCALE, RELU),
}


@pytest.mark.parametrize("phase", [minicaffe.TRAIN, minicaffe.TEST])
@pytest.mark.parametrize("chain", CHAINS)
def test_a_fused_net_computes_what_its_layers_do(chain: str, phase: int) -> None:
    fused, plain = (net_of(*CHAINS[chain], LOSS, phase=phase) for _ in range(2))
    assert fused.fusions
    plain.after_forward(lambda index: None)  # somebody who looks at every layer
    plain.after_backward(lambda index: None)
    assert bool(fused.backward_fusions) == chain.startswith("conv norm ")
    for one, other in zip(results(fused), results(plain), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("chain", CHAINS)
def test_what_no_backward_will_need_is_not_kept_and_changes_nothing(chain: str) -> None:
    fused, plain = (net_of(*CHAINS[chain], phase=minicaffe.TEST) for _ in range(2))
    assert fused.fusions
    plain.after_forward(lambda index: None)
    for net in (fused, plain):
        net.blobs["data"].data[...] = np.random.RandomState(3).standard_normal((2, 3, 9, 8))
        net.forward()
    np.testing.assert_allclose(fused.blobs["x"].data, plain.blobs["x"].data, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "layers",
    [
        (CONV, RELU.replace("}", "relu_param { negative_slope: 0.1 } }")),
        (CONV, RELU.replace('top: "x"', 'top: "y"')),
        (CONV, SCALE, LOSS),
        (NORM, SCALE.replace("scale_param {", "scale_param { num_axes: 0"), LOSS),
        (SUM.replace("coeff: 0.5 coeff: 0.25", "operation: MAX"), RELU),
    ],
)
def test_what_would_be_another_arithmetic_is_left_alone(layers: tuple[str, ...]) -> None:
    assert not net_of(*layers, phase=minicaffe.TRAIN).fusions


class Capped(ReLU):
    """A user's layer: a ReLU with another arithmetic."""

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        np.clip(x, 0, 0.01, out=y)


def test_a_users_layer_is_never_taken_for_the_one_it_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(layers._registry, "ReLU", Capped)
    net = net_of(CONV, RELU, phase=minicaffe.TEST)
    assert not net.fusions
    net.blobs["data"].data[...] = np.random.RandomState(3).standard_normal((2, 3, 9, 8))
    net.forward()
    assert net.blobs["x"].data.max() == np.float32(0.01)


def test_a_scale_of_all_channels_is_none_for_each_channel() -> None:
    """With one channel and one image the two look alike, until the shape changes."""
    scale = 'layer { name: "scale" type: "Scale" bottom: "x" top: "x" scale_param { num_axes: 0 } }'
    copy = 'layer { name: "copy" type: "Power" bottom: "data" top: "x" }'
    assert not net_of(copy, CONV_NORM, scale, LOSS, phase=minicaffe.TRAIN).backward_fusions


def test_a_range_of_layers_ends_where_it_was_told_to() -> None:
    net = net_of(CONV, RELU, phase=minicaffe.TEST)
    net.blobs["data"].data[...] = np.random.RandomState(3).standard_normal((2, 3, 9, 8))
    net.forward(end="conv")
    assert net.blobs["x"].data.min() < 0
    net.forward(start="relu")
    assert net.blobs["x"].data.min() == 0
