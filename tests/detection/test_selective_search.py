"""Selective Search through OpenCV; where its contributed modules are not, a stand-in that answers what it is told."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest

from minicaffe.detection import selective_search
from minicaffe.detection.boxes import iou
from minicaffe.errors import MissingDependencyError


class StandIn:
    """What `createSelectiveSearchSegmentation` makes; `rectangles` are x, y, width, height."""

    def __init__(self, rectangles: list):
        self.rectangles = rectangles
        self.strategies = ""

    def createSelectiveSearchSegmentation(self) -> StandIn:
        return self

    def setBaseImage(self, image: np.ndarray) -> None:
        self.image = image

    def switchToSelectiveSearchFast(self) -> None:
        self.strategies = "fast"

    def switchToSelectiveSearchQuality(self) -> None:
        self.strategies = "quality"

    def process(self) -> np.ndarray:
        return np.array(self.rectangles, np.int32)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """OpenCV with a search that finds the two halves of a picture 500 wide and 250 high, one of them twice."""
    search = StandIn([[250, 0, 250, 250], [0, 0, 250, 250], [250, 0, 250, 250]])
    monkeypatch.setattr(selective_search, "_segmentation", lambda: search)
    return search


def test_boxes_in_pixels_of_the_image(stand_in: StandIn) -> None:
    assert selective_search.available()
    image = np.zeros((100, 200, 3), np.uint8)
    boxes = selective_search.selective_search(image)
    assert stand_in.image.shape == (250, 500, 3)
    assert (boxes.dtype, boxes.tolist()) == (np.float32, [[0, 0, 99, 99], [100, 0, 199, 99]])
    assert stand_in.strategies == "fast"
    selective_search.selective_search(image, thorough=True)
    assert stand_in.strategies == "quality"


def test_without_the_contributed_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    for cv2 in (None, ModuleType("cv2")):
        monkeypatch.setitem(sys.modules, "cv2", cv2)
        assert not selective_search.available()
        with pytest.raises(MissingDependencyError, match=r"opencv-contrib-python-headless.*minicaffe\[ss\]"):
            selective_search.selective_search(np.zeros((10, 10, 3), np.uint8))


@pytest.mark.skipif(not selective_search.available(), reason="OpenCV is not here with its contributed modules")
def test_the_real_one() -> None:
    image = np.full((120, 160, 3), 200, np.uint8)
    image[30:90, 40:100] = (20, 60, 160)
    boxes = selective_search.selective_search(image)
    assert iou(boxes, np.array([[40, 30, 99, 89]])).max() > 0.8
    assert (boxes[:, 2:] < [160, 120]).all()
