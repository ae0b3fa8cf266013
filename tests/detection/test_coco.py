"""Data sets in COCO's JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minicaffe.detection.coco import read_coco
from minicaffe.detection.voc import VOC_CLASSES
from minicaffe.errors import DataError
from tests.detection.scenes import write_image


def content() -> dict[str, Any]:
    return {
        "images": [{"id": 7, "file_name": "a.png", "width": 60, "height": 40}, {"id": 9, "file_name": "b.png"}],
        "categories": [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 18, "bbox": [3, 4, 10, 20], "iscrowd": 0},
            {"id": 2, "image_id": 7, "category_id": 3, "bbox": [0.5, 0, 59.5, 40], "iscrowd": 1},
            {"id": 3, "image_id": 9, "category_id": 3, "bbox": [1, 2, 3, 4], "ignore": 1},
        ],
    }


@pytest.fixture
def write(tmp_path: Path):
    def write(changed: Any) -> Path:
        for name in ("a", "b"):
            write_image(tmp_path / "images" / f"{name}.png", 60, 40)
        path = tmp_path / "instances.json"
        path.write_text(changed if isinstance(changed, str) else json.dumps(changed))
        return path

    return write


def test_what_is_read(write, tmp_path: Path) -> None:
    found = read_coco(write(content()), tmp_path / "images")
    assert found.classes == ("__background__", "car", "dog")
    assert found.category_ids == (3, 18)
    a, b = found
    assert (a.name, b.name, found.listed) == ("7", "9", ["7", "9"])
    assert a.boxes.tolist() == [[3, 4, 12, 23], [0.5, 0, 59, 39]]
    assert (a.classes.tolist(), a.difficult.tolist()) == ([2, 1], [False, True])
    assert (b.size, b.difficult.tolist()) == ((60, 40), [True])
    assert (found.problems, found.name) == ([], "instances")


def test_chosen_classes(write) -> None:
    changed = content()
    changed["images"][1].update(width=60, height=40)
    found = read_coco(write(changed), None, ["dog"])
    assert (found.classes, found.category_ids) == (("__background__", "dog"), (18,))
    assert [p.classes.tolist() for p in found] == [[1], []]
    with pytest.raises(DataError, match=r"no category 'dogs' \(did you mean 'dog'\?\); it has car, dog"):
        read_coco(write(changed), None, ["dogs"])


def test_two_categories_of_one_name(write, tmp_path: Path) -> None:
    changed = content()
    changed["categories"].append({"id": 90, "name": "car"})
    changed["annotations"][0]["category_id"] = 90
    found = read_coco(write(changed), tmp_path / "images")
    assert (found.classes[1:], found.category_ids) == (("car", "dog"), (3, 18))
    assert found.photographs[0].classes.tolist() == [1, 1]


def test_a_set_without_annotations(write, tmp_path: Path) -> None:
    changed = content()
    del changed["annotations"]
    assert [len(p.boxes) for p in read_coco(write(changed), tmp_path / "images")] == [0, 0]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ({"bbox": [5, 5, 1, 9]}, "7 (a.png): annotation 4, box (5, 5, 5, 13), is at most a pixel wide"),
        ({"bbox": [5, 5, -3, 9]}, "annotation 4, box (5, 5, 1, 13), is at most a pixel wide"),
        ({"bbox": [70, 5, 9, 9]}, "annotation 4, box (70, 5, 78, 13), lies outside of the image (60 x 40): left out"),
        ({"bbox": [50, 5, 20, 9]}, "reaches out of the image (60 x 40): cut to (50, 5, 59, 13)"),
        ({"bbox": [50, 5, 20]}, "7 (a.png): 1 annotation(s) without a bbox of four numbers: left out"),
        ({"segmentation": []}, "7 (a.png): 1 annotation(s) without a bbox of four numbers: left out"),
        ({"bbox": [1, 1, 9, 9], "category_id": 4}, "annotation 4: no category 4: left out"),
        ({"bbox": [1, 1, 9, 9], "image_id": 8}, "image 8: has 1 annotation(s), but is not listed: left out"),
    ],
)
def test_problems(write, tmp_path: Path, annotation: dict, expected: str) -> None:
    changed = content()
    changed["annotations"].append({"id": 4, "image_id": 7, "category_id": 18} | annotation)
    found = read_coco(write(changed), tmp_path / "images")
    assert len(found.problems) == 1
    assert expected in found.problems[0]
    assert len(found.photographs[0].boxes) == (3 if "cut" in expected else 2)


def test_a_missing_image(write, tmp_path: Path) -> None:
    path = write(content())
    (tmp_path / "images" / "b.png").unlink()
    found = read_coco(path, tmp_path / "images")
    assert found.problems == [
        f"9 (b.png): there is no such image in {tmp_path / 'images'} (did you mean 'a.png'?): left out"
    ]
    assert (len(found), found.listed) == (1, ["7", "9"])
    (tmp_path / "images" / "b.png").write_bytes(b"no image")
    assert "9 (b.png): image" in read_coco(path, tmp_path / "images").problems[0]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("{", "is no JSON"),
        ([1], "no 'images' and no 'categories'"),
        ({"images": []}, "it has no 'categories'"),
        (content() | {"images": []}, "lists no images"),
        (content() | {"images": [{"id": 1}]}, r"images\[0\] has no 'file_name'"),
        (content() | {"annotations": [{"id": 1}]}, r"annotations\[0\] has no 'image_id' and no 'category_id'"),
        (content() | {"images": [{"id": 5, "file_name": "a.png"}] * 2}, "2 images with the id 5"),
    ],
)
def test_other_files(write, changed: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_coco(write(changed))


def test_missing_places(write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_coco(tmp_path / "no.json")
    with pytest.raises(DataError, match="no such folder of images"):
        read_coco(write(content()), tmp_path / "pictures")


def test_the_truth_of_voc2007(shared: Path) -> None:
    path = shared / "datasets" / "voc2007_gt" / "pascal_test2007.json"
    if not path.is_file():
        pytest.skip("no ../shared/datasets/voc2007_gt: the truth of VOC2007 is not here")
    found = read_coco(path)
    assert found.classes[1:] == VOC_CLASSES
    assert (len(found), found.problems) == (4952, [])
    first = found.photographs[0]
    assert (first.boxes[0].tolist(), first.classes.tolist()) == ([47, 239, 194, 370], [12, 15])
    assert np.concatenate([p.boxes for p in found]).shape == (14976, 4)
