"""models/squeezenet_ohem: both ways of training are alike but for the sampling, fit SqueezeNet's weights, and run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from minicaffe import TEST, TRAIN, Net, load_weights
from minicaffe.cli.main import main
from minicaffe.proto import read_net, read_solver
from minicaffe.rng import Streams
from tests.models.conftest import MODELS

MODEL = MODELS / "squeezenet_ohem"
FROZEN = ("conv1", "fire2", "fire3", "fire4")
CLASSES = ("platelets", "rbc", "wbc")


def layers(name: str) -> dict[str, Any]:
    return {layer.name: layer for layer in read_net(MODEL / name).layer}


def learned(name: str) -> dict[str, Any]:
    """The layers of a training net with parameters, but for the readonly tower."""
    return {
        key: layer
        for key, layer in layers(name).items()
        if layer.type in ("Convolution", "InnerProduct") and not key.endswith("_readonly")
    }


def bare(layer: Any) -> Any:
    """A layer without what training adds to it, and without its place in the file."""
    for field in ("param", "origin"):
        layer.ClearField(field)
    for parameters in (layer.convolution_param, layer.inner_product_param):
        for filler in ("weight_filler", "bias_filler"):
            parameters.ClearField(filler)
    return layer


# -- the same settings for both ---------------------------------------------------------------------------------------


def test_solvers_differ_in_the_net_and_the_names_of_snapshots_only() -> None:
    ohem, baseline = (read_solver(MODEL / f"solver{end}.prototxt") for end in ("", "_baseline"))
    for solver in (ohem, baseline):
        for field in ("train_net", "snapshot_prefix", "origin"):
            assert solver.HasField(field)
            solver.ClearField(field)
    assert ohem == baseline


def test_configurations_differ_in_the_sampling_only() -> None:
    ohem, baseline = (yaml.safe_load((MODEL / f"config{end}.yml").read_text()) for end in ("", "_baseline"))
    assert {key for key in {**ohem, **baseline} if ohem.get(key) != baseline.get(key)} == {"EXP_DIR", "TRAIN"}
    train = {**ohem["TRAIN"], **baseline["TRAIN"]}
    different = {key for key in train if ohem["TRAIN"].get(key) != baseline["TRAIN"].get(key)}
    assert different == {"USE_OHEM", "OHEM_USE_NMS", "OHEM_NMS_THRESH", "BG_THRESH_LO", "FG_FRACTION"}


def test_nets_learn_the_same_parameters_at_the_same_rates() -> None:
    ohem, baseline = learned("train.prototxt"), learned("train_baseline.prototxt")
    assert ohem.keys() == baseline.keys()
    for name, layer in ohem.items():
        rates = [[(p.lr_mult, p.decay_mult) for p in each.param] for each in (layer, baseline[name])]
        assert rates[0] == rates[1] and rates[0], name
        assert all(lr == 0 for lr, _ in rates[0]) == name.startswith(FROZEN), name


def test_the_net_for_inference_has_the_layers_that_are_trained() -> None:
    trained, inference = learned("train.prototxt"), layers("test.prototxt")
    for name, layer in trained.items():
        assert bare(inference[name]) == bare(layer), name


# -- weights ----------------------------------------------------------------------------------------------------------


def test_the_towers_share_what_they_learn_and_the_readonly_one_has_no_gradient() -> None:
    pytest.importorskip("PIL")
    net = Net(MODEL / "train.prototxt", TRAIN)
    for name in ("fc6", "cls_score", "bbox_pred"):
        for own, readonly in zip(net.params[name], net.params[f"{name}_readonly"], strict=True):
            assert np.shares_memory(own.data, readonly.data)
    net.close()


def test_genuine_weights_fill_every_layer_they_are_meant_for(shared: Path) -> None:
    weights = load_weights(shared / "models" / "squeezenet_v1.0" / "squeezenet_v1.0.caffemodel")
    net = Net(MODEL / "test.prototxt", TEST)
    ours = [name for name in net.params if name not in ("reduce", "fc6", "cls_score", "bbox_pred")]
    assert len(ours) == 1 + 3 * 7  # conv1 and fire2 to fire8
    for name in ours:
        for blob, array in zip(net.params[name], weights[name], strict=True):
            assert blob.data.size == array.size, name


# -- in small ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the model, random weights for SqueezeNet's layers, and three drawn photographs."""
    image = pytest.importorskip("PIL.Image")
    monkeypatch.chdir(tmp_path)
    Path("models").symlink_to(MODELS)
    net, streams = Net(MODEL / "test.prototxt", TEST), Streams(1)
    for name, blobs in net.params.items():
        W = blobs[0]
        W.data[...] = streams.stream(name).standard_normal(W.shape) * np.sqrt(2 * W.shape[0] / W.count)
    net.save("random.caffemodel")
    for part in ("JPEGImages", "Annotations"):
        Path("cells", part).mkdir(parents=True)
    for i in range(3):
        pixels = np.random.default_rng(i).integers(150, 200, (90, 120, 3), np.uint8)
        objects = ""
        for j, name in enumerate(CLASSES):
            x, y = 5 + 38 * j, 10 + 15 * i
            pixels[y : y + 30, x : x + 30] = 60 * j
            corners = zip(("xmin", "ymin", "xmax", "ymax"), (x + 1, y + 1, x + 30, y + 30), strict=True)
            box = "".join(f"<{side}>{value}</{side}>" for side, value in corners)
            objects += f"<object><name>{name}</name><bndbox>{box}</bndbox></object>"
        image.fromarray(pixels).save(f"cells/JPEGImages/{i}.png")
        Path("cells", "Annotations", f"{i}.xml").write_text(f"<annotation>{objects}</annotation>")
    return tmp_path


SMALL = (
    "CACHE_DIR roidbs TRAIN.PROPOSAL_METHOD grid TEST.PROPOSAL_METHOD grid TRAIN.SCALES (90,) TEST.SCALES (90,) "
    "GRID.SMALLEST 20.0 GRID.MOST 300"
)


@pytest.mark.parametrize("method", ["ohem", "baseline"])
def test_trains_and_is_evaluated(folder: Path, method: str, capsys: pytest.CaptureFixture[str]) -> None:
    end = "" if method == "ohem" else "_baseline"
    command = f"train models/squeezenet_ohem/solver{end}.prototxt --cfg models/squeezenet_ohem/config{end}.yml"
    train = f"{command} --weights random.caffemodel --data voc:cells --iters 2 --set {SMALL}"
    assert main(train.split()) == 0, capsys.readouterr().err
    file = folder / "runs" / "squeezenet_ohem" / f"{method}_iter_2.caffemodel"
    before, after = load_weights(folder / "random.caffemodel"), load_weights(file)
    for name, (W, _) in before.items():
        same = np.array_equal(W, after[name][0])
        assert same == name.startswith(FROZEN), name
    evaluate = f"evaluate models/squeezenet_ohem/test.prototxt --cfg models/squeezenet_ohem/config{end}.yml"
    evaluate += f" --weights {file} --data voc:cells --out out --set {SMALL}"
    assert main(evaluate.split()) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert all(f"AP for {name} = " in out for name in CLASSES)
