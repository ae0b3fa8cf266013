"""What is measured: the rows of the table, with what the issue asks for and what BVLC Caffe took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import nets

THREADS = 2


@dataclass(frozen=True)
class Row:
    """One piece of work. `kind`: "forward" in phase TEST; "backward": forward and backward in TRAIN; "step": with
    update, by a solver.

    `target` is how many times as fast as PyTorch it is meant to be. `caffe_ms` and `caffe_mb` are what BVLC Caffe
    (OpenBLAS, 2 threads) took on a machine of the same kind, on another day: a hint, not a measurement of this run.
    """

    key: str
    title: str
    kind: str
    definition: Callable[[], Any]
    target: float = 1.0
    classes: int = 1000
    caffe_ms: float | None = None
    caffe_mb: float | None = None


def classifier(
    key: str,
    title: str,
    build: Callable[[Any], Any],
    shape: tuple[int, ...],
    classes: int,
    caffe: tuple[float | None, float | None, float | None] = (None, None, None),
) -> list[Row]:
    """Return both rows of a classifier; `caffe`: its milliseconds forward and backward, and its memory."""
    forward, backward, memory = caffe
    both = forward + backward if forward and backward else None
    kinds = (("forward", "forward", False, forward), ("backward", "forward + backward", True, both))
    return [
        Row(
            f"{key}-{kind}", f"{title}, batch {shape[0]}: {what}", kind,
            partial(nets.classifier, build, shape, train), 1.0, classes, milliseconds, memory,
        )
        for kind, what, train, milliseconds in kinds
    ]  # fmt: skip


ROWS = [
    Row("vgg16-trunk", "VGG16 trunk, 600 x 800: forward", "forward", nets.vgg16_trunk, 2.0),
    Row("vgg16-ohem", "VGG16 OHEM, 600 x 800, 2,000 regions, 64 hard: step", "step", nets.vgg16_ohem, 1.5, 21),
    Row(
        "vgg16-ohem-small", "VGG16 OHEM, 300 x 400, 500 regions, 64 hard: step", "step",
        partial(nets.vgg16_ohem, 300, 400, 500), 1.5, 21, 9200,
    ),
    *classifier("alexnet", "AlexNet", nets.alexnet, (10, 3, 227, 227), 1000, (488, 844, 646)),
    *classifier("googlenet", "GoogLeNet", nets.googlenet, (10, 3, 224, 224), 1000, (1224, 968, 546)),
    *classifier("resnet50", "ResNet-50", nets.resnet50, (1, 3, 224, 224), 1000, (256, 487, 595)),
    *classifier("squeezenet", "SqueezeNet 1.0", nets.squeezenet, (10, 3, 227, 227), 1000),
    *classifier("squeezenet1", "SqueezeNet 1.0", nets.squeezenet, (1, 3, 227, 227), 1000, (57, 51, 130)),
    *classifier("lenet", "LeNet", nets.lenet, (64, 1, 28, 28), 10, (12.2, 11.4, 68)),
]  # fmt: skip
BY_KEY = {row.key: row for row in ROWS}
