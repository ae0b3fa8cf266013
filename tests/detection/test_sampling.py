"""Drawing regions: the balance of Fast R-CNN, and all of them for hard example mining."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe.detection.config import ConfigError, cfg, default_config
from minicaffe.detection.roidb import Regions
from minicaffe.detection.sampling import sample_all, sample_fast_rcnn
from tests.detection.scenes import photograph


def regions(overlaps: list[float]) -> Regions:
    count = len(overlaps)
    classes = np.array([1 + i % 3 if overlap > 0 else 0 for i, overlap in enumerate(overlaps)])
    return Regions(photograph(), False, np.zeros((count, 4)), classes * 0, np.array(overlaps, np.float32), classes)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


class TestBalanced:
    @settings(deadline=None, max_examples=50)
    @given(st.lists(st.sampled_from([0.0, 0.09, 0.1, 0.3, 0.49, 0.5, 0.8, 1.0]), max_size=60), st.integers(1, 40))
    def test_quota(self, overlaps: list[float], count: int) -> None:
        conf = default_config()
        sample = sample_fast_rcnn(regions(overlaps), count, conf, rng())
        chosen = np.array(overlaps, np.float32)[sample.indices]
        foreground, background = chosen >= 0.5, (chosen < 0.5) & (chosen >= np.float32(0.1))
        there = sum(overlap >= 0.5 for overlap in overlaps), sum(0.1 <= overlap < 0.5 for overlap in overlaps)
        assert (foreground | background).all()
        assert foreground.sum() == min(round(0.25 * count), there[0])
        assert background.sum() == min(count - foreground.sum(), there[1])
        assert len(set(sample.indices.tolist())) == len(sample.indices)
        assert foreground.tolist() == sorted(foreground, reverse=True)
        expected = np.where(foreground, regions(overlaps).max_classes[sample.indices], 0)
        assert sample.labels.tolist() == expected.tolist()

    def test_every_region_has_its_turn(self) -> None:
        generator, one = rng(), regions([0.9] * 8 + [0.2] * 20)
        draws = [sample_fast_rcnn(one, 8, None, generator).indices for _ in range(200)]
        seen = np.bincount(np.concatenate(draws), minlength=28)
        assert abs(seen[:8].mean() - 200 * 2 / 8) < 1e-9
        assert (seen[:8] > 25).all()
        assert (seen[8:] > 30).all()

    def test_a_fraction_of_its_own(self) -> None:
        cfg.TRAIN.FG_FRACTION = 0.5
        assert (sample_fast_rcnn(regions([0.9] * 9 + [0.2] * 9), 8, None, rng()).labels > 0).sum() == 4

    def test_nothing_there(self) -> None:
        sample = sample_fast_rcnn(regions([0.0, 0.05]), 8, None, rng())
        assert (sample.indices.size, sample.labels.size) == (0, 0)

    def test_regions_stay_as_they_are(self) -> None:
        one = regions([0.3, 0.4, 0.9])
        before = one.max_classes.copy()
        sample_fast_rcnn(one, 3, None, rng())
        np.testing.assert_array_equal(one.max_classes, before)


class TestAll:
    def test_foreground_first_each_in_order(self) -> None:
        cfg.TRAIN.BG_THRESH_LO = 0.0
        sample = sample_all(regions([0.0, 0.9, 0.05, 0.5, 0.49]))
        assert sample.indices.tolist() == [1, 3, 0, 2, 4]
        assert sample.labels.tolist() == [2, 1, 0, 0, 0]

    def test_what_lies_between_the_thresholds_is_neither(self) -> None:
        cfg.TRAIN.BG_THRESH_LO = 0.0
        cfg.TRAIN.FG_THRESH = 0.7
        assert sample_all(regions([0.6, 0.8, 0.1])).indices.tolist() == [1, 2]

    def test_the_heuristic_must_be_off(self) -> None:
        with pytest.raises(ConfigError, match=r"TRAIN\.BG_THRESH_LO must be 0\.0; it is 0\.1"):
            sample_all(regions([0.5]))
