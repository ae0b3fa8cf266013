"""Training a small twin net on drawn photographs: snapshots that predict real boxes, and runs that continue exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minicaffe import load_weights
from minicaffe.detection.config import Config, cfg, default_config
from minicaffe.detection.dataset import Dataset, Photograph
from minicaffe.detection.snapshot import LAYER, Normalisation
from minicaffe.detection.training import DetectorSolver, detector_solver, train_detector
from minicaffe.errors import DataError, SolverError
from minicaffe.proto import read_solver, wire

TWINS = ("fc6", "cls_score", "bbox_pred")


def fc(name: str, bottom: str, outputs: int, readonly: bool) -> str:
    end, more = ("_readonly", "propagate_down: false") if readonly else ("", "")
    multipliers = ["", ""] if readonly else ["lr_mult: 1 decay_mult: 1", "lr_mult: 2 decay_mult: 0"]
    return f"""layer {{ name: "{name}{end}" type: "InnerProduct" bottom: "{bottom}{end}" top: "{name}{end}" {more}
      param {{ name: "{name}_w" {multipliers[0]} }} param {{ name: "{name}_b" {multipliers[1]} }}
      inner_product_param {{ num_output: {outputs} weight_filler {{ type: "xavier" }} }} }}
    """


def tower(readonly: bool) -> str:
    end, down = ("_readonly", "propagate_down: false") if readonly else ("", "")
    rois, pool = ("rois", "false") if readonly else ("rois_hard", "true")
    return f"""
    layer {{ name: "roi_pool{end}" type: "ROIPooling" bottom: "conv" bottom: "{rois}" top: "pool{end}"
      propagate_down: {pool} propagate_down: false
      roi_pooling_param {{ pooled_w: 3 pooled_h: 3 spatial_scale: 0.25 }} }}
    {fc("fc6", "pool", 16, readonly)}
    layer {{ name: "relu6{end}" type: "ReLU" bottom: "fc6{end}" top: "fc6{end}" {down} }}
    layer {{ name: "drop6{end}" type: "Dropout" bottom: "fc6{end}" top: "fc6{end}" {down}
      dropout_param {{ dropout_ratio: 0.2 }} }}
    {fc("cls_score", "fc6", 3, readonly)}
    {fc("bbox_pred", "fc6", 12, readonly)}
    """


def python(layer: str, name: str, bottoms: str, tops: str) -> str:
    lines = [f'bottom: "{bottom}" propagate_down: false' for bottom in bottoms.split()]
    lines += [f'top: "{top}"' for top in tops.split()]
    return (
        f'layer {{ name: "{name}" type: "Python" {" ".join(lines)} python_param {{ module: "roi_data_layer.layer" '
        f'layer: "{layer}" param_str: "\'num_classes\': 3" }} }}\n'
    )


CHOSEN = "rois labels bbox_targets bbox_inside_weights bbox_outside_weights"
HARD = " ".join(f"{name}_hard" for name in CHOSEN.split())
NET = f"""name: "small twin"
{python("RoIDataLayer", "data", "", "data " + CHOSEN)}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param {{
  num_output: 6 kernel_size: 5 pad: 2 stride: 4 weight_filler {{ type: "gaussian" std: 0.005 }} }} }}
layer {{ name: "relu" type: "ReLU" bottom: "conv" top: "conv" }}
{tower(readonly=True)}
layer {{ name: "cls_prob" type: "Softmax" bottom: "cls_score_readonly" top: "cls_prob_readonly"
  propagate_down: false }}
{python("OHEMDataLayer", "mining", "cls_prob_readonly bbox_pred_readonly " + CHOSEN, HARD)}
{tower(readonly=False)}
layer {{ name: "loss_cls" type: "SoftmaxWithLoss" bottom: "cls_score" bottom: "labels_hard" top: "loss_cls"
  propagate_down: true propagate_down: false loss_weight: 1 }}
layer {{ name: "loss_bbox" type: "SmoothL1Loss" bottom: "bbox_pred" bottom: "bbox_targets_hard"
  bottom: "bbox_inside_weights_hard" bottom: "bbox_outside_weights_hard" top: "loss_bbox" loss_weight: 1
  propagate_down: true propagate_down: false propagate_down: false propagate_down: false }}
