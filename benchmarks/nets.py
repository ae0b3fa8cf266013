"""The nets that are measured, as their authors published them, written with NetSpec; weights are random.

Every function returns a NetParameter whose inputs have the batch size of the published deploy file. In phase TRAIN a
classifier ends in SoftmaxWithLoss on an input `label`, else in Softmax.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe import NetSpec
from minicaffe import layers as L  # noqa: N812
from minicaffe import params as P  # noqa: N812
from minicaffe.proto import prototxt, read_net, schema
from minicaffe.rng import Streams

VGG16_OHEM = Path(__file__).resolve().parent.parent / "models" / "vgg16_ohem"


def classifier(build: Callable[[NetSpec], Any], shape: tuple[int, ...], train: bool) -> Any:
    """Return the net that `build` puts between an input of `shape` and a softmax of what it returns."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": list(shape)})
    scores = build(n)
    if train:
        n.label = L.Input(shape={"dim": [shape[0]]})
        n.loss = L.SoftmaxWithLoss(scores, n.label)
    else:
        n.prob = L.Softmax(scores)
    return n.to_proto()


# -- building blocks --------------------------------------------------------------------------------------------------


def conv_relu(n: NetSpec, name: str, relu: str, x: Any, outputs: int, kernel: int, **more: Any) -> Any:
    n[name] = L.Convolution(x, num_output=outputs, kernel_size=kernel, **more)
    n[relu] = L.ReLU(n[name], in_place=True)
    return n[relu]


def pool(n: NetSpec, name: str, x: Any, kernel: int, stride: int, method: str = "MAX", **more: Any) -> Any:
    n[name] = L.Pooling(x, pool=getattr(P.Pooling, method), kernel_size=kernel, stride=stride, **more)
    return n[name]


def fc_relu_drop(n: NetSpec, k: int, x: Any, outputs: int = 4096) -> Any:
    n[f"fc{k}"] = L.InnerProduct(x, num_output=outputs)
    n[f"relu{k}"] = L.ReLU(n[f"fc{k}"], in_place=True)
    n[f"drop{k}"] = L.Dropout(n[f"relu{k}"], in_place=True, dropout_ratio=0.5)
    return n[f"drop{k}"]


# -- classifiers ------------------------------------------------------------------------------------------------------


def lenet(n: NetSpec) -> Any:
    """LeCun et al. 1998, as trained on MNIST in Caffe's examples."""
    n.conv1 = L.Convolution(n.data, num_output=20, kernel_size=5)
    n.pool1 = L.Pooling(n.conv1, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    n.conv2 = L.Convolution(n.pool1, num_output=50, kernel_size=5)
    n.pool2 = L.Pooling(n.conv2, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    n.ip1 = L.InnerProduct(n.pool2, num_output=500)
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    n.ip2 = L.InnerProduct(n.relu1, num_output=10)
    return n.ip2


def alexnet(n: NetSpec) -> Any:
    """Krizhevsky et al. 2012: two groups, local response normalisation."""
    norm = {"local_size": 5, "alpha": 1e-4, "beta": 0.75}
    x = conv_relu(n, "conv1", "relu1", n.data, 96, 11, stride=4)
    n.norm1 = L.LRN(x, **norm)
    x = pool(n, "pool1", n.norm1, 3, 2)
    x = conv_relu(n, "conv2", "relu2", x, 256, 5, pad=2, group=2)
    n.norm2 = L.LRN(x, **norm)
    x = pool(n, "pool2", n.norm2, 3, 2)
    x = conv_relu(n, "conv3", "relu3", x, 384, 3, pad=1)
    x = conv_relu(n, "conv4", "relu4", x, 384, 3, pad=1, group=2)
    x = conv_relu(n, "conv5", "relu5", x, 256, 3, pad=1, group=2)
    x = pool(n, "pool5", x, 3, 2)
    n.fc8 = L.InnerProduct(fc_relu_drop(n, 7, fc_relu_drop(n, 6, x)), num_output=1000)
    return n.fc8


INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64), "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
}  # fmt: skip


def googlenet(n: NetSpec) -> Any:
    """Szegedy et al. 2015, without the auxiliary classifiers, which the deploy file has not."""
    norm = {"local_size": 5, "alpha": 1e-4, "beta": 0.75}
    x = conv_relu(n, "conv1/7x7_s2", "conv1/relu_7x7", n.data, 64, 7, pad=3, stride=2)
    n["pool1/norm1"] = L.LRN(pool(n, "pool1/3x3_s2", x, 3, 2), **norm)
    x = conv_relu(n, "conv2/3x3_reduce", "conv2/relu_3x3_reduce", n["pool1/norm1"], 64, 1)
    x = conv_relu(n, "conv2/3x3", "conv2/relu_3x3", x, 192, 3, pad=1)
    n["conv2/norm2"] = L.LRN(x, **norm)
    x = pool(n, "pool2/3x3_s2", n["conv2/norm2"], 3, 2)
    for name, widths in INCEPTIONS.items():
        x = inception(n, f"inception_{name}", x, *widths)
        if name in ("3b", "4e"):
            x = pool(n, f"pool{int(name[0])}/3x3_s2", x, 3, 2)
    x = pool(n, "pool5/7x7_s1", x, 7, 1, "AVE")
    n["pool5/drop_7x7_s1"] = L.Dropout(x, in_place=True, dropout_ratio=0.4)
    n["loss3/classifier"] = L.InnerProduct(n["pool5/drop_7x7_s1"], num_output=1000)
    return n["loss3/classifier"]


