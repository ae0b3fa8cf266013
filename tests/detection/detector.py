"""A detector one can compute by hand: what it says of a region is linear in its brightest pixels."""

from __future__ import annotations

import numpy as np

import minicaffe
from minicaffe.detection.config import Config, default_config
from minicaffe.proto import prototxt, schema

TEXT = """
name: "by hand"
layer {
  name: "data" type: "Input" top: "data" top: "rois"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } shape { dim: 1 dim: 5 } }
}
layer {
  name: "brightest" type: "ROIPooling" bottom: "data" bottom: "rois" top: "brightest"
  roi_pooling_param { pooled_h: 1 pooled_w: 1 spatial_scale: 1 }
}
layer {
  name: "cls_score" type: "InnerProduct" bottom: "brightest" top: "cls_score"
  inner_product_param { num_output: 3 }
}
layer {
  name: "bbox_pred" type: "InnerProduct" bottom: "brightest" top: "bbox_pred"
  inner_product_param { num_output: 12 }
}
layer { name: "cls_prob" type: "Softmax" bottom: "cls_score" top: "cls_prob" }
"""


def make_net(text: str = TEXT, deltas: tuple[float, ...] = (0,) * 12) -> minicaffe.Net:
    """The net: blue speaks for class 1, green for class 2; regions move by `deltas`, wherever they are."""
    net = minicaffe.Net(prototxt.parse(text, schema.NetParameter, file="by_hand.prototxt"), minicaffe.TEST)
    net.params["cls_score"][0].data[...] = [[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]]
    if "bbox_pred" in net.params:
        net.params["bbox_pred"][1].data[...] = deltas
    return net


def make_config(**test: object) -> Config:
    """A configuration in which images of 40 pixels stay as they are, and every region is computed."""
    config = default_config()
    config.PIXEL_MEANS = np.zeros((1, 1, 3))
    config.DEDUP_BOXES = 0.0
    config.TEST.SCALES = (40,)
    for key, value in test.items():
        config.TEST[key] = value
    return config


def picture() -> np.ndarray:
    """An image of 40 x 60 pixels: a blue square at x 10 to 19, y 10 to 19, a green one at x 40 to 49, y 20 to 29."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[10:20, 10:20, 0] = 60
    image[20:30, 40:50, 1] = 40
    return image


BLUE, GREEN, EMPTY = (10, 10, 19, 19), (40, 20, 49, 29), (25, 0, 34, 9)


def boxes(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)
