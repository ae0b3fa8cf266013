"""Which regions of a photograph a minibatch learns from: a balanced draw, as in Fast R-CNN, or all, for OHEM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minicaffe.detection import config
from minicaffe.detection.config import Config, ConfigError
from minicaffe.detection.roidb import Regions


@dataclass(frozen=True)
class Sample:
    """Chosen regions, foreground first: their indices [K], and their labels [K] int64, 0 for background."""

    indices: np.ndarray
    labels: np.ndarray


def sample_fast_rcnn(regions: Regions, count: int, cfg: Config | None, rng: np.random.Generator) -> Sample:
    """Return up to `count` regions drawn without replacement: TRAIN.FG_FRACTION of them foreground, the rest
    background.

    Foreground overlaps an object by FG_THRESH or more, background by BG_THRESH_LO up to, not including, BG_THRESH_HI.
    What there is too little of is not replaced by the other, except that background fills the places foreground leaves.
    """
    t = (cfg or config.cfg).TRAIN
    foreground = np.flatnonzero(regions.max_overlaps >= t.FG_THRESH)
    background = np.flatnonzero((regions.max_overlaps < t.BG_THRESH_HI) & (regions.max_overlaps >= t.BG_THRESH_LO))
    foreground = _draw(foreground, round(t.FG_FRACTION * count), rng)
    return _sample(regions, foreground, _draw(background, count - len(foreground), rng))


def sample_all(regions: Regions, cfg: Config | None = None) -> Sample:
    """Return every foreground region, then every background one: overlaps below TRAIN.BG_THRESH_HI.

    ConfigError unless TRAIN.BG_THRESH_LO is 0: hard example mining is there to do without that heuristic.
    """
    t = (cfg or config.cfg).TRAIN
    if t.BG_THRESH_LO != 0:
        raise ConfigError(
            f"TRAIN.USE_OHEM chooses among all regions, so TRAIN.BG_THRESH_LO must be 0.0; it is {t.BG_THRESH_LO}"
        )
    background = np.flatnonzero(regions.max_overlaps < t.BG_THRESH_HI)
    return _sample(regions, np.flatnonzero(regions.max_overlaps >= t.FG_THRESH), background)


def _draw(indices: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(indices, min(count, len(indices)), replace=False) if len(indices) else indices


def _sample(regions: Regions, foreground: np.ndarray, background: np.ndarray) -> Sample:
    indices = np.concatenate([foreground, background])
    labels = regions.max_classes[indices]
    labels[len(foreground) :] = 0
    return Sample(indices, labels)
