"""RoIDataLayer in a net: shapes before and after there is a roidb, order, reading ahead, resuming, images that fail."""

from __future__ import annotations

import gc
import json
import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicaffe
from minicaffe import compat
from minicaffe.detection.config import cfg
from minicaffe.detection.datasets import open_dataset
from minicaffe.detection.minibatch import minibatch, top_names
from minicaffe.detection.roi_data_layer import RoIDataLayer
from minicaffe.detection.roidb import Regions, filter_roidb
from minicaffe.detection.roidb_cache import load_roidb
from minicaffe.detection.targets import add_targets
from minicaffe.errors import DataError, NetError
from minicaffe.proto import prototxt, schema
from minicaffe.rng import Streams
from tests.detection.scenes import on_disk, photograph, random_roidb

Tops = dict[str, np.ndarray]


@pytest.fixture(autouse=True)
def small() -> None:
    cfg.merge_dict({"TRAIN": {"SCALES": [20, 40], "MAX_SIZE": 70, "BATCH_SIZE": 16, "BG_THRESH_LO": 0.0}})


@pytest.fixture
def roidb(tmp_path: Path) -> list[Regions]:
    roidb = random_roidb(np.random.default_rng(1), 7)
    on_disk(tmp_path, roidb)
    add_targets(roidb, 4)
    return roidb


def make_net(param_str: str = "'num_classes': 4", tops: int = 6, seed: int = 1, **options: Any) -> minicaffe.Net:
    names = [*top_names(cfg), "more"][:tops]
    text = (
        "layer { name: 'data' type: 'Python' "
        + " ".join(f"top: '{name}'" for name in names)
        + " python_param { module: 'roi_data_layer.layer' layer: 'RoIDataLayer' "
        + f'param_str: "{param_str}" }} }}'
    )
    definition = prototxt.parse(text, schema.NetParameter, file="train.prototxt")
    return minicaffe.Net(definition, phase=minicaffe.TRAIN, streams=Streams(seed), **options)


def passes(net: minicaffe.Net, count: int) -> list[Tops]:
    return [{name: array.copy() for name, array in net.forward().items()} for _ in range(count)]


def same(one: list[Tops], other: list[Tops]) -> bool:
    return len(one) == len(other) and all(
        a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
        for a, b in zip(one, other, strict=True)
    )


class TestBefore:
    def test_the_published_name_is_ours(self) -> None:
        assert compat.resolve("roi_data_layer.layer").RoIDataLayer is RoIDataLayer
        assert type(make_net().layers[0]) is RoIDataLayer

    def test_the_net_builds_without_a_roidb(self) -> None:
        shapes = {name: blob.shape for name, blob in make_net().blobs.items()}
        assert shapes == {
            "data": (2, 3, 40, 70), "rois": (1, 5), "labels": (1,), "bbox_targets": (1, 16),
            "bbox_inside_weights": (1, 16), "bbox_outside_weights": (1, 16),
        }  # fmt: skip

    def test_but_does_not_run(self) -> None:
        with pytest.raises(NetError, match=r"train\.prototxt:1: layer 'data' \(Python\): has no roidb .*set_roidb"):
            make_net().forward()

    def test_without_regression(self) -> None:
        cfg.TRAIN.BBOX_REG = False
        assert list(make_net(tops=3).blobs) == ["data", "rois", "labels"]

    @pytest.mark.parametrize(
        ("param_str", "tops", "message"),
        [
            ("", 6, "param_str must give the number of classes"),
            ("'num_classes': many", 6, "param_str must give the number of classes"),
            ("'num_class': 4", 6, r"layer 'data' \(Python\): param_str: there is no key 'num_class' .*'num_classes'"),
            ("{num_classes: 4, TRAIN: {BATCH: 3}}", 6, "no key 'TRAIN.BATCH'"),
            ("'num_classes': 4", 5, "the tops are data, rois, labels, bbox_targets.*: 6, not 5"),
            ("{num_classes: 4, TRAIN: {BBOX_REG: False}}", 6, "the tops are data, rois, labels: 3, not 6"),
            ("{num_classes: 4, TRAIN: {IMS_PER_BATCH: 3}}", 6, "BATCH_SIZE 16 cannot be shared out evenly"),
            ("{num_classes: 4, TRAIN: {HAS_RPN: True}}", 6, "TRAIN.HAS_RPN must be False"),
        ],
    )
    def test_refused(self, param_str: str, tops: int, message: str) -> None:
        with pytest.raises(NetError, match=message):
            make_net(param_str, tops)


