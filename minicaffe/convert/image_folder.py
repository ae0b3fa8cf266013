"""Folders of images, one folder a class: which images there are, and which label each has."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from minicaffe.data.lists import Entry, numbered_lines
from minicaffe.errors import DataError, did_you_mean
from minicaffe.files import written_aside

log = logging.getLogger("minicaffe")

SUFFIXES = frozenset(
    {".bmp", ".dib", ".gif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)


def read_class_names(path: Path) -> list[str]:
    """Return the names in a labels.txt, one a line; that of label i is the i-th. DataError for a name given twice."""
    names = [line.strip() for _, line in numbered_lines(path)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: the class {twice!r} is named twice; one label a class")
    return names


def write_class_names(database: Path, names: Sequence[str]) -> None:
    """Write `names`, in the order of their labels, to labels.txt inside a database's folder."""
    with written_aside(database / "labels.txt") as aside:
        aside.write_bytes(b"".join(os.fsencode(name) + b"\n" for name in names))


def list_images(folder: Path, names: Sequence[str] | None = None) -> tuple[list[Entry], list[str]]:
    """Return the images in the folders of `folder`, class by class, with paths relative to it, and the class names.

    Each folder is a class, with folders inside it or not; its label is its place among `names`, or in the alphabet
    without them. Hidden files count for nothing; other files that are not named like images, or lie beside the folders,
    are named in the log. DataError if there are no folders, no images, or a folder that `names` lacks.
    """
    found = _class_folders(folder)
    names = found if names is None else list(names)
    unknown = next((name for name in found if name not in names), None)
    if unknown is not None:
        raise DataError(f"{folder / unknown}: not among the class names{did_you_mean(unknown, names)}")
    _warn(
        folder,
        "lie beside the folders of the classes",
        _visible(path.name for path in folder.iterdir() if path.is_file()),
    )
    entries = []
    for name in sorted(found, key=names.index):
        files = list(_files(folder, name))
        images = [path for path in files if Path(path).suffix.lower() in SUFFIXES]
        _warn(folder, "are not named like images", sorted({*files} - {*images}))
        if not images:
            log.warning("%s: no images in it", folder / name)
        entries += [Entry(path, names.index(name), str(folder)) for path in images]
    if not entries:
        known = " ".join(sorted(SUFFIXES))
        raise DataError(f"{folder}: no images in its folders ({', '.join(found)}); names of images end in {known}")
    return entries, list(names)


def _class_folders(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise DataError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    found = _visible(path.name for path in folder.iterdir() if path.is_dir())
    if not found:
        raise DataError(f"{folder}: has no folders; without a list, every folder inside it is a class")
    return found


def _warn(folder: Path, what: str, files: Sequence[str]) -> None:
    if files:
        log.warning("%s: files that %s are left out: %d, such as %s", folder, what, len(files), files[0])


def _files(folder: Path, name: str) -> Iterator[str]:
    """Yield the files anywhere below a class's folder, relative to `folder`, in the order of their paths."""
    for place, folders, files in os.walk(folder / name):
        folders[:] = _visible(folders)
        for file in _visible(files):
            yield (Path(place) / file).relative_to(folder).as_posix()


def _visible(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith("."))
