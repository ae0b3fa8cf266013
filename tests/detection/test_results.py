from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from minicaffe.detection.dataset import Dataset, Photograph
from minicaffe.detection.results import Detections, no_detections, read_voc, voc_path, write_coco, write_voc
from minicaffe.errors import DataError


@pytest.fixture
def dataset() -> Dataset:
    shown = [Photograph(name, Path(name), (100, 80)) for name in ("000012", "street")]
    return Dataset("made", ("__background__", "car", "dog"), shown, category_ids=(3, 18))


@pytest.fixture
def detections(dataset: Dataset) -> Detections:
    found = no_detections(dataset)
    found[1][0] = np.array([[0, 0, 9.25, 19, 0.98765], [5, 6, 7, 8, 0.25]], np.float32)
    found[2][1] = np.array([[10, 20, 30, 40, 0.5]], np.float32)
    return found


def test_no_detections_has_a_place_for_each_class_and_photograph(dataset: Dataset) -> None:
    nothing = no_detections(dataset)
    assert [[of_image.shape for of_image in of_class] for of_class in nothing] == [[(0, 5)] * 2] * 3


def test_voc_lines(tmp_path: Path, dataset: Dataset, detections: Detections) -> None:
    car, dog = write_voc(tmp_path / "new", dataset, detections, "test")
    assert (car.name, dog.name) == ("comp4_det_test_car.txt", "comp4_det_test_dog.txt")
    assert car.read_text().splitlines() == ["000012 0.988 1.0 1.0 10.2 20.0", "000012 0.250 6.0 7.0 8.0 9.0"]
    assert dog.read_text() == "street 0.500 11.0 21.0 31.0 41.0\n"


def test_voc_files_come_back_as_they_were_written(tmp_path: Path, dataset: Dataset, detections: Detections) -> None:
    write_voc(tmp_path, dataset, detections, "test", digits=6)
    back = read_voc(tmp_path, dataset, "test")
    for written, read in zip(detections, back, strict=True):
        for ours, theirs in zip(written, read, strict=True):
            assert theirs.dtype == np.float32
            assert theirs == pytest.approx(ours, abs=0.06)
            assert theirs[:, 4] == pytest.approx(ours[:, 4], abs=1e-6)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("000013 0.5 1 2 3 4", r"_dog.txt:1: image '000013' is not in made \(did you mean '000012'\?\)"),
        ("street 0.5 1 2 3", "_dog.txt:1: expected 'ID SCORE X1 Y1 X2 Y2', found 'street 0.5 1 2 3'"),
        ("street high 1 2 3 4", "_dog.txt:1: expected 'ID SCORE X1 Y1 X2 Y2'"),
    ],
)
def test_a_line_that_cannot_be_is_named(tmp_path: Path, dataset: Dataset, line: str, message: str) -> None:
    write_voc(tmp_path, dataset, no_detections(dataset), "test")
    voc_path(tmp_path, "test", "dog").write_text(line + "\n")
    with pytest.raises(DataError, match=message):
        read_voc(tmp_path, dataset, "test")


def test_a_class_without_a_file_is_named(tmp_path: Path, dataset: Dataset) -> None:
    write_voc(tmp_path, dataset, no_detections(dataset), "test")
    voc_path(tmp_path, "test", "car").unlink()
    with pytest.raises(DataError, match="the detections of class 'car' are missing"):
        read_voc(tmp_path, dataset, "test")


def test_coco_counts_pixels_and_calls_things_by_their_numbers(
    tmp_path: Path, dataset: Dataset, detections: Detections
) -> None:
    rows = json.loads(write_coco(tmp_path / "found.json", dataset, detections).read_text())
    assert rows == [
        {"image_id": 12, "category_id": 3, "bbox": [0, 0, 10.25, 20], "score": 0.98765},
        {"image_id": 12, "category_id": 3, "bbox": [5, 6, 3, 3], "score": 0.25},
        {"image_id": "street", "category_id": 18, "bbox": [10, 20, 21, 21], "score": 0.5},
    ]
    dataset.category_ids = ()
    rows = json.loads(write_coco(tmp_path / "found.json", dataset, detections).read_text())
    assert [row["category_id"] for row in rows] == [1, 1, 2]
