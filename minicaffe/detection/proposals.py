"""Proposals: the boxes of each photograph in which an object is looked for, from a file or computed."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minicaffe.data import images
from minicaffe.data.parallel import in_parallel
from minicaffe.data.paths import resolve
from minicaffe.detection import cache, config, selective_search
from minicaffe.detection.boxes import first_of_equal, large_enough
from minicaffe.detection.config import Config
from minicaffe.detection.dataset import Dataset, Photograph
from minicaffe.detection.grid import grid_proposals
from minicaffe.detection.proposal_files import boxes_from_files
from minicaffe.detection.validation import sound_proposals, without_proposals
from minicaffe.errors import DataError, did_you_mean

log = logging.getLogger("minicaffe")

METHODS = ("selective_search", "grid")
_LOGGED = 64  # images between two lines of the log


@dataclass(frozen=True)
class Source:
    """Where proposals come from: "file" with its paths, "selective_search" or "grid"."""

    method: str
    paths: tuple[Path, ...] = ()


def choose_source(dataset: Dataset, section: Config, cfg: Config | None = None, given: str = "") -> Source:
    """Return where the proposals of `dataset` come from.

    That is the file(s) `given`, or those that the `section` (TRAIN or TEST) names as PROPOSALS, or what its
    PROPOSAL_METHOD says: "grid"; or "selective_search", which takes DATA_DIR/selective_search_data/NAME.mat if it is
    there, computes the boxes if OpenCV has its contributed modules, and otherwise falls back to the grid and says so.
    """
    cfg = cfg or config.cfg
    named = given or section.PROPOSALS
    if named:
        parts = [named] if Path(named).exists() else [part.strip() for part in named.split("+")]
        return Source("file", tuple(resolve(part, [], "proposals") for part in parts))
    method = section.PROPOSAL_METHOD
    if method not in METHODS:
        raise DataError(
            f"PROPOSAL_METHOD {method!r} is none of {', '.join(METHODS)}{did_you_mean(method, METHODS)}; "
            "proposals of a file are named by PROPOSALS or --proposals"
        )
    if method == "grid":
        return Source("grid")
    published = [Path(cfg.DATA_DIR, "selective_search_data", f"{name}.mat") for name in dataset.name.split("+")]
    if all(path.is_file() for path in published):
        return Source("file", tuple(published))
    if selective_search.available():
        return Source("selective_search")
    log.warning(
        "%s: no proposals are given and Selective Search is not here (pip install 'minicaffe[ss]'): boxes on a grid "
        "are used instead; PROPOSAL_METHOD: grid says that this is meant",
        dataset.name,
    )
    return Source("grid")


def read_proposals(source: Source, dataset: Dataset, cfg: Config | None = None) -> list[np.ndarray]:
    """Return the proposals [P, 4] float32 of every photograph, in the order of `dataset`.

    Of boxes that are equal, the first is kept; smaller ones than MIN_PROPOSAL_SIZE are not; none sticks out of its
    image. What is wrong with them is added to the problems of `dataset`, and reported as BAD_DATA says.
    """
    cfg = cfg or config.cfg
    if source.method == "file":
        found = boxes_from_files(source.paths, dataset)
    elif source.method == "grid":
        found = [_grid(photograph, cfg) for photograph in dataset]
    else:
        found = _searched(dataset, cfg)
    proposals = [
        distinct(sound_proposals(photograph.name, photograph.size, boxes, dataset.problems), cfg.MIN_PROPOSAL_SIZE)
        for photograph, boxes in zip(dataset, found, strict=True)
    ]
    dataset.problems += [
        without_proposals(photograph) for photograph, boxes in zip(dataset, proposals, strict=True) if not len(boxes)
    ]
    dataset.report(cfg.BAD_DATA)
    return proposals


def load_proposals(path: str | os.PathLike[str], dataset: Dataset, cfg: Config | None = None) -> list[np.ndarray]:
    """Return the proposals that a `.mat` or `.npz` (several, joined by `+`) holds for `dataset`; see `read_proposals`.

    DataError for a file that belongs to another set of images.
    """
    cfg = cfg or config.cfg
    return read_proposals(choose_source(dataset, cfg.TRAIN, cfg, str(path)), dataset, cfg)


def distinct(boxes: np.ndarray, size: int) -> np.ndarray:
    """Return `boxes` without those that repeat an earlier one, and without those smaller than `size`."""
    boxes = boxes[first_of_equal(boxes)]
    return boxes[large_enough(boxes, size)]


# -- computed ---------------------------------------------------------------------------------------------------------


def _grid(photograph: Photograph, cfg: Config) -> np.ndarray:
    g = cfg.GRID
    return grid_proposals(*photograph.size, g.SMALLEST, g.SIZES_PER_OCTAVE, g.ASPECTS, g.STEP, g.MOST)


def _searched(dataset: Dataset, cfg: Config) -> list[np.ndarray]:
    """Return every photograph's boxes, computed once for a set of images; one that does not decode has a problem."""
    contents = [cache.content(photograph.path) for photograph in dataset]
    path = cache.folder(cfg) / f"selective_search_{dataset.name}_{cache.digest(contents)}.npz"
    known = cache.read(path) if cfg.USE_CACHE else None
    if known is not None:
        return np.split(known["boxes"], np.cumsum(known["counts"])[:-1])
    found: list[np.ndarray] = []
    for start in range(0, len(dataset), _LOGGED):
        log.info("Selective Search: %d of %d images", start, len(dataset))
        searched = in_parallel(_search, dataset.photographs[start : start + _LOGGED])
        dataset.problems += [problem for _, problem in searched if problem]
        found += [boxes for boxes, _ in searched]
    if cfg.USE_CACHE:
        cache.write(path, {"boxes": np.concatenate(found), "counts": np.array([len(boxes) for boxes in found])})
    return found


def _search(photograph: Photograph) -> tuple[np.ndarray, str]:
    """Return a photograph's boxes and what is wrong with it."""
    try:
        return selective_search.selective_search(images.read(photograph.path)), ""
    except DataError as error:
        return np.zeros((0, 4), np.float32), f"{photograph.name}: {error}"
