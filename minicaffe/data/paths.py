"""Finding the files that prototxts and lists name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from minicaffe.errors import DataError, did_you_mean


def resolve(name: str, folders: Iterable[Path | None] = (), what: str = "source") -> Path:
    """Return where `name` lies: as the working directory sees it, as in Caffe, or else inside one of `folders`.

    DataError, listing every place that was tried and the nearest name there, if it is in none of them.
    """
    if not name:
        raise DataError(f"{what} is empty: name a file or folder")
    tried = list(dict.fromkeys([Path(name), *(folder / name for folder in folders if folder is not None)]))
    for path in tried:
        if path.exists():
            return path
    places = "".join(f"\n  tried: {path}" for path in dict.fromkeys(path.absolute() for path in tried))
    raise DataError(
        f"{what} {name!r} does not exist{_near(tried)}{places}\n"
        "  relative paths count from the working directory, as in Caffe, or from the folder of the file naming them"
    )


def _near(paths: Iterable[Path]) -> str:
    for path in paths:
        if path.parent.is_dir():
            hint = did_you_mean(path.name, (sibling.name for sibling in path.parent.iterdir()))
            if hint:
                return hint
    return ""
