"""VGG16 with mining, the published prototxt and ours: what runs backward, what owns memory, what is shared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicaffe
from minicaffe.detection.config import default_config
from minicaffe.proto import read_net, read_solver
from minicaffe.rng import Streams
from tests.conftest import SHARED
from tests.detection.test_twin import assert_one_plan

MODEL = Path(__file__).parents[2] / "models" / "vgg16_ohem"
PUBLISHED = SHARED / "prototxts" / "abhi2610_ohem" / "models" / "pascal_voc" / "VGG16"
TRAIN = {"ours": MODEL / "train.prototxt", "published": PUBLISHED / "fast_rcnn_ohem" / "train.prototxt"}

CONVOLUTIONS = ["conv3_1", "conv3_2", "conv3_3", "conv4_1", "conv4_2", "conv4_3", "conv5_1", "conv5_2", "conv5_3"]
HEAD = ["fc6", "relu6", "drop6", "fc7", "relu7", "drop7", "fc7_drop7_0_split", "cls_score", "bbox_pred"]


def backbone_backward() -> list[str]:
    names = []
    for conv in CONVOLUTIONS:
        names += [conv, conv.replace("conv", "relu")]
        if conv in ("conv3_3", "conv4_3"):
            names.append(f"pool{conv[4]}")
    return names


BACKWARD = [*backbone_backward(), "conv5_3_relu5_3_0_split", "roi_pool5", *HEAD, "loss_cls", "loss_bbox"]
BOTTOMS = {
    "conv3_1": [False],
    "roi_pool5": [True, False],
    "loss_cls": [True, False],
    "loss_bbox": [True, False, False, False],
}


def published(path: Path) -> Path:
    if not path.is_file():
        pytest.skip("no ../shared beside the repository: the published VGG16 prototxts are not here")
    return path


@pytest.fixture(scope="module", params=list(TRAIN))
def net(request: pytest.FixtureRequest) -> Iterator[minicaffe.Net]:
    """The whole net, before any pass; memory of that size is only taken where it is written to."""
    yield minicaffe.Net(published(TRAIN[request.param]), phase="TRAIN", streams=Streams(1))


# -- structure --------------------------------------------------------------------------------------------------------


def test_what_runs_backward(net: minicaffe.Net) -> None:
    assert [step.param.name for step in net.steps if step.runs_backward] == BACKWARD
    for step in net.steps:
        if step.runs_backward:
            wanted = BOTTOMS.get(step.param.name, [True] * len(step.bottom))
            assert step.propagate_down == wanted, step.param.name


def test_both_rules_for_propagate_down_give_one_plan(net: minicaffe.Net) -> None:
    assert_one_plan(net)


def test_both_towers_share_every_parameter(net: minicaffe.Net) -> None:
    for layer in ("fc6", "fc7", "cls_score", "bbox_pred"):
        for mine, readonly in zip(net.params[layer], net.params[f"{layer}_readonly"], strict=True):
            assert mine.shares_data_with(readonly)
            assert mine.shares_diff_with(readonly)


def test_multipliers(net: minicaffe.Net) -> None:
    multipliers = {param.name: (param.lr_mult, param.decay_mult) for param in net.learnable}
    expected: dict[str, tuple[float, float]] = {}
    for conv in ("conv1_1", "conv1_2", "conv2_1", "conv2_2"):
        expected |= {f"{conv}[0]": (0, 0), f"{conv}[1]": (0, 0)}
    for conv in CONVOLUTIONS:
        expected |= {f"{conv}[0]": (1, 1), f"{conv}[1]": (2, 1)}
    for layer in ("fc6", "fc7", "cls_score", "bbox_pred"):
        expected |= {f"{layer}_w": (1, 1), f"{layer}_b": (2, 0)}
    assert multipliers == expected


def test_how_many_numbers_learn(net: minicaffe.Net) -> None:
    frozen = sum(p.blob.count for p in net.learnable if not p.trained)
    trained = sum(p.blob.count for p in net.learnable if p.trained)
    assert frozen == sum(o * (9 * i + 1) for i, o in ((3, 64), (64, 64), (64, 128), (128, 128)))
    assert trained == 14_454_528 + 25_089 * 4096 + 4097 * (4096 + 21 + 84)


# -- a pass -----------------------------------------------------------------------------------------------------------

R = 6


def feed(net: minicaffe.Net) -> None:
    """What the data layer would give for one photograph of 64 x 64 pixels with six regions."""
    rng = np.random.default_rng(0)
    values: dict[str, Any] = {
        "data": rng.standard_normal((1, 3, 64, 64)),
        "rois": [[0, 8 * i, 4 * i, 8 * i + 15, 40] for i in range(R)],
        "labels": np.arange(R),
        "bbox_targets": rng.standard_normal((R, 84)),
    }
    weights = np.zeros((R, 84))
    for i in range(1, R):
        weights[i, 4 * i : 4 * i + 4] = 1
    values["bbox_inside_weights"] = values["bbox_outside_weights"] = weights
    for name, array in values.items():
        net.blobs[name].reshape(*np.shape(array))
        net.blobs[name].data[...] = array


@pytest.fixture(scope="module")
def passed() -> minicaffe.Net:
    """Our net after one pass, from the layer after the data layer on."""
    net = minicaffe.Net(TRAIN["ours"], phase="TRAIN", streams=Streams(1))
    feed(net)
    net.forward_loss(first=1)
    net.run_backward(last=1)
    return net


def test_the_readonly_tower_and_what_is_frozen_own_no_diff_memory(passed: minicaffe.Net) -> None:
    step_of = {step.param.name: step for step in passed.steps}
    with_diff = {blob.name for name in BACKWARD for blob in step_of[name].top} - {"conv5_3_relu5_3_0_split_0"}
    assert {name for name, blob in passed.blobs.items() if blob.has_diff} == with_diff
    for name in ("pool5_readonly", "fc6_readonly", "fc7_readonly", "cls_score_readonly", "bbox_pred_readonly"):
        assert passed.blobs[name].has_data
        assert not passed.blobs[name].has_diff
    frozen = [param for param in passed.learnable if not param.lr_mult]
    assert len(frozen) == 8
    assert not any(param.blob.has_diff for param in frozen)


def test_both_towers_computed(passed: minicaffe.Net) -> None:
    assert passed.blobs["cls_prob_readonly"].shape == (R, 21)
    hard = passed.blobs["rois_hard"].data
    rois = passed.blobs["rois"].data
    assert sorted(map(tuple, hard)) == sorted(map(tuple, rois))
    assert passed.blobs["loss_bbox"].data > 0
    assert passed.params["bbox_pred_readonly"][1].diff.any()


# -- our files --------------------------------------------------------------------------------------------------------

SAME = {
    "train.prototxt": "fast_rcnn_ohem/train.prototxt",
    "train_baseline.prototxt": "fast_rcnn/train.prototxt",
    "test.prototxt": "fast_rcnn/test.prototxt",
}


@pytest.mark.parametrize("name", list(SAME))
def test_our_nets_are_the_published_ones(name: str) -> None:
    ours, theirs = (layers(path, name) for path in (MODEL / name, published(PUBLISHED / SAME[name])))
    assert ours == theirs


def layers(path: Path, name: str) -> list[Any]:
    """The layers of a file without what has no effect: where they stand, and in a test net how they would learn."""
    result = []
    for layer in read_net(path).layer:
        layer.ClearField("origin")
        if name == "test.prototxt":
            layer.ClearField("param")
            for filler in ("weight_filler", "bias_filler"):
                if layer.HasField("inner_product_param"):
                    layer.inner_product_param.ClearField(filler)
            if layer.type == "Input":
                layer.name = "data"
                layer.ClearField("inner_product_param")
        result.append(layer)
    return result


@pytest.mark.parametrize(("ours", "theirs"), [("solver", "fast_rcnn_ohem"), ("solver_baseline", "fast_rcnn")])
def test_our_solvers_learn_like_the_published_ones(ours: str, theirs: str) -> None:
    mine, published_one = (
        read_solver(path) for path in (MODEL / f"{ours}.prototxt", published(PUBLISHED / theirs / "solver.prototxt"))
    )
    for field in ("base_lr", "lr_policy", "gamma", "stepsize", "momentum", "weight_decay", "iter_size", "average_loss"):
        assert getattr(mine, field) == getattr(published_one, field), field
    assert mine.max_iter == 40000


def test_our_solvers_name_our_nets() -> None:
    for suffix in ("", "_baseline"):
        solver = read_solver(MODEL / f"solver{suffix}.prototxt")
        assert solver.train_net == f"models/vgg16_ohem/train{suffix}.prototxt"
        assert not solver.HasField("net")


def test_our_configuration_is_the_published_one() -> None:
    config, plain = default_config(), default_config()
    config.merge_file(MODEL / "config.yml")
    changed = {key: value for key, value in config.TRAIN.items() if value != plain.TRAIN[key]}
    assert changed == {
        "IMS_PER_BATCH": 1, "BATCH_SIZE": 64, "BG_THRESH_LO": 0.0, "USE_OHEM": True, "ASPECT_GROUPING": False,
    }  # fmt: skip


def test_the_other_nets_build() -> None:
    baseline = minicaffe.Net(MODEL / "train_baseline.prototxt", phase="TRAIN")
    assert [step.param.name for step in baseline.steps if step.runs_backward] == [
        name for name in BACKWARD if name != "conv5_3_relu5_3_0_split"
    ]
    test = minicaffe.Net(MODEL / "test.prototxt", phase="TEST")
    assert (test.inputs, test.outputs) == (["data", "rois"], ["bbox_pred", "cls_prob"])
    assert set(test.params) == set(baseline.params)
