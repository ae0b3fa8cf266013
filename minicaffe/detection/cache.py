"""Files that remember what takes long to compute, each named by a hash of everything that went into it.

So whatever changes, an old file is never met; and one that is damaged is made again.
"""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from minicaffe.detection.config import Config
from minicaffe.files import written_aside

log = logging.getLogger("minicaffe")


def folder(cfg: Config) -> Path:
    """Return where such files are kept: CACHE_DIR, or else the user's cache folder."""
    return Path(cfg.CACHE_DIR) if cfg.CACHE_DIR else Path.home() / ".cache" / "minicaffe" / "roidb"


def digest(parts: Iterable[bytes]) -> str:
    """Return the hash of `parts`, in hexadecimal; where one ends and the next begins counts."""
    whole = hashlib.blake2b(digest_size=16)
    for part in parts:
        whole.update(len(part).to_bytes(8, "little"))
        whole.update(part)
    return whole.hexdigest()


def content(path: Path) -> bytes:
    """Return the hash of a file's content; nothing, of one that cannot be read."""
    whole = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                whole.update(block)
    except OSError:
        return b""
    return whole.digest()


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write `arrays` to a `.npz`; a folder that cannot be written to costs a warning and the time next time."""
    try:
        with written_aside(path) as aside, aside.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        log.info("wrote %s", path)
    except OSError as error:
        log.warning("%s: cannot be kept for the next time: %s", path, error.strerror or error)


def read(path: Path) -> dict[str, np.ndarray] | None:
    """Return the arrays that `write` wrote; None if there is no such file, or no whole one."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        log.warning("%s: cannot be read and is made again: %s", path, error)
        return None
