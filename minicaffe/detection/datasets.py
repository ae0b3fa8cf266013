"""Opening a data set by one word, as the command line and the configuration name it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from minicaffe.data.paths import resolve
from minicaffe.detection import config
from minicaffe.detection.coco import read_coco
from minicaffe.detection.config import Config
from minicaffe.detection.dataset import Dataset
from minicaffe.detection.voc import VOC_CLASSES, read_voc
from minicaffe.errors import DataError

_FORMS = """give one of, joined by '+' if there are several:
  voc:FOLDER:SET     a folder with JPEGImages, Annotations and ImageSets/Main/SET.txt; without :SET, all its images
  coco:JSON:IMAGES   a COCO JSON and the folder of its images
  voc_2007_trainval, coco_2014_train, …   the published names, looked for in DATA_DIR"""

_PLUS = re.compile(r"\+(?=\s*(?:voc|coco)[:_])")  # a folder may have a + in its name

_COCO_FILES = {  # where the published names of subsets differ from those of COCO's own files
    "minival": "instances_minival2014.json",
    "valminusminival": "instances_valminusminival2014.json",
}


def open_dataset(spec: str, cfg: Config | None = None) -> Dataset:
    """Return the data set that `spec` names: `voc:FOLDER:SET`, `coco:JSON:IMAGES`, a published name, or several with
    `+`.

    What is wrong with the data is logged, or raised as BAD_DATA says. DataError if there is no such data set.
    """
    cfg = cfg or config.cfg
    classes = tuple(cfg.CLASSES) or None
    dataset = join([_open_one(part.strip(), cfg, classes) for part in _PLUS.split(spec)])
    dataset.report(cfg.BAD_DATA)
    return dataset


def join(datasets: Sequence[Dataset]) -> Dataset:
    """Return one data set with the photographs of all; they must agree on the classes and have names of their own."""
    first, *others = datasets
    if not others:
        return first
    for other in others:
        if other.classes != first.classes:
            raise DataError(
                f"{first.name} and {other.name} have different classes: {', '.join(first.classes[1:])} and "
                f"{', '.join(other.classes[1:])}; say with CLASSES which and in which order"
            )
    listed = [name for dataset in datasets for name in dataset.listed]
    if len(set(listed)) < len(listed):
        twice = next(name for name in listed if listed.count(name) > 1)
        raise DataError(f"{' and '.join(d.name for d in datasets)} cannot be joined: both have a photograph {twice!r}")
    photographs = [photograph for dataset in datasets for photograph in dataset]
    problems = [problem for dataset in datasets for problem in dataset.problems]
    name = "+".join(dataset.name for dataset in datasets)
    return Dataset(name, first.classes, photographs, problems, listed, first.category_ids)


def _open_one(spec: str, cfg: Config, classes: Sequence[str] | None) -> Dataset:
    kind, colon, rest = spec.partition(":")
    if colon and kind == "voc":
        folder, image_set = _split(rest, Path.is_dir, "data set")
        return read_voc(folder, image_set, classes)
    if colon and kind == "coco":
        json_path, images = _split(rest, Path.is_file, "COCO JSON")
        return read_coco(json_path, images, classes)
    data = Path(cfg.DATA_DIR)
    if match := re.fullmatch(r"voc_(\d{4})_(\w+)", spec):
        year, image_set = match.groups()
        root = resolve(str(data / f"VOCdevkit{year}" / f"VOC{year}"), [], f"{spec}: folder")
        return read_voc(root, image_set, classes or VOC_CLASSES, spec)
    if match := re.fullmatch(r"coco_(\d{4})_([\w-]+)", spec):
        year, subset = match.groups()
        return _published_coco(data / "coco", spec, year, subset, classes)
    raise DataError(f"data {spec!r} is no data set; {_FORMS}")


def _published_coco(root: Path, spec: str, year: str, subset: str, classes: Sequence[str] | None) -> Dataset:
    kind = "image_info" if subset.startswith("test") else "instances"
    file = _COCO_FILES.get(subset, f"{kind}_{subset}{year}.json")
    json_path = resolve(str(root / "annotations" / file), [], f"{spec}: file")
    folder = "val" if subset in _COCO_FILES else subset.partition("-")[0]
    return read_coco(json_path, root / "images" / f"{folder}{year}", classes, spec)


def _split(text: str, exists: Callable[[Path], bool], what: str) -> tuple[Path, str | None]:
    """Return PATH and REST of `PATH` or `PATH:REST`; either may hold colons, so PATH is the longest that exists."""
    ends = [len(text), *(i for i in range(len(text) - 1, 0, -1) if text[i] == ":")]
    for end in ends:
        path = Path(text[:end])
        if exists(path):
            return path, text[end + 1 :] or None
    wanted = text[: ends[min(1, len(ends) - 1)]]
    raise DataError(
        f"{resolve(wanted, [], what)}: is not what a {what} should be (a folder for voc:, a file for coco:)"
    )
