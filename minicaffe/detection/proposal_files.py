"""Files of proposals, and which of their boxes belong to which photograph.

A `.mat` holds, as Selective Search wrote them, a cell `boxes` with one array an image, rows (y1, x1, y2, x2), 1-based;
and, if it has a cell `images`, their names. A `.npz` holds one array under each image's name, rows (x1, y1, x2, y2),
0-based.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe.detection.dataset import Dataset, Photograph
from minicaffe.errors import DataError

_WRONG_SET = 0.1  # part of the images with boxes outside from which on a file without names belongs to another set


@dataclass
class _Table:
    """The boxes of a file, 0-based x1 y1 x2 y2, and the images' names where it tells them."""

    path: Path
    boxes: list[np.ndarray]
    names: list[str] | None


def boxes_from_files(paths: Sequence[Path], dataset: Dataset) -> list[np.ndarray]:
    """Return the boxes [P, 4] float32, 0-based, that the files hold for each photograph; none for one they do not know.

    DataError for files that cannot be read or belong to another set of images.
    """
    tables = [_read(path) for path in paths]
    where = " + ".join(map(str, paths))
    if any(table.names is None for table in tables):
        return _in_order(tables, dataset, where)
    known = {name: boxes for table in tables for name, boxes in zip(table.names or [], table.boxes, strict=True)}
    found = [next((known[name] for name in _names(photograph) if name in known), None) for photograph in dataset]
    if len(dataset) and all(boxes is None for boxes in found):
        raise DataError(
            f"{where}: a proposals file of another set: it has boxes for {len(known)} images, such as "
            f"{next(iter(known), None)!r}, and for none of {dataset.name}, such as {dataset.photographs[0].name!r}"
        )
    return [np.zeros((0, 4), np.float32) if boxes is None else boxes for boxes in found]


def _names(photograph: Photograph) -> tuple[str, str, str]:
    """Return what a file of proposals may call the photograph."""
    return photograph.name, photograph.path.stem, photograph.path.name


def _in_order(tables: Sequence[_Table], dataset: Dataset, where: str) -> list[np.ndarray]:
    """Match boxes without names with the names that the image set lists, by their order."""
    boxes = [one for table in tables for one in table.boxes]
    if len(boxes) != len(dataset.listed):
        raise DataError(
            f"{where}: a proposals file of another set: it has the boxes of {len(boxes)} images, without their names, "
            f"and {dataset.name} lists {len(dataset.listed)}"
        )
    known = dict(zip(dataset.listed, boxes, strict=True))
    found = [known[photograph.name] for photograph in dataset]
    outside = [
        photograph.name for photograph, b in zip(dataset, found, strict=True) if (b[:, 2:] > photograph.size).any()
    ]
    if len(outside) > _WRONG_SET * len(dataset):
        raise DataError(
            f"{where}: a proposals file of another set: it has no names, and in {len(outside)} of {len(dataset)} "
            f"images, such as {outside[0]}, boxes reach out of the image"
        )
    return found


def _read(path: Path) -> _Table:
    readers: dict[str, Callable[[Path], _Table]] = {".mat": _read_mat, ".npz": _read_npz}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: proposals are read from .mat and .npz files")
    return reader(path)


def _read_mat(path: Path) -> _Table:
    content = _mat(path)
    cells = content["boxes"]
    if cells.dtype != object:
        raise DataError(
            f"{path}: its 'boxes' is one array {cells.shape}, not a cell with an array for every image: the boxes of "
            "one image alone serve to detect, not to train"
        )
    boxes = [_corners(path, i, cell)[:, (1, 0, 3, 2)] - 1 for i, cell in enumerate(cells.ravel())]
    names = [str(name[0]) for name in content["images"].ravel()] if "images" in content else None
    if names is not None and len(names) != len(boxes):
        raise DataError(f"{path}: names {len(names)} images, but has the boxes of {len(boxes)}")
    return _Table(path, boxes, names)


def _read_npz(path: Path) -> _Table:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return _Table(path, [_corners(path, name, file[name]) for name in file.files], list(file.files))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _mat(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        content = loadmat(path)
    except NotImplementedError as error:
        raise DataError(f"{path}: was saved by MATLAB as version 7.3: save it with '-v7'") from error
    except Exception as error:  # scipy raises whatever a broken file makes it stumble over
        raise DataError(f"{path}: cannot be read as a MATLAB file: {error}") from error
    if "boxes" not in content:
        variables = ", ".join(name for name in content if not name.startswith("_")) or "nothing"
        raise DataError(f"{path}: has no variable 'boxes', but {variables}")
    return content


def _corners(path: Path, which: int | str, boxes: Any) -> np.ndarray:
    boxes = np.asarray(boxes)
    if boxes.size == 0:
        return np.zeros((0, 4), np.float32)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.dtype.kind not in "iuf":
        raise DataError(
            f"{path}: the boxes of image {which!r} have shape {boxes.shape} and type {boxes.dtype}, not [P, 4]"
        )
    return boxes.astype(np.float32)


def read_boxes(path: str | os.PathLike[str]) -> np.ndarray:
    """Return the boxes [P, 4] float32 of a `.mat` of one image, as Fast R-CNN's demo has them: x1 y1 x2 y2, 0-based."""
    path = Path(path)
    return _corners(path, 0, _mat(path)["boxes"])
