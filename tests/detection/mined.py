"""Mining as published, recorded: nets with their inputs and settings; and the same rule as plain loops."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

import numpy as np

import minicaffe
from minicaffe.detection.config import cfg
from minicaffe.proto import prototxt, schema
from tests.conftest import GOLDEN

INPUTS = ("rois", "labels", "bbox_targets", "bbox_inside_weights", "bbox_outside_weights")


def recorded(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "ohem" / f"{name}.npz") as arrays:
        return dict(arrays)


def settings(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """The configuration that a recording was made with."""
    pairs = re.findall(r"(\w+): (\S+)", str(arrays["cfg"]))
    read = {"BATCH_SIZE": int, "OHEM_USE_NMS": "True".__eq__, "OHEM_NMS_THRESH": float}
    assert {key for key, _ in pairs} == set(read)
    return {"TRAIN": {key: read[key](value) for key, value in pairs}}


def net_of(arrays: dict[str, np.ndarray], text: str | None = None, **more: Any) -> minicaffe.Net:
    """The recorded net, or the one of `text`, with the recorded settings, inputs and parameters."""
    definition = prototxt.parse(text or str(arrays["prototxt"]), schema.NetParameter, file="net.prototxt")
    with cfg.overridden(settings(arrays)):
        net = minicaffe.Net(definition, phase=minicaffe.TRAIN, **more)
    feed(net, arrays)
    return net


def feed(net: minicaffe.Net, arrays: dict[str, np.ndarray]) -> None:
    for key, values in arrays.items():
        kind, _, name = key.partition("/")
        if kind == "in" and name in net.blobs:
            net.blobs[name].reshape(*values.shape)
            net.blobs[name].data[...] = values
        if kind == "param" and name.rpartition("/")[0] in net.params:
            layer, index = name.split("/")
            net.params[layer][int(index)].data[...] = values


# -- the rule, one region after another -------------------------------------------------------------------------------


def loss_of(prob: Any, pred: Any, label: float, target: Any, inside: Any, outside: Any) -> float:
    loss = -math.log(max(float(prob[int(label)]), 2.0**-52))
    if label > 0:
        for p, t, w_in, w_out in zip(pred, target, inside, outside, strict=True):
            if w_in != 0:
                d = abs(float(w_in) * (float(p) - float(t)))
                loss += float(w_out) * (0.5 * d * d if d < 1 else d - 0.5)
    return loss


def overlap(a: Any, b: Any) -> Fraction:
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = ([Fraction(float(edge)) for edge in box] for box in (a, b))
    w = min(ax2, bx2) - max(ax1, bx1) + 1
    h = min(ay2, by2) - max(ay1, by1) + 1
    both = max(w, Fraction()) * max(h, Fraction())
    return both / ((ax2 - ax1 + 1) * (ay2 - ay1 + 1) + (bx2 - bx1 + 1) * (by2 - by1 + 1) - both)


def hardest(losses: Any, rois: Any, labels: Any, count: int, threshold: Fraction | None) -> list[int]:
    """Walk from the highest loss down; pass over regions too much like one of their image and label already taken."""
    kept: list[int] = []
    for i in sorted(range(len(losses)), key=lambda i: (-losses[i], i)):
        rivals = [j for j in kept if rois[j][0] == rois[i][0] and labels[j] == labels[i]]
        if threshold is None or all(overlap(rois[i][1:], rois[j][1:]) <= threshold for j in rivals):
            kept.append(i)
    return kept[:count]
