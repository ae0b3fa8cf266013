"""Small nets from lines of prototxt, for tests of what a net is and does."""

from __future__ import annotations

from typing import Any

import numpy as np

import minicaffe as caffe
from minicaffe.proto import prototxt, schema
from minicaffe.rng import Streams

INPUT = (
    "layer { name: 'data' type: 'Input' top: 'data' top: 'label' input_param { shape { dim: 4 dim: 3 } "
    "shape { dim: 4 } } }"
)


def ip(name: str, bottom: str, top: str, more: str = "", outputs: int = 3) -> str:
    return (
        f"layer {{ name: '{name}' type: 'InnerProduct' bottom: '{bottom}' top: '{top}' {more} inner_product_param {{ "
        f"num_output: {outputs} weight_filler {{ type: 'gaussian' std: 0.5 }} bias_filler {{ type: 'uniform' }} }} }}"
    )


def loss(bottom: str = "y", more: str = "") -> str:
    return f"layer {{ name: 'loss' type: 'SoftmaxWithLoss' bottom: '{bottom}' bottom: 'label' top: 'loss' {more} }}"


def build(*layers: str, phase: str = "TRAIN", seed: int = 1, head: str = "", **more: Any) -> caffe.Net:
    definition = prototxt.parse("\n".join((head, *layers)), schema.NetParameter, file="net.prototxt")
    return caffe.Net(definition, phase=phase, streams=Streams(seed), **more)


def feed(net: caffe.Net, seed: int = 0) -> caffe.Net:
    rng = np.random.default_rng(seed)
    net.blobs["data"].data[...] = rng.standard_normal(net.blobs["data"].shape)
    if "label" in net.blobs:
        net.blobs["label"].data[...] = rng.integers(0, 3, net.blobs["label"].shape)
    return net
