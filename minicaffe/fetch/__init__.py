"""Data sets and weights by name: what can be had, from where, and how to know it is the right file.

`registry` reads `registry.yml`, the list of names; `download` brings one file, however often the line breaks; `fetch`
here puts the two together: download or find, verify, unpack.
"""

from __future__ import annotations

import logging
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from minicaffe.errors import DataError
from minicaffe.fetch.download import Checksum, digest, download
from minicaffe.fetch.registry import Item, Source, find, read_registry

__all__ = ["Checksum", "Item", "Source", "digest", "download", "fetch", "find", "read_registry"]

log = logging.getLogger("minicaffe")

Progress = Callable[[int, int], None]


def fetch(item: Item, folder: str | Path, progress: Progress | None = None, keep: bool = True) -> list[Path]:
    """Bring every file of `item` to `folder`, verify it, and unpack the archives there; return the paths of the files.

    A file already there is verified and used again; a part of one is completed. `progress(done, total)` counts bytes of
    the file at hand (total 0: not known). keep False deletes an archive once it is unpacked. DataError when no address
    answers, or what came is not what the registry knows.
    """
    folder = Path(folder)
    paths = []
    for source in item.files:
        path = folder / source.name
        unpacked = _stamp(path)
        if source.unpack and unpacked.exists() and not path.exists():
            log.info("%s was unpacked here before", source.name)
            paths.append(path)
            continue
        download(source.urls, path, source.size, source.checksum, progress)
        if source.unpack and not unpacked.exists():
            log.info("Unpacking %s", path)
            unpack(path, folder)
            unpacked.touch()
        if source.unpack and not keep:
            path.unlink()
        paths.append(path)
    return paths


def _stamp(archive: Path) -> Path:
    """The file that says `archive` was unpacked to the end."""
    return archive.with_name(f".{archive.name}.unpacked")


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar (also compressed) or zip archive to `folder`, never outside of it."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                zipped.extractall(folder)
        elif tarfile.is_tarfile(archive):
            _untar(archive, folder)
        else:
            raise DataError(f"{archive} is neither a tar nor a zip archive")
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{archive} is damaged: {error}\n  delete it and fetch it again") from error


def _untar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(folder, filter="data")
            return
        inside = folder.resolve()
        for member in tar:  # a Python without extraction filters
            target = (folder / member.name).resolve()
            if not target.is_relative_to(inside):
                raise DataError(f"{archive} holds {member.name!r}, which leads out of {folder}")
            content = tar.extractfile(member) if member.isfile() else None
            if content is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                with open(target, "wb") as file:
                    shutil.copyfileobj(content, file)
