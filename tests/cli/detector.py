"""A detector and its data on disk, for the verbs that run one."""

from __future__ import annotations

import json
from pathlib import Path

from minicaffe.data import images
from tests.detection.detector import BLUE, GREEN, TEXT, make_net, picture

CONFIG = """
PIXEL_MEANS: [[[0.0, 0.0, 0.0]]]
DEDUP_BOXES: 0.0
TEST:
  SCALES: [40]
  PROPOSAL_METHOD: grid
GRID:
  SMALLEST: 10.0
  SIZES_PER_OCTAVE: 2.0
  ASPECTS: [1.0]
  STEP: 0.1
"""


def write_detector(folder: Path) -> None:
    """Write net.prototxt, its weights net.caffemodel, and config.yml."""
    (folder / "net.prototxt").write_text(TEXT)
    (folder / "config.yml").write_text(CONFIG)
    make_net().save(folder / "net.caffemodel")


def write_data(folder: Path) -> None:
    """Write a COCO data set, data.json and images/, of two photographs with a blue and a green object each."""
    (folder / "images").mkdir()
    shown, objects = [], []
    for i in (1, 2):
        (folder / "images" / f"{i}.png").write_bytes(images.encode(picture(), "png"))
        shown.append({"id": i, "file_name": f"{i}.png", "width": 60, "height": 40})
        for category, (x1, y1, x2, y2) in ((1, BLUE), (2, GREEN)):
            box = [x1, y1, x2 - x1 + 1, y2 - y1 + 1]
            objects.append({"id": len(objects), "image_id": i, "category_id": category, "bbox": box})
    categories = [{"id": 1, "name": "blue"}, {"id": 2, "name": "green"}]
    content = {"images": shown, "annotations": objects, "categories": categories}
    (folder / "data.json").write_text(json.dumps(content))
