"""Genuine nets of Caffe and its forks build, in every phase and stage they are made for.

Sources of data that are not here are replaced by blobs of the shape they would give, fillers are left out: a net of
500 MB then costs no more than its description. A sample of the nets runs by default; MINICAFFE_ALL_NETS=1 builds them
all.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicaffe
from minicaffe import fillers
from minicaffe.graph import filter_net
from minicaffe.phase import Phase
from minicaffe.proto import read_net, schema
from tests.conftest import SHARED
from tests.proto.test_genuine import kind_of, prototxts
from tests.reference import published_layers

SAMPLE = [
    "models/cifar10_full_h5/cifar10_full_train_test.prototxt",
    "models/landmark106/landmark106.prototxt",
    "models/lenet_mnist_2014/lenet_train_test.prototxt",
    "models/squeezenet_v1.0/SqueezeNet_trainval.prototxt",
    "prototxts/BVLC_caffe/examples/cifar10/cifar10_full_sigmoid_train_test_bn.prototxt",
    "prototxts/BVLC_caffe/examples/cifar10/cifar10_quick_train_test.prototxt",
    "prototxts/BVLC_caffe/examples/feature_extraction/imagenet_val.prototxt",
    "prototxts/BVLC_caffe/examples/finetune_pascal_detection/pascal_finetune_trainval_test.prototxt",
    "prototxts/BVLC_caffe/examples/hdf5_classification/nonlinear_train_val.prototxt",
    "prototxts/BVLC_caffe/examples/mnist/lenet_train_test.prototxt",
    "prototxts/BVLC_caffe/examples/mnist/mnist_autoencoder.prototxt",
    "prototxts/BVLC_caffe/examples/net_surgery/bvlc_caffenet_full_conv.prototxt",
    "prototxts/BVLC_caffe/examples/pycaffe/linreg.prototxt",
    "prototxts/BVLC_caffe/examples/siamese/mnist_siamese_train_test.prototxt",
    "prototxts/BVLC_caffe/models/bvlc_alexnet/train_val.prototxt",
    "prototxts/BVLC_caffe/models/bvlc_googlenet/train_val.prototxt",
    "prototxts/BVLC_caffe/models/finetune_flickr_style/train_val.prototxt",
    "prototxts/BVLC_caffe@rc2/examples/imagenet/bvlc_caffenet_full_conv.prototxt",
    "prototxts/BVLC_caffe@rcnn-release/examples/imagenet/imagenet_train.prototxt",
    "prototxts/BVLC_caffe@rcnn-release/examples/pascal-finetuning/pascal_finetune_train.prototxt",
    "prototxts/BVLC_caffe@v0.9/examples/imagenet/imagenet_train.prototxt",
    "prototxts/BVLC_caffe@v0.999/examples/cifar10/cifar10_full_train.prototxt",
    "prototxts/BVLC_caffe@v0.999/examples/mnist/mnist_autoencoder_train.prototxt",
    "prototxts/KaimingHe_deep-residual-networks/prototxt/ResNet-50-deploy.prototxt",
    "prototxts/abhi2610_ohem/models/pascal_voc/VGG16/fast_rcnn_ohem/train.prototxt",
    "prototxts/abhi2610_ohem/models/pascal_voc/VGG_CNN_M_1024/fast_rcnn/train.prototxt",
    "prototxts/forresti_SqueezeNet/SqueezeNet_v1.1/train_val.prototxt",
    "prototxts/rbgirshick_fast-rcnn/models/VGG16/no_bbox_reg/train.prototxt",
    "prototxts/rbgirshick_fast-rcnn/models/VGG16/train.prototxt",
    "prototxts/rbgirshick_fast-rcnn/models/VGG_CNN_M_1024/compressed/test.prototxt",
    "prototxts/rbgirshick_py-faster-rcnn/models/coco/VGG16/faster_rcnn_end2end/train.prototxt",
    "prototxts/rbgirshick_py-faster-rcnn/models/pascal_voc/VGG16/faster_rcnn_alt_opt/stage1_rpn_train.pt",
    "prototxts/rbgirshick_py-faster-rcnn/models/pascal_voc/ZF/faster_rcnn_end2end/test.prototxt",
    "prototxts/rbgirshick_rcnn/finetuning/voc_2012_prototxt/pascal_finetune_val.prototxt",
    "prototxts/rbgirshick_rcnn/model-defs/rcnn_batch_256_output_fc7.prototxt",
    "prototxts/shicai_MobileNet-Caffe/mobilenet_v2_deploy.prototxt",
]
SMALL = [name for name in SAMPLE if re.search("cifar10|mnist|hdf5|linreg", name)]

SOURCES = {"Data", "ImageData", "HDF5Data", "WindowData", "MemoryData"}
IMAGES = {"lenet": (1, 28, 28), "mnist_siamese": (2, 28, 28), "mnist": (1, 28, 28), "cifar": (3, 32, 32)}

State = tuple[Phase, tuple[str, ...]]


def nets(shared: Path) -> list[Path]:
    """All genuine net definitions."""
    files = prototxts(shared)
    return [path for path in files if kind_of(path.read_bytes().decode("utf-8", "surrogateescape")) == "NetParameter"]


def chosen() -> list[str]:
    if os.environ.get("MINICAFFE_ALL_NETS") and SHARED.is_dir():
        return [path.relative_to(SHARED).as_posix() for path in nets(SHARED)]
    return SAMPLE


def unregistered(definition: Any) -> set[str]:
    """Layer types of other forks."""
    return {layer.type for layer in definition.layer} - set(minicaffe.layer_type_list())


def states(definition: Any) -> Iterator[State]:
    """The phases and stages the net is made for: those in which something in it gives data."""
    rules = [rule for layer in definition.layer for rule in (*layer.include, *layer.exclude)]
    stages = sorted({stage for rule in rules for stage in (*rule.stage, *rule.not_stage)})
    for phase in (minicaffe.TRAIN, minicaffe.TEST):
        for names in ((), *((stage,) for stage in stages)):
            state = schema.NetState(phase=int(phase), stage=names)
            if any(not layer.bottom for layer in filter_net(definition, state).layer):
                yield phase, names


def item_shape(layer: Any) -> tuple[int, ...]:
    """The shape of one item that a data layer of this definition reads."""
    if layer.type == "HDF5Data":
        return (4,)
    side = layer.transform_param.crop_size
    return (3, side, side) if side else next(shape for name, shape in IMAGES.items() if name in layer.origin)


def fed(definition: Any, batch: int = 1) -> Any:
    """The net with blobs in the place of its data, and stand-ins in the place of published Python layers."""
    result = schema.NetParameter()
    result.CopyFrom(definition)
    for layer in result.layer:
        if layer.type in SOURCES:
            shapes = [(batch, *item_shape(layer)), (batch,)][: len(layer.top)]
            layer.type = "Input"
            layer.input_param.shape.extend(schema.BlobShape(dim=shape) for shape in shapes)
        elif layer.type == "Python":
            layer.python_param.module = published_layers.__name__
    return result


def build(definition: Any, state: State, batch: int = 1) -> minicaffe.Net:
    phase, stages = state
    return minicaffe.Net(fed(definition, batch), phase=phase, stages=stages)


@pytest.fixture
def unfilled(monkeypatch: pytest.MonkeyPatch) -> None:
    """No filler runs: parameters nobody writes to take no memory."""
    monkeypatch.setattr(fillers, "fill", lambda *_: None)


@pytest.mark.parametrize("name", chosen())
@pytest.mark.usefixtures("unfilled")
def test_builds(name: str, shared: Path) -> None:
    definition = read_net(shared / name)
    foreign = unregistered(definition)
    if foreign:
        pytest.skip(f"layers of a fork: {', '.join(sorted(foreign))}")
    built = 0
    for state in states(definition):
        check(build(definition, state))
        built += 1
    assert built, "the net gives data in no phase at all"


def check(net: minicaffe.Net) -> None:
    """Every blob has a shape; every loss is one number, and something learns from it unless nothing may."""
    losses = [blob for step in net.steps for blob, _ in step.losses]
    assert net.outputs or losses
    assert [name for name, blob in net.blobs.items() if blob.count == 0] == []
    assert all(blob.count == 1 for blob in losses)
    learning = [param.name for param in net.learnable if param.lr_mult]
    trained = [param.name for param in net.learnable if param.trained]
    assert bool(trained) == bool(losses and learning)


@pytest.mark.parametrize("name", SMALL)
def test_small_ones_run(name: str, shared: Path) -> None:
    definition = read_net(shared / name)
    rng = np.random.default_rng(1)
    for state in states(definition):
        net = build(definition, state, batch=2)
        for source in net.inputs:
            if net.blobs[source].data.ndim > 1:
                net.blobs[source].data[...] = rng.uniform(0, 1, net.blobs[source].shape)
        if name.endswith("linreg.prototxt"):  # its loss is a stand-in here, without a backward
            net.forward()
        else:
            net.forward_backward()
            trained = [param for param in net.learnable if param.trained]
            assert trained
            assert all(np.isfinite(param.blob.diff).all() for param in trained)
        assert all(np.isfinite(net.blobs[output].data).all() for output in net.outputs)


# What their authors publish of them: how many numbers they learn, and what comes out.
KNOWN = {
    "BVLC_caffe/models/bvlc_alexnet/deploy": (60_965_224, {"prob": (10, 1000)}),
    "BVLC_caffe/models/bvlc_googlenet/deploy": (6_998_552, {"prob": (10, 1000)}),
    "BVLC_caffe/examples/net_surgery/bvlc_caffenet_full_conv": (60_965_224, {"prob": (1, 1000, 8, 8)}),
    "KaimingHe_deep-residual-networks/prototxt/ResNet-101-deploy": (44_549_160, {"prob": (1, 1000)}),
    "KaimingHe_deep-residual-networks/prototxt/ResNet-152-deploy": (60_192_808, {"prob": (1, 1000)}),
    "forresti_SqueezeNet/SqueezeNet_v1.0/deploy": (1_248_424, {"prob": (10, 1000, 1, 1)}),
    "forresti_SqueezeNet/SqueezeNet_v1.1/deploy": (1_235_496, {"prob": (10, 1000, 1, 1)}),
    "shicai_MobileNet-Caffe/mobilenet_deploy": (4_231_976, {"prob": (1, 1000, 1, 1)}),
}


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.usefixtures("unfilled")
def test_sizes_are_those_published(name: str, shared: Path) -> None:
    net = build(read_net(shared / "prototxts" / f"{name}.prototxt"), (minicaffe.TEST, ()))
    learnt = sum(param.blob.count for param in net.learnable if param.lr_mult)
    assert (learnt, {output: net.blobs[output].shape for output in net.outputs}) == KNOWN[name]


@pytest.mark.usefixtures("unfilled")
def test_the_ohem_nets_readonly_tower_only_watches(shared: Path) -> None:
    path = shared / "prototxts/abhi2610_ohem/models/pascal_voc/VGG16/fast_rcnn_ohem/train.prototxt"
    net = build(read_net(path), (minicaffe.TRAIN, ()))
    runs = [step.param.name for step in net.steps if step.runs_backward]
    towers = [name for name in net.layer_dict if "readonly" in name]
    assert len(towers) >= 8
    assert not set(runs) & set(towers)
    assert {"loss_cls", "loss_bbox", "fc6", "roi_pool5", "conv5_3", "conv3_1"} <= set(runs)
    assert not {"conv1_1", "conv1_2", "conv2_1", "conv2_2"} & set(runs)
    shared_params = {param.name: (param.layer, param.lr_mult, param.decay_mult) for param in net.learnable}
    assert shared_params["fc6_w"] == ("fc6_readonly", 1, 1)
    assert shared_params["fc6_b"] == ("fc6_readonly", 2, 0)
    assert all(param.trained for param in net.learnable if param.layer in towers)


def lines_of(log: str, kind: str) -> list[str]:
    """The lines of a log that tell of the building of the `kind` net, without times, shapes only as counts.

    Blobs had four axes then; data layers of then and blobs of now differ in what else they tell.
    """
    part = re.search(rf"Creating {kind} net.*?Memory required for data: \d+", log, re.DOTALL)
    assert part
    texts = [line.split("] ", 1)[-1] for line in part[0].splitlines()]
    told = re.compile(
        r"Creating Layer|\S+ (<-|->) |Top shape|\s*with loss weight|\S+ (needs|does not need) backward|"
        r"This network produces|Network initialization done|Memory required"
    )
    return [re.sub(r"Top shape: [\d ]*", "Top shape: ", text) for text in texts if told.match(text)]


@pytest.mark.parametrize(("kind", "phase"), [("training", minicaffe.TRAIN), ("test", minicaffe.TEST)])
@pytest.mark.usefixtures("unfilled")
def test_tells_what_caffe_told(kind: str, phase: Phase, shared: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = (shared / "models/cifar10_full_2014/train_log.txt").read_text()
    definition = read_net(shared / "prototxts/BVLC_caffe@rc2/examples/cifar10/cifar10_quick_train_test.prototxt")
    with caplog.at_level(logging.INFO, logger="minicaffe"):
        build(definition, (phase, ()), batch=100)
    ours = "\n".join([f"Creating {kind} net", *(record.getMessage() for record in caplog.records)])
    assert lines_of(ours, kind) == lines_of(log, kind)