def inception(n: NetSpec, at: str, x: Any, a: int, b1: int, b: int, c1: int, c: int, d: int) -> Any:
    one = conv_relu(n, f"{at}/1x1", f"{at}/relu_1x1", x, a, 1)
    three = conv_relu(n, f"{at}/3x3_reduce", f"{at}/relu_3x3_reduce", x, b1, 1)
    three = conv_relu(n, f"{at}/3x3", f"{at}/relu_3x3", three, b, 3, pad=1)
    five = conv_relu(n, f"{at}/5x5_reduce", f"{at}/relu_5x5_reduce", x, c1, 1)
    five = conv_relu(n, f"{at}/5x5", f"{at}/relu_5x5", five, c, 5, pad=2)
    pooled = pool(n, f"{at}/pool", x, 3, 1, pad=1)
    pooled = conv_relu(n, f"{at}/pool_proj", f"{at}/relu_pool_proj", pooled, d, 1)
    n[f"{at}/output"] = L.Concat(one, three, five, pooled)
    return n[f"{at}/output"]


def resnet50(n: NetSpec) -> Any:
    """He et al. 2016. The deploy file normalises with global statistics, so these nets do in both phases."""
    x = conv_bn(n, "conv1", "bn_conv1", "scale_conv1", n.data, 64, 7, bias_term=True, pad=3, stride=2)
    n.conv1_relu = L.ReLU(x, in_place=True)
    x = pool(n, "pool1", n.conv1_relu, 3, 2)
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=2):
        for block in "abcdef"[:blocks]:
            x = bottleneck(n, f"{stage}{block}", x, width, 2 if stage > 2 and block == "a" else 1)
    x = pool(n, "pool5", x, 7, 1, "AVE")
    n.fc1000 = L.InnerProduct(x, num_output=1000)
    return n.fc1000


def conv_bn(n: NetSpec, name: str, bn: str, scale: str, x: Any, outputs: int, kernel: int, **more: Any) -> Any:
    more = {"bias_term": False, **more}
    n[name] = L.Convolution(x, num_output=outputs, kernel_size=kernel, **more)
    n[bn] = L.BatchNorm(n[name], in_place=True, use_global_stats=True)
    n[scale] = L.Scale(n[bn], in_place=True, bias_term=True)
    return n[scale]


def bottleneck(n: NetSpec, at: str, x: Any, width: int, stride: int) -> Any:
    def branch(name: str, bottom: Any, outputs: int, kernel: int, **more: Any) -> Any:
        names = (f"{kind}{at}_branch{name}" for kind in ("res", "bn", "scale"))
        return conv_bn(n, *names, bottom, outputs, kernel, **more)

    straight = branch("1", x, 4 * width, 1, stride=stride) if at.endswith("a") else x
    for name, kernel, more in (("2a", 1, {"stride": stride}), ("2b", 3, {"pad": 1})):
        x = branch(name, x, width, kernel, **more)
        n[f"res{at}_branch{name}_relu"] = L.ReLU(x, in_place=True)
        x = n[f"res{at}_branch{name}_relu"]
    n[f"res{at}"] = L.Eltwise(straight, branch("2c", x, 4 * width, 1))
    n[f"res{at}_relu"] = L.ReLU(n[f"res{at}"], in_place=True)
    return n[f"res{at}_relu"]


def squeezenet(n: NetSpec) -> Any:
    """Iandola et al. 2016, version 1.0."""
    x = conv_relu(n, "conv1", "relu_conv1", n.data, 96, 7, stride=2)
    x = pool(n, "pool1", x, 3, 2)
    widths = {2: 16, 3: 16, 4: 32, 5: 32, 6: 48, 7: 48, 8: 64, 9: 64}
    for k, squeezed in widths.items():
        x = fire(n, f"fire{k}", x, squeezed)
        if k in (4, 8):
            x = pool(n, f"pool{k}", x, 3, 2)
    n.drop9 = L.Dropout(x, in_place=True, dropout_ratio=0.5)
    x = conv_relu(n, "conv10", "relu_conv10", n.drop9, 1000, 1, pad=1)
    n.pool10 = L.Pooling(x, pool=P.Pooling.AVE, global_pooling=True)
    return n.pool10


def fire(n: NetSpec, at: str, x: Any, squeezed: int) -> Any:
    x = conv_relu(n, f"{at}/squeeze1x1", f"{at}/relu_squeeze1x1", x, squeezed, 1)
    one = conv_relu(n, f"{at}/expand1x1", f"{at}/relu_expand1x1", x, 4 * squeezed, 1)
    three = conv_relu(n, f"{at}/expand3x3", f"{at}/relu_expand3x3", x, 4 * squeezed, 3, pad=1)
    n[f"{at}/concat"] = L.Concat(one, three)
    return n[f"{at}/concat"]


