"""Text files that list the data: images with labels, or files to read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from minicaffe.errors import DataError


@dataclass(frozen=True)
class Entry:
    """One line of an image list: a path, its label, and where the line stands (`FILE:LINE`)."""

    path: str
    label: int
    place: str


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Return (line number from 1, line without its end) of every line of `path` that is not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    lines = [(number, line.rstrip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise DataError(f"{path}: the list is empty")
    return lines


def read_image_list(path: Path) -> list[Entry]:
    """Return the entries of an image list: `PATH LABEL` a line. The label follows the last space."""
    entries = []
    for number, line in numbered_lines(path):
        image, space, label = line.rpartition(" ")
        try:
            if not (space and image.strip()):
                raise ValueError
            entries.append(Entry(image, int(label), f"{path}:{number}"))
        except ValueError:
            raise DataError(
                f"{path}:{number}: expected an image's path, a space and a whole number (its label), found {line!r}"
            ) from None
    return entries