"""
SOLVER = """train_net: "net.prototxt" base_lr: 0.01 lr_policy: "step" gamma: 0.1 stepsize: 1000 momentum: 0.9
weight_decay: 0.0005 iter_size: 2 snapshot_prefix: "small" display: 0
"""
TRAIN = {
    "USE_OHEM": True, "BG_THRESH_LO": 0.0, "IMS_PER_BATCH": 1, "BATCH_SIZE": 16, "ASPECT_GROUPING": False,
    "SCALES": (40, 48), "MAX_SIZE": 80, "PROPOSAL_METHOD": "grid",
}  # fmt: skip


def configured(**train: Any) -> Config:
    config = default_config()
    config.merge_dict({"TRAIN": {**TRAIN, **train}, "USE_CACHE": False, "GRID": {"SMALLEST": 12.0, "MOST": 400}})
    return config


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Six photographs of 64 x 48 pixels with a red square and a blue bar each, somewhere on noise."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    photographs = []
    for i in range(6):
        image = rng.integers(100, 130, (48, 64, 3), np.uint8)
        x, y, u, v = rng.integers(0, [34, 20, 30, 30])
        image[y : y + 20, x : x + 20] = (220, 30, 30)
        image[v : v + 8, u : u + 30] = (30, 30, 220)
        Image.fromarray(image).save(folder / f"{i}.png")
        boxes = np.array([[x, y, x + 19, y + 19], [u, v, u + 29, v + 7]], np.float32)
        photographs.append(
            Photograph(str(i), folder / f"{i}.png", (64, 48), boxes, np.array([1, 2]), np.zeros(2, bool))
        )
    return Dataset("drawn", ("__background__", "square", "bar"), photographs)


Make = Callable[..., DetectorSolver]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> Iterator[Make]:
    """`make(text, net=NET, config=…, **options)`: a detector's solver in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    made: list[DetectorSolver] = []

    def build(text: str = "", net: str = NET, config: Config | None = None, **options: Any) -> DetectorSolver:
        Path("net.prototxt").write_text(net)
        Path("solver.prototxt").write_text(SOLVER + text)
        options.setdefault("data", dataset)
        made.append(detector_solver("solver.prototxt", config=config or configured(), **options))
        return made[-1]

    yield build
    for solver in made:
        solver.close()


def weights_of(solver: DetectorSolver) -> list[np.ndarray]:
    return [param.blob.data.copy() for param in solver.net.learnable]


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


# -- snapshots --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "prefetch"), [("", False), ("", True), ("snapshot_format: HDF5", False)])
def test_a_resumed_run_is_the_run_that_never_stopped(make: Make, form: str, prefetch: bool) -> None:
    config = configured(USE_PREFETCH=prefetch)
    through = make(form)
    through.step(6)
    first = make(form, config=config)
    first.step(3)
    state = first.snapshot()
    first.step(3)
    assert same(weights_of(first), weights_of(through))
    second = make(form, config=config)
    second.restore(state)
    assert second.iter == 3
    second.step(3)
    assert same(weights_of(second), weights_of(through))
    assert second.smoothed.value == through.smoothed.value


def test_what_is_saved_predicts_targets_as_they_are(make: Make) -> None:
    solver = make()
    solver.step(2)
    learned = {name: [blob.data.copy() for blob in blobs] for name, blobs in solver.net.params.items()}
    solver.snapshot()
    saved = load_weights("small_iter_2.caffemodel")
    normalisation = solver.normalisation
    assert normalisation is not None
    means, stds = normalisation.means, normalisation.stds
    assert stds[:4].tolist() == [0] * 4
    assert (stds[4:] > 0).all()
    assert means[4:].any()
    W, b = learned["bbox_pred"]
    for name in ("bbox_pred", "bbox_pred_readonly"):
        np.testing.assert_allclose(saved[name][0], W * stds[:, None], rtol=1e-6)
        np.testing.assert_allclose(saved[name][1], b * stds + means, rtol=1e-6, atol=1e-8)
        assert not saved[name][0][:4].any()
    for name, arrays in learned.items():
        assert same([blob.data for blob in solver.net.params[name]], arrays)
        if not name.startswith("bbox_pred"):
            assert same(saved[name], arrays)


def test_targets_that_are_not_normalised_are_saved_as_learned(make: Make) -> None:
    solver = make(config=configured(BBOX_NORMALIZE_TARGETS=False))
    assert solver.normalisation is None
    solver.step(1)
    solver.snapshot()
    assert same(load_weights("small_iter_1.caffemodel")["bbox_pred"], [b.data for b in solver.net.params["bbox_pred"]])


def test_given_statistics_serve_every_class(make: Make) -> None:
    solver = make(config=configured(BBOX_NORMALIZE_TARGETS_PRECOMPUTED=True))
    assert solver.normalisation is not None
    np.testing.assert_allclose(solver.normalisation.stds, [0.1, 0.1, 0.2, 0.2] * 3)