class TestRoidbs:
    def test_empty(self) -> None:
        with pytest.raises(DataError, match="the roidb is empty"):
            make_net().layers[0].set_roidb([])

    def test_without_targets(self, roidb: list[Regions]) -> None:
        roidb[3].targets = None
        with pytest.raises(DataError, match=r"layer 'data' \(Python\): the roidb has no bbox targets"):
            make_net().layers[0].set_roidb(roidb)

    def test_more_classes_than_the_net(self, roidb: list[Regions]) -> None:
        with pytest.raises(DataError, match="has an object of class 3, but param_str says num_classes 3"):
            make_net("'num_classes': 3").layers[0].set_roidb(roidb)

    def test_what_bad_data_says(self, roidb: list[Regions]) -> None:
        with pytest.raises(DataError, match="BAD_DATA must be 'skip' or 'stop', not 'maybe'"):
            make_net("{num_classes: 4, BAD_DATA: maybe}").layers[0].set_roidb(roidb)


class TestBatches:
    def test_shapes_change_from_batch_to_batch(self, roidb: list[Regions]) -> None:
        net = make_net()
        net.layers[0].set_roidb(roidb)
        batches = passes(net, 12)
        assert {batch["data"].shape for batch in batches} == {(2, 3, 20, 30), (2, 3, 40, 60)}
        for batch in batches:
            assert batch["rois"].shape == (len(batch["labels"]), 5)
            assert batch["bbox_targets"].shape == (len(batch["labels"]), 16)

    def test_hold_what_minibatch_makes(self, roidb: list[Regions]) -> None:
        cfg.merge_dict({"TRAIN": {"USE_OHEM": True, "IMS_PER_BATCH": 1, "ASPECT_GROUPING": False, "SCALES": [40]}})
        net = make_net()
        net.layers[0].set_roidb(roidb)
        expected = [minibatch([regions], 4) for regions in roidb]
        for batch in passes(net, 10):
            assert sum(same([batch], [one]) for one in expected) == 1

    def test_keys_of_the_layer(self, roidb: list[Regions]) -> None:
        net = make_net("{num_classes: 4, TRAIN: {BATCH_SIZE: 6, IMS_PER_BATCH: 3}}")
        net.layers[0].set_roidb(roidb)
        (batch,) = passes(net, 1)
        assert np.bincount(batch["rois"][:, 0].astype(int)).tolist() == [2, 2, 2]
        assert cfg.TRAIN.BATCH_SIZE == 16

    def test_streams_are_the_nets(self, roidb: list[Regions]) -> None:
        runs = []
        for seed in (1, 1, 2):
            net = make_net(seed=seed)
            net.layers[0].set_roidb(roidb)
            runs.append(passes(net, 6))
        assert same(runs[0], runs[1])
        assert not same(runs[0], runs[2])

    def test_each_process_has_its_share(self, roidb: list[Regions]) -> None:
        cfg.merge_dict({"TRAIN": {"IMS_PER_BATCH": 1, "SCALES": [40], "USE_OHEM": True, "ASPECT_GROUPING": False}})
        for rank in range(2):
            net = make_net(rank=rank, size=2)
            net.layers[0].set_roidb(roidb)
            shared = [minibatch([regions], 4) for regions in roidb[rank::2]]
            assert all(any(same([batch], [one]) for one in shared) for batch in passes(net, 8))

    def test_in_double_precision(self, roidb: list[Regions]) -> None:
        net = make_net(dtype=np.float64)
        net.layers[0].set_roidb(roidb)
        (batch,) = passes(net, 1)
        assert {array.dtype for array in batch.values()} == {np.dtype(np.float64)}


class TestReadingAhead:
    def threads(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "prefetch data"]

    @pytest.mark.parametrize("depth", [1, 10])
    def test_makes_no_difference(self, roidb: list[Regions], depth: int) -> None:
        plain = make_net()
        plain.layers[0].set_roidb(roidb)
        cfg.merge_dict({"TRAIN": {"USE_PREFETCH": True, "PREFETCH_DEPTH": depth}})
        ahead = make_net()
        ahead.layers[0].set_roidb(roidb)
        assert same(passes(ahead, 9), passes(plain, 9))
        assert len(self.threads()) == 1
        ahead.close()
        assert self.threads() == []
        assert same(passes(ahead, 3), passes(plain, 3))
        ahead.close()

    def test_nothing_runs_on_when_the_net_is_gone(self, roidb: list[Regions]) -> None:
        cfg.TRAIN.USE_PREFETCH = True
        net = make_net()
        net.layers[0].set_roidb(roidb)
        passes(net, 2)
        del net
        gc.collect()
        assert self.threads() == []

    def test_another_roidb(self, roidb: list[Regions]) -> None:
        cfg.TRAIN.USE_PREFETCH = True
        net = make_net()
        net.layers[0].set_roidb(roidb)
        passes(net, 2)
        net.layers[0].set_roidb(roidb[:2])
        passes(net, 2)
        assert len(self.threads()) == 1
        net.close()


