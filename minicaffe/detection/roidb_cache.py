"""From a data set to its roidb in one call, remembered in a file whose name is a hash of everything that goes into it.

So a changed annotation, other proposals or another key of the configuration never meets an old file; a file that is
damaged is made again.
"""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from minicaffe.detection import config
from minicaffe.detection.config import Config
from minicaffe.detection.dataset import Dataset
from minicaffe.detection.proposals import Source, choose_source, read_proposals
from minicaffe.detection.roidb import Regions, upright_roidb, with_mirror_images
from minicaffe.files import written_aside

log = logging.getLogger("minicaffe")

_VERSION = 1  # of the rules by which a roidb is built and laid out in its file
_COLUMNS = ("boxes", "gt_classes", "max_overlaps", "max_classes")


def load_roidb(dataset: Dataset, proposals: str = "", cfg: Config | None = None) -> list[Regions]:
    """Return the roidb to train on: of `dataset`, with the `proposals` named (see `choose_source`), mirror images
    included.

    Unless USE_CACHE is false it is kept in CACHE_DIR, and read from there the next time. What is wrong with the data is
    reported as BAD_DATA says, of a roidb read from the cache too.
    """
    cfg = cfg or config.cfg
    source = choose_source(dataset, cfg.TRAIN, cfg, proposals)
    path = cache_path(dataset, source, cfg)
    upright = _read(path, dataset) if cfg.USE_CACHE else None
    if upright is None:
        upright = _build(dataset, source, cfg, path)
    dataset.report(cfg.BAD_DATA)
    roidb = with_mirror_images(upright) if cfg.TRAIN.USE_FLIPPED else upright
    log.info("%d roidb entries", len(roidb))
    return roidb


def cache_path(dataset: Dataset, source: Source, cfg: Config | None = None) -> Path:
    """Return where the roidb of `dataset` with proposals from `source` is kept."""
    cfg = cfg or config.cfg
    folder = Path(cfg.CACHE_DIR) if cfg.CACHE_DIR else Path.home() / ".cache" / "minicaffe" / "roidb"
    return folder / f"{dataset.name}_{_digest(dataset, source, cfg)}.npz"


def _build(dataset: Dataset, source: Source, cfg: Config, path: Path) -> list[Regions]:
    before = len(dataset.problems)
    proposals = read_proposals(source, dataset, cfg)
    roidb = upright_roidb(dataset, proposals, cfg)
    if cfg.USE_CACHE:
        try:
            _write(path, dataset, roidb, dataset.problems[before:])
        except OSError as error:
            log.warning("%s: the roidb cannot be kept: %s", path, error.strerror or error)
    return roidb


# -- the key ----------------------------------------------------------------------------------------------------------


def _digest(dataset: Dataset, source: Source, cfg: Config) -> str:
    """Return the hash, in hexadecimal, of all that decides what the upright roidb holds."""
    digest = hashlib.blake2b(digest_size=16)
    for part in _ingredients(dataset, source, cfg):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _ingredients(dataset: Dataset, source: Source, cfg: Config) -> Iterable[bytes]:
    keys = (_VERSION, source.method, cfg.TRAIN.USE_DIFFICULT, cfg.MIN_PROPOSAL_SIZE, dataset.classes, dataset.listed)
    yield repr(keys).encode()
    for photograph in dataset:
        yield repr((photograph.name, str(photograph.path.name), photograph.size)).encode()
        for array in (photograph.boxes, photograph.classes, photograph.difficult):
            yield np.ascontiguousarray(array).tobytes()
    if source.method == "grid":
        yield repr(cfg.GRID.to_dict()).encode()
    elif source.method == "selective_search":
        yield from (_content(photograph.path) for photograph in dataset)
    else:
        yield from (path.suffix.encode() + _content(path) for path in source.paths)


def _content(path: Path) -> bytes:
    """Return the hash of a file's content; of one that cannot be read, nothing."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return b""
    return digest.digest()


# -- the file ---------------------------------------------------------------------------------------------------------


def _write(path: Path, dataset: Dataset, roidb: list[Regions], problems: list[str]) -> None:
    """Write the columns of all regions one after the other, and how many belong to which photograph."""
    number = {id(photograph): i for i, photograph in enumerate(dataset)}
    columns = {name: np.concatenate([getattr(regions, name) for regions in roidb]) for name in _COLUMNS}
    columns["photographs"] = np.array([number[id(regions.photograph)] for regions in roidb])
    columns["counts"] = np.array([len(regions) for regions in roidb])
    columns["problems"] = np.array(problems, dtype=np.str_)
    with written_aside(path) as aside, aside.open("wb") as file:
        np.savez(file, **columns)  # type: ignore[arg-type]
    log.info("wrote the roidb to %s", path)


def _read(path: Path, dataset: Dataset) -> list[Regions] | None:
    """Return the roidb a file holds, its problems added to those of `dataset`; None if there is no whole one."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            content = {name: file[name] for name in file.files}
        ends = np.cumsum(content["counts"])[:-1]
        columns = [np.split(content[name], ends) for name in _COLUMNS]
        roidb = [
            Regions(dataset.photographs[i], False, *arrays)
            for i, *arrays in zip(content["photographs"], *columns, strict=True)
        ]
        problems = [str(problem) for problem in content["problems"]]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        log.warning("%s: this roidb cannot be read (%s) and is made again", path, error)
        return None
    dataset.problems += problems
    log.info("roidb loaded from %s", path)
    return roidb
