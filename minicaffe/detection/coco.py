"""Data sets in COCO's JSON: `images`, `annotations` (bbox x, y, width, height, 0-based) and `categories`."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe.detection.dataset import BACKGROUND, Dataset, Photograph
from minicaffe.detection.image_size import image_size
from minicaffe.detection.validation import sound_objects
from minicaffe.errors import DataError, did_you_mean

_KEYS = {"images": ("id", "file_name"), "annotations": ("image_id", "category_id"), "categories": ("id", "name")}


def read_coco(
    json_path: str | os.PathLike[str],
    images: str | os.PathLike[str] | None = None,
    classes: Sequence[str] | None = None,
    name: str = "",
) -> Dataset:
    """Read the photographs a COCO JSON lists, whose files lie in the folder `images`; None: nobody will look at the
    files.

    Photographs are called by their id. Crowds, and objects with `ignore`, count as difficult. `classes` (names of
    categories) limits and orders the classes; left out, they are all categories by their id. What is wrong with the
    data is left out or mended, and named in `problems`. DataError for a file that holds something else.
    """
    path = Path(json_path)
    content = _content(path)
    categories = {int(category["id"]): str(category["name"]) for category in content["categories"]}
    chosen = _classes(path, categories, classes)
    number = {category: chosen.index(label) + 1 for category, label in categories.items() if label in chosen}
    problems: list[str] = []
    by_image: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for annotation in content["annotations"]:
        if annotation["category_id"] in number:
            by_image[annotation["image_id"]].append(annotation)
        elif annotation["category_id"] not in categories:
            problems.append(f"annotation {annotation.get('id')}: no category {annotation['category_id']}: left out")
    there = _names(Path(images)) if images is not None else None
    photographs = []
    for image in content["images"]:
        found = _photograph(image, by_image.pop(image["id"], []), number, images, there, problems)
        if found is not None:
            photographs.append(found)
    problems += [
        f"image {i}: has {len(some)} annotation(s), but is not listed: left out" for i, some in by_image.items()
    ]
    ids = tuple(next(category for category in sorted(number) if number[category] == i + 1) for i in range(len(chosen)))
    listed = [str(image["id"]) for image in content["images"]]
    return Dataset(name or path.stem, (BACKGROUND, *chosen), photographs, problems, listed, ids)


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path}: is no JSON: {error}") from error
    missing = [key for key in ("images", "categories") if not isinstance(content, dict) or key not in content]
    if missing:
        raise DataError(f"{path}: is no data set in COCO's layout: it has no {' and no '.join(map(repr, missing))}")
    content = {"annotations": [], **content}  # a test set has none
    for part, keys in _KEYS.items():
        for i, entry in enumerate(content[part]):
            lacking = [key for key in keys if not isinstance(entry, dict) or key not in entry]
            if lacking:
                raise DataError(f"{path}: {part}[{i}] has no {' and no '.join(map(repr, lacking))}")
    ids = Counter(image["id"] for image in content["images"])
    if not ids:
        raise DataError(f"{path}: lists no images")
    name, count = ids.most_common(1)[0]
    if count > 1:
        raise DataError(f"{path}: lists {count} images with the id {name!r}")
    return content


def _classes(path: Path, categories: dict[int, str], classes: Sequence[str] | None) -> tuple[str, ...]:
    names = [categories[i] for i in sorted(categories)]
    if classes is None:
        return tuple(dict.fromkeys(names))
    chosen = tuple(name for name in classes if name != BACKGROUND)
    for name in chosen:
        if name not in names:
            raise DataError(f"{path}: has no category {name!r}{did_you_mean(name, names)}; it has {', '.join(names)}")
    return chosen


def _names(folder: Path) -> set[str]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of images")
    return {path.name for path in folder.iterdir()}


def _photograph(
    image: dict[str, Any],
    annotations: list[dict[str, Any]],
    number: dict[int, int],
    images: str | os.PathLike[str] | None,
    there: set[str] | None,
    problems: list[str],
) -> Photograph | None:
    """Return a photograph, or None if it cannot be used; `problems` says why, and what else is wrong."""
    name, file_name = str(image["id"]), str(image["file_name"])
    path = Path(images or "", file_name)
    called = f"{name} ({file_name})"
    if there is not None and file_name not in there and not path.is_file():
        problems.append(f"{called}: there is no such image in {images}{did_you_mean(file_name, there)}: left out")
        return None
    try:
        size = (int(image.get("width") or 0), int(image.get("height") or 0))
        if min(size) < 1:
            size = image_size(path)
    except DataError as error:
        problems.append(f"{called}: {error}: left out")
        return None
    whole = [one for one in annotations if _is_box(one.get("bbox"))]
    if len(whole) < len(annotations):
        problems.append(
            f"{called}: {len(annotations) - len(whole)} annotation(s) without a bbox of four numbers: left out"
        )
    boxes = np.array([one["bbox"] for one in whole], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2] - 1
    calls = [f"annotation {one.get('id')}" for one in whole]
    boxes, sound = sound_objects(called, size, boxes, calls, problems)
    return Photograph(
        name,
        path,
        size,
        boxes[sound],
        np.array([number[whole[i]["category_id"]] for i in sound], np.int64),
        np.array([bool(whole[i].get("iscrowd") or whole[i].get("ignore")) for i in sound], bool),
    )


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(isinstance(x, (int, float)) for x in value)
