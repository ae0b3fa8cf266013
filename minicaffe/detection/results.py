"""Detections, and the files they are exchanged in: VOC's text files, one a class, and COCO's one JSON list.

Detections of a data set are `detections[class][photograph]`, [N, 5] float32: x1, y1, x2, y2 (0-based, inclusive) and
score. Class 0, background, is a row of empty arrays, so that class numbers index directly.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from minicaffe.detection.dataset import Dataset
from minicaffe.errors import DataError, did_you_mean
from minicaffe.files import written_aside

Detections: TypeAlias = list[list[np.ndarray]]


def no_detections(dataset: Dataset) -> Detections:
    """Return what a detector that finds nothing would: an empty [0, 5] for every class and photograph."""
    return [[np.zeros((0, 5), np.float32) for _ in dataset.photographs] for _ in dataset.classes]


# -- VOC --------------------------------------------------------------------------------------------------------------


def voc_path(folder: str | Path, image_set: str, name: str) -> Path:
    """Return where the detections of class `name` on `image_set` stand: `comp4_det_<set>_<class>.txt` in `folder`."""
    return Path(folder) / f"comp4_det_{image_set}_{name}.txt"


def write_voc(
    folder: str | Path, dataset: Dataset, detections: Detections, image_set: str, digits: int = 3
) -> list[Path]:
    """Write a file for every class in the format of the VOC development kit; return their paths.

    A line is `ID SCORE X1 Y1 X2 Y2`, coordinates 1-based with one decimal. The published code gives scores three
    decimals (`digits`), which makes equal what was not; more digits keep the order of detections.
    """
    written = []
    for name, of_class in list(zip(dataset.classes, detections, strict=True))[1:]:
        path = voc_path(folder, image_set, name)
        with written_aside(path) as aside, open(aside, "w", encoding="utf-8") as file:
            for photograph, found in zip(dataset.photographs, of_class, strict=True):
                for *box, score in found.tolist():
                    place = " ".join(f"{x + 1:.1f}" for x in box)
                    file.write(f"{photograph.name} {score:.{digits}f} {place}\n")
        written.append(path)
    return written


def read_voc(folder: str | Path, dataset: Dataset, image_set: str) -> Detections:
    """Read the detections of `dataset` that `write_voc`, or any tool of VOC's format, wrote.

    DataError for a file that is missing, a line that does not parse and an image that is not in the data set.
    """
    detections = no_detections(dataset)
    index = {photograph.name: i for i, photograph in enumerate(dataset.photographs)}
    for j, name in enumerate(dataset.classes[1:], 1):
        path = voc_path(folder, image_set, name)
        if not path.is_file():
            raise DataError(f"{path}: no such file: the detections of class {name!r} are missing")
        rows: list[list[list[float]]] = [[] for _ in index]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            image, row = _voc_line(f"{path}:{number}", line)
            if image not in index:
                near = did_you_mean(image, index)
                raise DataError(f"{path}:{number}: image {image!r} is not in {dataset.name}{near}")
            rows[index[image]].append(row)
        detections[j] = [np.array(of_image, np.float32).reshape(-1, 5) for of_image in rows]
    return detections


def _voc_line(place: str, line: str) -> tuple[str, list[float]]:
    try:
        image, score, *box = line.split()
        x1, y1, x2, y2 = (float(x) - 1 for x in box)
        return image, [x1, y1, x2, y2, float(score)]
    except ValueError:
        raise DataError(f"{place}: expected 'ID SCORE X1 Y1 X2 Y2', found {line!r}") from None


# -- COCO -------------------------------------------------------------------------------------------------------------


def write_coco(path: str | Path, dataset: Dataset, detections: Detections) -> Path:
    """Write all detections as COCO's results: a JSON list of image_id, category_id, bbox [x, y, width, height], score.

    An image's id is its name, as a number where the name is one; a category is what the data set calls it, or else our
    class number.
    """
    rows: list[dict[str, Any]] = []
    for j, of_class in list(enumerate(detections))[1:]:
        category = dataset.category_ids[j - 1] if dataset.category_ids else j
        for photograph, found in zip(dataset.photographs, of_class, strict=True):
            image = image_id(photograph.name)
            for x1, y1, x2, y2, score in found.tolist():
                box = [round(x, 2) for x in (x1, y1, x2 - x1 + 1, y2 - y1 + 1)]
                rows.append({"image_id": image, "category_id": category, "bbox": box, "score": round(score, 6)})
    with written_aside(path) as aside:
        aside.write_text(json.dumps(rows), encoding="utf-8")
    return Path(path)


def image_id(name: str) -> int | str:
    """Return the number that a photograph's name is (COCO's images are called by their ids), else the name itself."""
    return int(name) if name.isdecimal() else name
