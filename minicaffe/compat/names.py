"""Which module of ours answers to which legacy module name.

Two families. `CAFFE`: pycaffe's own modules; once installed they go before any Caffe on the path. `PUBLISHED`:
modules of the published detection code that prototxts name as Python layers and users' own layers import; a user's
module of the same name goes first, ours is found only where theirs is not.

A name whose children are listed is a package; one that is not listed itself is an empty one.
"""

from __future__ import annotations

CAFFE: dict[str, str] = {
    "caffe": "minicaffe.compat.caffe",
    "caffe._caffe": "minicaffe.compat.caffe",
    "caffe.classifier": "minicaffe.classifier",
    "caffe.coord_map": "minicaffe.coord_map",
    "caffe.detector": "minicaffe.detector",
    "caffe.io": "minicaffe.io",
    "caffe.net_spec": "minicaffe.net_spec",
    "caffe.proto.caffe_pb2": "minicaffe.proto.caffe_pb2",
    "caffe.pycaffe": "minicaffe.compat.caffe",
}

PUBLISHED: dict[str, str] = {
    "fast_rcnn.bbox_transform": "minicaffe.detection.legacy_boxes",
    "fast_rcnn.config": "minicaffe.detection.config",
    "fast_rcnn.nms_wrapper": "minicaffe.detection.legacy_boxes",
    "roi_data_layer.layer": "minicaffe.detection.legacy_layers",
    "utils.cython_bbox": "minicaffe.detection.legacy_boxes",
}

MODULES: dict[str, str] = CAFFE | PUBLISHED


def is_package(name: str) -> bool:
    """Whether some listed module lies in `name`."""
    return any(module.startswith(f"{name}.") for module in MODULES)


def is_known(name: str) -> bool:
    """Whether `name` is listed, or is a package something listed lies in."""
    return name in MODULES or is_package(name)


def is_caffe(name: str) -> bool:
    """Whether `name` is `caffe` or lies in it."""
    return name.partition(".")[0] == "caffe"