# -- VGG16 and its detector -------------------------------------------------------------------------------------------


def vgg16_convolutions(n: NetSpec, x: Any) -> Any:
    """Simonyan and Zisserman 2015, from the image to conv5_3."""
    for block, (outputs, depth) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), start=1):
        for k in range(1, depth + 1):
            x = conv_relu(n, f"conv{block}_{k}", f"relu{block}_{k}", x, outputs, 3, pad=1)
        if block < 5:
            x = pool(n, f"pool{block}", x, 2, 2)
    return x


def vgg16(n: NetSpec) -> Any:
    """The whole classifier."""
    x = pool(n, "pool5", vgg16_convolutions(n, n.data), 2, 2)
    n.fc8 = L.InnerProduct(fc_relu_drop(n, 7, fc_relu_drop(n, 6, x)), num_output=1000)
    return n.fc8


def vgg16_trunk(height: int = 600, width: int = 800) -> Any:
    """Its convolutions alone."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 3, height, width]})
    vgg16_convolutions(n, n.data)
    return n.to_proto()


def vgg16_ohem(height: int = 600, width: int = 800, regions: int = 2000) -> Any:
    """The training net of `models/vgg16_ohem`, its data layer replaced by inputs."""
    shapes = {"data": (1, 3, height, width), "rois": (regions, 5), "labels": (regions,)}
    shapes |= {f"bbox_{what}": (regions, 84) for what in ("targets", "inside_weights", "outside_weights")}
    definition = read_net(VGG16_OHEM / "train.prototxt")
    inputs = "".join(
        f'layer {{ name: "{name}" type: "Input" top: "{name}" '
        f"input_param {{ shape {{ {' '.join(f'dim: {d}' for d in shape)} }} }} }}\n"
        for name, shape in shapes.items()
    )
    net = prototxt.parse(inputs, schema.NetParameter)
    net.name = definition.name
    net.layer.extend(layer for layer in definition.layer if layer.name != "data")
    return net


# -- what goes in -----------------------------------------------------------------------------------------------------


def fill(net: Any) -> None:
    """Give every weight a value at which activations keep their size; biases and statistics are small ones."""
    streams = Streams(1)
    for name, blobs in net.params.items():
        kind = net.layer_dict[name].type
        for i, blob in enumerate(blobs):
            stream = streams.stream(f"{name}/{i}")
            if kind == "BatchNorm":
                blob.data[...] = (0.1 * stream.standard_normal(blob.shape), stream.uniform(0.5, 1.5, blob.shape), 1)[i]
            elif kind == "Scale":
                blob.data[...] = (stream.uniform(0.3, 0.8, blob.shape), 0.1 * stream.standard_normal(blob.shape))[i]
            elif len(blob.shape) > 1:
                spread = np.float32(np.sqrt(2 / (blob.count // blob.shape[0])))
                stream.standard_normal(dtype=np.float32, out=blob.data)
                blob.data[...] *= spread / 4 if name in ("cls_score", "bbox_pred") else spread
            else:
                blob.data[...] = 0.01 * stream.standard_normal(blob.shape)


def inputs_for(net: Any, classes: int) -> dict[str, np.ndarray]:
    """Return a value for every input of `net`."""
    stream = Streams(2).stream("inputs")
    shapes = {name: net.blobs[name].shape for name in net.inputs}
    if "rois" in shapes:
        return detector_inputs(stream, shapes, classes)
    values = {"data": stream.standard_normal(shapes["data"], np.float32)}
    if "label" in shapes:
        values["label"] = stream.integers(0, classes, shapes["label"]).astype(np.float32)
    return values


def detector_inputs(stream: np.random.Generator, shapes: dict[str, Any], classes: int) -> dict[str, np.ndarray]:
    """Return an image and regions of all sizes, a tenth of them objects with something to regress."""
    R, (H, W) = shapes["rois"][0], shapes["data"][2:]
    size = np.exp(stream.uniform(np.log(32), np.log(500), (R, 2)))
    centre = stream.uniform(0, 1, (R, 2)) * (W, H)
    rois = np.zeros((R, 5), np.float32)
    rois[:, 1:3] = np.clip(centre - size / 2, 0, (W - 17, H - 17)).round()
    rois[:, 3:] = np.clip(centre + size / 2, rois[:, 1:3] + 16, (W - 1, H - 1)).round()
    labels = np.where(stream.uniform(size=R) < 0.1, stream.integers(1, classes, R), 0)
    inside = np.zeros((R, classes, 4), np.float32)
    rows = np.flatnonzero(labels)
    inside[rows, labels[rows]] = 1
    inside = inside.reshape(R, -1)
    return {
        "data": stream.standard_normal(shapes["data"], np.float32),
        "rois": rois,
        "labels": labels.astype(np.float32),
        "bbox_targets": inside * stream.standard_normal(inside.shape, np.float32),
        "bbox_inside_weights": inside,
        "bbox_outside_weights": inside,
    }
