"""Data sets in the layout of PASCAL VOC: JPEGImages/ID.jpg, Annotations/ID.xml, ImageSets/Main/SET.txt.

Coordinates in the files are 1-based. Class names are lowered and stripped, as the published code does.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from minicaffe.detection.dataset import BACKGROUND, Dataset, Photograph
from minicaffe.detection.image_size import image_size
from minicaffe.detection.validation import sound_objects
from minicaffe.errors import DataError, did_you_mean

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

_EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".gif")  # the first of a name wins


@dataclass
class _Object:
    number: int
    label: str
    difficult: bool
    box: tuple[float, float, float, float]


@dataclass
class _Annotation:
    """What an XML file says; size None when it says none that can be used. broken: why it cannot be read at all."""

    size: tuple[int, int] | None = None
    objects: list[_Object] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    broken: str = ""


def read_voc(
    root: str | os.PathLike[str], image_set: str | None = None, classes: Sequence[str] | None = None, name: str = ""
) -> Dataset:
    """Read the photographs of an image set; of every annotated image, with `image_set` None.

    `classes` (without background) gives the classes and their order; left out, they are VOC's own twenty if no other
    occurs in any annotation of the folder, else all that occur, sorted. Without a folder Annotations the photographs
    have no objects. What is wrong with the data is left out or mended, and named in `problems`. DataError if there is
    no such set.
    """
    root = Path(root)
    annotations, pictures = root / "Annotations", _pictures(root)
    problems: list[str] = []
    listed = _listed(root, image_set, pictures, problems)
    parsed: dict[str, _Annotation] = {}
    if annotations.is_dir():
        others = _stems(annotations, ".xml") if classes is None else []
        parsed = {stem: _parse(annotations / f"{stem}.xml") for stem in {*listed, *others}}
    chosen = _classes(parsed.values(), classes)
    strangers: Counter[str] = Counter()
    photographs = [
        photograph
        for stem in listed
        if (photograph := _photograph(stem, pictures, parsed.get(stem, _Annotation()), chosen, strangers, problems))
    ]
    problems += [
        f"{count} object(s) of class {label!r}, which is none of {', '.join(chosen)}: left out"
        for label, count in strangers.items()
    ]
    name = name or "_".join([root.resolve().name, *([Path(image_set).stem] if image_set else [])])
    return Dataset(name, (BACKGROUND, *chosen), photographs, problems, listed)


# -- what there is ----------------------------------------------------------------------------------------------------


def _pictures(root: Path) -> dict[str, Path]:
    """Return the images of the data set by their names without extension."""
    folder = root / "JPEGImages"
    if not folder.is_dir():
        inside = [path for path in (root.iterdir() if root.is_dir() else []) if (path / "JPEGImages").is_dir()]
        hint = f"; {inside[0]} has one" if inside else ""
        raise DataError(f"{root}: no data set in the layout of VOC: it has no folder JPEGImages{hint}")
    rank = {extension: i for i, extension in enumerate(_EXTENSIONS)}
    found = [path for path in folder.iterdir() if path.suffix.lower() in rank]
    found.sort(key=lambda path: (rank[path.suffix.lower()], path.name), reverse=True)
    return {path.stem: path for path in found}


def _stems(folder: Path, extension: str) -> list[str]:
    return sorted(path.stem for path in folder.iterdir() if path.suffix.lower() == extension)


def _listed(root: Path, image_set: str | None, pictures: dict[str, Path], problems: list[str]) -> list[str]:
    """Return the names in an image set, each once. Lists of one class have a second column, which says nothing here."""
    if image_set is None:
        annotations = root / "Annotations"
        return _stems(annotations, ".xml") if annotations.is_dir() else sorted(pictures)
    folder = root / "ImageSets" / "Main"
    path = folder / f"{image_set}.txt"
    if not path.is_file():
        known = _stems(folder, ".txt") if folder.is_dir() else []
        sets = (
            f"it has {', '.join(known)}"
            if known
            else f"there is nothing in {folder}; leave the set out to take all images"
        )
        raise DataError(f"{root}: has no image set {image_set!r}{did_you_mean(image_set, known)}; {sets}")
    count = Counter(line.split()[0] for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    if not count:
        raise DataError(f"{path}: the image set is empty")
    problems += [f"{name}: stands {n} times in {path}: taken once" for name, n in count.items() if n > 1]
    return list(count)


def _classes(annotations: Iterable[_Annotation], classes: Sequence[str] | None) -> tuple[str, ...]:
    if classes is not None:
        return tuple(name.strip() for name in classes if name != BACKGROUND)
    found = {thing.label for annotation in annotations for thing in annotation.objects}
    return VOC_CLASSES if found <= set(VOC_CLASSES) else tuple(sorted(found))


# -- one photograph ---------------------------------------------------------------------------------------------------


def _parse(path: Path) -> _Annotation:
    try:
        root = ElementTree.parse(path).getroot()
    except OSError as error:
        return _Annotation(broken=f"annotation {path} cannot be read: {error.strerror or error}")
    except ElementTree.ParseError as error:
        return _Annotation(broken=f"annotation {path} is no XML: {error}")
    objects, problems = [], []
    for number, element in enumerate(root.findall("object"), 1):
        thing = _object(element, number)
        if isinstance(thing, str):
            problems.append(f"object {number} {thing}: left out")
        else:
            objects.append(thing)
    return _Annotation(_size(root), objects, problems)


def _object(element: ElementTree.Element, number: int) -> _Object | str:
    label = (element.findtext("name") or "").strip().lower()
    if not label:
        return "has no name"
    corners = element.find("bndbox")
    texts = [None if corners is None else corners.findtext(side) for side in ("xmin", "ymin", "xmax", "ymax")]
    try:
        x1, y1, x2, y2 = (float(text) - 1 for text in texts)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return f"({label}) has a bndbox without four numbers: {texts}"
    difficult = (element.findtext("difficult") or "0").strip() in ("1", "true", "True")
    return _Object(number, label, difficult, (x1, y1, x2, y2))


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    try:
        width, height = (int(float(root.findtext(f"size/{side}") or 0)) for side in ("width", "height"))
    except ValueError:
        return None
    return (width, height) if width > 0 and height > 0 else None


def _photograph(
    name: str,
    pictures: dict[str, Path],
    annotation: _Annotation,
    classes: tuple[str, ...],
    strangers: Counter[str],
    problems: list[str],
) -> Photograph | None:
    """Return the photograph `name`, or None if it cannot be used; `problems` says why, and what else is wrong."""
    path = pictures.get(name)
    if path is None:
        problems.append(f"{name}: there is no such image in JPEGImages{did_you_mean(name, pictures)}: left out")
        return None
    if annotation.broken:
        problems.append(f"{name}: {annotation.broken}: left out")
        return None
    problems += [f"{name}: {problem}" for problem in annotation.problems]
    try:
        size = annotation.size or image_size(path)
    except DataError as error:
        problems.append(f"{name}: {error}: left out")
        return None
    number = {label.lower(): i for i, label in enumerate(classes, 1)}
    strangers.update(thing.label for thing in annotation.objects if thing.label not in number)
    objects = [thing for thing in annotation.objects if thing.label in number]
    boxes = np.array([thing.box for thing in objects], np.float32).reshape(-1, 4)
    calls = [f"object {thing.number} ({thing.label})" for thing in objects]
    boxes, sound = sound_objects(name, size, boxes, calls, problems)
    return Photograph(
        name,
        path,
        size,
        boxes[sound],
        np.array([number[objects[i].label] for i in sound], np.int64),
        np.array([objects[i].difficult for i in sound], bool),
    )