def test_what_was_learned_is_back_even_when_saving_fails(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    solver = make()
    before = weights_of(solver)

    def full(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(solver.net, "save", full)
    with pytest.raises(OSError, match="disk full"):
        solver.snapshot()
    assert same(weights_of(solver), before)


def test_with_other_statistics_a_run_goes_on_from_the_same_predictions(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    first = make()
    first.step(1)
    state = first.snapshot()
    saved = load_weights("small_iter_1.caffemodel")["bbox_pred"]
    second = make(config=configured(BBOX_NORMALIZE_TARGETS_PRECOMPUTED=True))
    second.restore(state)
    assert "other means and deviations than when the snapshot was written" in caplog.text
    stds = np.tile([0.1, 0.1, 0.2, 0.2], 3)
    for blob, wanted in zip(second.net.params["bbox_pred"], saved, strict=True):
        np.testing.assert_allclose(blob.data * (stds if blob.data.ndim == 1 else stds[:, None]), wanted, atol=1e-6)


def test_where_the_deviation_is_zero_what_was_learned_stays(make: Make) -> None:
    first = make(config=configured(BBOX_NORMALIZE_TARGETS_PRECOMPUTED=True))
    first.step(1)
    state = first.snapshot()
    second = make()
    second.restore(state)
    learned = first.net.params["bbox_pred"][0].data
    np.testing.assert_array_equal(second.net.params["bbox_pred"][0].data[:4], learned[:4])
    assert not np.array_equal(second.net.params["bbox_pred"][0].data[4:], learned[4:])


def test_a_state_of_caffes_brings_what_it_learned(make: Make) -> None:
    """Caffe's own snapshots know nothing of normalisation: bbox_pred is taken as it is."""
    first = make()
    first.step(1)
    first.normalisation = None
    state = first.snapshot()
    stored = wire.read_solverstate(state)
    stored.minicaffe_state = b""
    wire.write_solverstate(state, stored)
    second = make()
    second.restore(state)
    assert same(weights_of(second), weights_of(first))


def test_a_state_with_normalised_targets_needs_them(make: Make) -> None:
    first = make()
    state = first.snapshot()
    second = make(config=configured(BBOX_NORMALIZE_TARGETS=False))
    with pytest.raises(SolverError, match="learned normalised targets, but these are not normalised"):
        second.restore(state)


def test_statistics_must_be_those_of_the_layer(make: Make) -> None:
    net = make().net
    with pytest.raises(SolverError, match=r"'bbox_pred' predicts 12 values, .* 84 and 84: 4 for each class"):
        Normalisation(net, np.zeros(84), np.ones(84))


def test_means_need_a_bias(make: Make) -> None:
    net = NET.replace("num_output: 12", "num_output: 12 bias_term: false")
    for multipliers in ("", "lr_mult: 2 decay_mult: 0"):
        net = net.replace(f'param {{ name: "bbox_pred_b" {multipliers} }}', "")
    with pytest.raises(SolverError, match=r"'bbox_pred' has no bias .* remove 'bias_term: false'"):
        make(net=net)


# -- the driver -------------------------------------------------------------------------------------------------------


def test_train_detector_trains_saves_and_tells(make: Make, dataset: Dataset, caplog: pytest.LogCaptureFixture) -> None:
    make()
    Path("solver.prototxt").write_text(SOLVER.replace("display: 0", "display: 1"))
    caplog.clear()
    caplog.set_level("INFO", logger="minicaffe")
    config = configured(SNAPSHOT_ITERS=8, SNAPSHOT_INFIX="mine")
    solver = train_detector("solver.prototxt", dataset, config=config, max_iter=12, output="out")
    assert solver.iter == 12
    names = sorted(path.name for path in Path("out").iterdir())
    assert names == [f"small_mine_iter_{n}.{kind}" for n in (12, 8) for kind in ("caffemodel", "solverstate")]
    told = [record.getMessage() for record in caplog.records]
    for line in ("Loaded dataset `drawn` for training", "12 roidb entries", "Output will be saved to `out`"):
        assert line in told
    assert [line for line in told if line.startswith("Wrote")] == [
        f"Wrote snapshot to: {Path('out') / f'small_mine_iter_{n}.caffemodel'}" for n in (8, 12)
    ]
    assert sum(line.startswith("speed: ") and line.endswith("s / iter") for line in told) == 1


def test_train_detector_resumes(make: Make, dataset: Dataset) -> None:
    through = make("max_iter: 5")
    through.solve()
    first = train_detector("solver.prototxt", dataset, config=configured(), max_iter=2, output="part")
    assert first.iter == 2
    second = train_detector(
        "solver.prototxt", dataset, config=configured(), resume="part/small_iter_2.solverstate", output="part"
    )
    assert same(weights_of(second), weights_of(through))


def test_it_learns(make: Make) -> None:
    losses: list[float] = []

    class Listen:
        def update(self, N: int, max_iter: int, loss: float) -> None:
            losses.append(loss)

    solver = make()
    solver.progress = Listen()
    solver.step(60)
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:10])


def test_average_loss_is_a_mean(make: Make) -> None:
    heard: dict[int, list[float]] = {1: [], 4: []}
    for window, losses in heard.items():

        class Listen:
            def update(self, N: int, max_iter: int, loss: float, losses: list[float] = losses) -> None:
                losses.append(loss)

        solver = make(f"average_loss: {window} max_iter: 6")
        solver.progress = Listen()
        solver.solve()
    means = [np.mean(heard[1][max(0, i - 3) : i + 1]) for i in range(6)]
    np.testing.assert_allclose(heard[4], means, rtol=1e-9)


def test_what_the_definition_leaves_open(make: Make) -> None:
    solver = make()
    param = solver.param
    assert (param.max_iter, param.snapshot, param.random_seed) == (40000, 10000, cfg.RNG_SEED)
    assert param.snapshot_prefix == "small"
    told = make("max_iter: 7 snapshot: 3 random_seed: 11").param
    assert (told.max_iter, told.snapshot, told.random_seed) == (7, 3, 11)
    assert make("max_iter: 7", max_iter=9).param.max_iter == 9


def test_a_definition_may_be_a_message(make: Make, dataset: Dataset) -> None:
    make()
    param = read_solver("solver.prototxt")
    solver = detector_solver(param, dataset, config=configured(), weights=None)
    assert solver.param.max_iter == 40000
    assert not param.HasField("max_iter")
    solver.close()


def test_the_global_configuration_serves_and_is_left_alone(make: Make, dataset: Dataset) -> None:
    make()
    before = repr(cfg)
    with cfg.overridden(configured().to_dict()):
        solver = detector_solver("solver.prototxt", dataset)
    solver.step(1)
    assert solver.net.blobs["rois_hard"].shape[0] == 16
    assert repr(cfg) == before
    solver.close()


def test_keys_of_the_data_layer_count_for_the_data(make: Make) -> None:
    net = NET.replace(
        "'num_classes': 3", "{num_classes: 3, TRAIN: {USE_FLIPPED: False, BBOX_NORMALIZE_TARGETS: False}}", 1
    )
    solver = make(net=net)
    assert solver.normalisation is None
    assert solver.data_layer.get_state()["order"]["count"] == 6


@pytest.mark.parametrize(("net", "use", "told"), [(NET, False, "among only 16 regions"), (NET, True, None)])
def test_mining_without_all_regions_is_worth_a_word(
    make: Make, net: str, use: bool, told: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    make(net=net, config=configured(USE_OHEM=use))
    words = [record.getMessage() for record in caplog.records if "USE_OHEM" in record.getMessage()]
    assert [told in word for word in words] == [True] if told else not words


def test_all_regions_without_mining_are_worth_a_word(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    start, end = NET.index('layer { name: "roi_pool_readonly"'), NET.index('layer { name: "roi_pool" ')
    make(net=NET[:start] + NET[end:].replace("_hard", ""))
    assert "no OHEMDataLayer chooses among them" in caplog.text


def test_a_net_without_a_layer_for_regions(make: Make) -> None:
    net = 'layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { dim: 1 } } }'
    with pytest.raises(SolverError, match="has no layer to give regions to"):
        make(net=net)


def test_classes_that_do_not_fit(make: Make, dataset: Dataset) -> None:
    other = Dataset("other", (*dataset.classes, "disc"), dataset.photographs)
    with pytest.raises(
        DataError, match=r"(?s)other has 4 classes, .*net.prototxt:2: layer 'data'.* num_classes 3.*disc"
    ):
        make(data=other)


def test_no_data(make: Make) -> None:
    with pytest.raises(DataError, match=r"nothing to train on: name the data with --data, or TRAIN.DATA"):
        make(data=None)


def test_the_readonly_twin_shares_the_memory_that_is_changed(make: Make) -> None:
    solver = make()
    for name in TWINS:
        for mine, readonly in zip(solver.net.params[name], solver.net.params[f"{name}_readonly"], strict=True):
            assert mine.shares_data_with(readonly)
    assert LAYER in TWINS