class TestResuming:
    @pytest.mark.parametrize("prefetch", [False, True])
    @pytest.mark.parametrize("first", ["state", "roidb"])
    def test_bit_for_bit(self, roidb: list[Regions], prefetch: bool, first: str) -> None:
        cfg.TRAIN.USE_PREFETCH = prefetch
        net, other = make_net(), make_net(seed=5)
        net.layers[0].set_roidb(roidb)
        passes(net, 4)
        state = json.loads(json.dumps(net.get_state()))
        if first == "state":
            other.set_state(state)
            assert other.layers[0].get_state() == state["layers"]["data"]
            other.layers[0].set_roidb(roidb)
        else:
            other.layers[0].set_roidb(roidb)
            passes(other, 3)
            other.set_state(state)
        assert same(passes(other, 8), passes(net, 8))
        net.close()
        other.close()

    def test_of_a_net_that_had_no_roidb(self, roidb: list[Regions]) -> None:
        state = make_net().get_state()
        assert state["layers"]["data"] == {}
        net, other = make_net(), make_net()
        for one in (net, other):
            one.layers[0].set_roidb(roidb)
        other.set_state(state)
        assert same(passes(net, 2), passes(other, 2))


class TestImagesThatFail:
    @pytest.fixture
    def broken(self, roidb: list[Regions]) -> list[Regions]:
        """The roidb with one photograph that does not decode and one of another size."""
        roidb[2].photograph.path.write_bytes(b"\xff\xd8\xff\xe0 broken off")
        roidb[4].photograph.size = (60, 41)
        return roidb

    @pytest.mark.parametrize("prefetch", [False, True])
    def test_training_goes_on_without(
        self, broken: list[Regions], prefetch: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        cfg.merge_dict({"TRAIN": {"USE_OHEM": True, "SCALES": [40], "USE_PREFETCH": prefetch}})
        net = make_net()
        net.layers[0].set_roidb(broken)
        good = [minibatch([regions], 4)["data"] for i, regions in enumerate(broken) if i not in (2, 4)]
        with caplog.at_level(logging.WARNING, "minicaffe"):
            batches = passes(net, 25)
            net.close()
        images = [image for batch in batches for image in batch["data"]]
        assert 25 < len(images) < 50
        assert all(any(np.array_equal(image, one[0]) for one in good) for image in images)
        assert sorted(record.message[:2] for record in caplog.records) == ["p2", "p4"]
        assert "is 60 x 40 pixels, its annotation says 60 x 41: training goes on without it" in caplog.text

    @pytest.mark.parametrize("prefetch", [False, True])
    def test_or_stops(self, broken: list[Regions], prefetch: bool) -> None:
        cfg.merge_dict({"TRAIN": {"USE_PREFETCH": prefetch}, "BAD_DATA": "stop"})
        net = make_net()
        net.layers[0].set_roidb(broken)
        with pytest.raises(DataError, match=r"layer 'data' \(Python\): p[24]: image .*; to go on without it: BAD_DATA"):
            passes(net, 25)
        net.close()

    def test_resuming_passes_over_the_same_ones(self, broken: list[Regions]) -> None:
        net, other = make_net(), make_net(seed=3)
        net.layers[0].set_roidb(broken)
        passes(net, 5)
        other.set_state(json.loads(json.dumps(net.get_state())))
        other.layers[0].set_roidb(broken)
        assert same(passes(net, 10), passes(other, 10))

    def test_none_is_left(self, roidb: list[Regions]) -> None:
        for regions in roidb:
            regions.photograph.path.unlink()
        net = make_net()
        net.layers[0].set_roidb(roidb)
        with pytest.raises(DataError, match="of 7 entries of the roidb, none has an image that can be read"):
            net.forward()


def test_a_batch_of_one_orientation(tmp_path: Path) -> None:
    roidb = random_roidb(np.random.default_rng(1), 8)
    for i, regions in enumerate(roidb):
        if i % 2:
            regions.photograph = photograph(regions.photograph.name, size=(40, 60))
    on_disk(tmp_path, roidb)
    add_targets(roidb, 4)
    cfg.TRAIN.SCALES = (40,)
    net = make_net()
    net.layers[0].set_roidb(roidb)
    assert {batch["data"].shape for batch in passes(net, 20)} == {(2, 3, 40, 60), (2, 3, 60, 40)}


def test_blood_cells(bccd: Path) -> None:
    cfg.merge_dict({"TRAIN": {"SCALES": [120], "MAX_SIZE": 200, "USE_OHEM": True, "IMS_PER_BATCH": 1}})
    roidb = filter_roidb(load_roidb(open_dataset(f"voc:{bccd}:val"), str(bccd / "selective_search.mat")))
    assert len(roidb) == 174
    add_targets(roidb, 4)
    net = make_net()
    net.layers[0].set_roidb(roidb)
    for batch in passes(net, 3):
        assert batch["data"].shape == (1, 3, 120, 160)
        assert len(batch["rois"]) > 500
        assert (batch["rois"][:, 1:] >= 0).all() and (batch["rois"][:, 1:] <= 160).all()
        assert set(batch["labels"].tolist()) <= {0, 1, 2, 3}
        assert batch["labels"].any()
        targets = batch["bbox_targets"][batch["bbox_inside_weights"] > 0]
        assert np.abs(targets).max() < 8
