"""From a data set to its roidb in one call, remembered in a file (see `minicaffe.detection.cache`)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from minicaffe.detection import cache, config
from minicaffe.detection.config import Config
from minicaffe.detection.dataset import Dataset
from minicaffe.detection.proposals import Source, choose_source, read_proposals
from minicaffe.detection.roidb import Regions, upright_roidb, with_mirror_images

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
    return cache.folder(cfg) / f"{dataset.name}_{cache.digest(_ingredients(dataset, source, cfg))}.npz"


def _ingredients(dataset: Dataset, source: Source, cfg: Config) -> Iterable[bytes]:
    """Yield all that decides what the upright roidb holds."""
    keys = (_VERSION, source.method, cfg.TRAIN.USE_DIFFICULT, cfg.MIN_PROPOSAL_SIZE, dataset.classes, dataset.listed)
    yield repr(keys).encode()
    for photograph in dataset:
        yield repr((photograph.name, photograph.path.name, photograph.size)).encode()
        for array in (photograph.boxes, photograph.classes, photograph.difficult):
            yield np.ascontiguousarray(array).tobytes()
    if source.method == "grid":
        yield repr(cfg.GRID.to_dict()).encode()
    elif source.method == "selective_search":
        yield from (cache.content(photograph.path) for photograph in dataset)
    else:
        yield from (path.suffix.encode() + cache.content(path) for path in source.paths)


def _build(dataset: Dataset, source: Source, cfg: Config, path: Path) -> list[Regions]:
    before = len(dataset.problems)
    roidb = upright_roidb(dataset, read_proposals(source, dataset, cfg), cfg)
    if cfg.USE_CACHE:
        cache.write(path, _columns(dataset, roidb, dataset.problems[before:]))
    return roidb


def _columns(dataset: Dataset, roidb: list[Regions], problems: list[str]) -> dict[str, np.ndarray]:
    """Return the columns of all regions one after the other, and how many belong to which photograph."""
    number = {id(photograph): i for i, photograph in enumerate(dataset)}
    return {
        **{name: np.concatenate([getattr(regions, name) for regions in roidb]) for name in _COLUMNS},
        "photographs": np.array([number[id(regions.photograph)] for regions in roidb]),
        "counts": np.array([len(regions) for regions in roidb]),
        "problems": np.array(problems, dtype=np.str_),
    }


def _read(path: Path, dataset: Dataset) -> list[Regions] | None:
    """Return the roidb a file holds, its problems added to those of `dataset`; None if there is no whole one."""
    content = cache.read(path)
    if content is None:
        return None
    ends = np.cumsum(content["counts"])[:-1]
    columns = [np.split(content[name], ends) for name in _COLUMNS]
    dataset.problems += [str(problem) for problem in content["problems"]]
    log.info("roidb loaded from %s", path)
    return [
        Regions(dataset.photographs[i], False, *arrays)
        for i, *arrays in zip(content["photographs"], *columns, strict=True)
    ]
