"""Nets in little memory compute the same numbers; what is gone says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minicaffe
from minicaffe import lean
from minicaffe.errors import NetError
from minicaffe.lean import Pool
from minicaffe.proto import prototxt, schema
from minicaffe.rng import Streams
from tests.conftest import GOLDEN

CONVS = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 12 dim: 12 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 2 } } }
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1" param { lr_mult: 0 } param { lr_mult: 0 }
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "c2" type: "Convolution" bottom: "c1" top: "c2" param { lr_mult: 0 } param { lr_mult: 0 }
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "c3" type: "Convolution" bottom: "c2" top: "c3"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "c3" top: "c3" }
layer { name: "scale" type: "Scale" bottom: "c3" top: "c3" scale_param { bias_term: true } }
layer { name: "r3" type: "ReLU" bottom: "c3" top: "c3" }
layer { name: "c4" type: "Convolution" bottom: "c3" top: "c4"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "n4" type: "LRN" bottom: "c4" top: "n4" }
layer { name: "sum" type: "Eltwise" bottom: "n4" bottom: "c3" top: "sum" }
layer { name: "pool" type: "Pooling" bottom: "sum" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "cat" type: "Concat" bottom: "pool" bottom: "pool" top: "cat" }
layer { name: "flat" type: "Flatten" bottom: "cat" top: "flat" }
layer { name: "drop" type: "Dropout" bottom: "flat" top: "drop" }
layer { name: "ip" type: "InnerProduct" bottom: "drop" top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


@pytest.fixture(autouse=True)
def nothing_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean, "SMALL", 1)


def build(text: str, phase: int, **options: Any) -> minicaffe.Net:
    definition = prototxt.parse(text, schema.NetParameter)
    return minicaffe.Net(definition, phase=phase, streams=Streams(1), **options)


def feed(net: minicaffe.Net, size: int) -> None:
    stream = np.random.RandomState(size)
    net.blobs["data"].reshape(2, 3, 12, 12)
    net.blobs["data"].data[...] = stream.standard_normal((2, 3, 12, 12))
    net.blobs["label"].data[...] = stream.randint(0, 5, 2)


def trained(net: minicaffe.Net) -> list[np.ndarray]:
    """Run three passes on different data; return losses, gradients and parameters of each."""
    found = []
    for size in range(3):
        feed(net, size)
        net.clear_param_diffs()
        found.append(np.array(net.forward_backward()))
        found += [array.copy() for p in net.learnable for array in (p.blob.data, p.blob.diff)]
    return found


def test_training_gives_the_same_numbers() -> None:
    for one, other in zip(
        trained(build(CONVS, minicaffe.TRAIN, lean=True)), trained(build(CONVS, minicaffe.TRAIN)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_frozen_layers_keep_nothing_for_backward() -> None:
    net = build(CONVS, minicaffe.TRAIN, lean=True)
    feed(net, 0)
    net.forward()
    assert net.blobs["c1"].gone
    assert not net.blobs["c2"].gone  # c3 needs it for its gradient
    assert not any(blob.has_diff for name, blob in net.blobs.items() if name in ("data", "c1", "c2"))
    net.backward()
    assert net.blobs["c2"].gone
    assert net.blobs["c4"].gone


def test_what_is_gone_says_so_and_how_to_keep_it() -> None:
    net = build(CONVS, minicaffe.TEST, lean=["c2"])
    whole = build(CONVS, minicaffe.TEST)
    for each in (net, whole):
        feed(each, 0)
        each.forward()
    np.testing.assert_array_equal(net.blobs["c2"].data, whole.blobs["c2"].data)
    np.testing.assert_array_equal(net.blobs["loss"].data, whole.blobs["loss"].data)
    with pytest.raises(NetError, match=r"the net is lean.*lean=\['BLOB'\]"):
        _ = net.blobs["c4"].data
    with pytest.raises(NetError, match=r"the net is lean"):
        net.backward()


def test_a_larger_input_takes_new_memory_and_a_smaller_one_the_old() -> None:
    text = CONVS.split('layer { name: "cat"', maxsplit=1)[0]
    net, whole = (build(text, minicaffe.TEST, **options) for options in ({"lean": True}, {}))
    for size in (12, 20, 9, 20):
        x = np.random.RandomState(size).standard_normal((1, 3, size, size))
        for each in (net, whole):
            each.blobs["data"].reshape(*x.shape)
            each.forward(data=x, label=np.zeros(2))
        np.testing.assert_array_equal(net.blobs["pool"].data, whole.blobs["pool"].data)


def test_memory_that_grew_is_shared_as_before() -> None:
    net = build(CONVS.split('layer { name: "cat"', maxsplit=1)[0], minicaffe.TEST, lean=True)
    for size in (12, 30):
        net.blobs["data"].reshape(1, 3, size, size)
        net.forward(data=np.zeros((1, 3, size, size)), label=np.zeros(2))
    assert net._lean is not None
    assert net._lean.pool.nbytes == 3 * 8 * 30 * 30 * 4  # no more than three blobs are alive at a time


@pytest.mark.parametrize("name", sorted(path.stem for path in (GOLDEN / "layers").glob("*.npz")))
def test_every_recorded_layer_runs_lean(name: str) -> None:
    with np.load(GOLDEN / "layers" / f"{name}.npz") as arrays:
        text, phase = str(arrays["prototxt"]), str(arrays["phase"])
        values = {key[3:]: arrays[key] for key in arrays if key.startswith("in/")}
        params = {key[6:]: arrays[key] for key in arrays if key.startswith("param/")}
    results = []
    for options in ({"lean": True}, {}):
        net = build(text, phase if phase in ("TRAIN", "TEST") else int(phase), **options)
        for key, array in params.items():
            layer, _, index = key.rpartition("/")
            net.params[layer][int(index)].data[...] = array
        for _ in range(2):
            for key, array in values.items():
                net.blobs[key].data[...] = array
            net.clear_param_diffs()
            net.forward()
            outputs = [net.blobs[each].data.copy() for each in net.outputs]
            if net.phase == minicaffe.TRAIN:
                net.run_backward()
        results.append(outputs + [p.blob.diff.copy() for p in net.learnable])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_debug_info_keeps_everything() -> None:
    assert build("debug_info: true" + CONVS, minicaffe.TEST, lean=True)._lean is None


def test_the_pool_hands_out_what_fits_best_and_lets_go_what_is_too_small() -> None:
    pool = Pool()
    small, large = np.empty(100, np.float32), np.empty(400, np.float32)
    for flat in (large, small):
        pool.give(flat)
    assert pool.take(90, np.float32) is small
    assert pool.take(90, np.dtype(np.float64)) is not large
    assert pool.take(10, np.float32) is not large  # it would be wasted
    assert pool.take(500, np.float32).size == 500
    assert pool.nbytes == 0
