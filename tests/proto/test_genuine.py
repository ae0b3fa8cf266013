"""Genuine files of Caffe and its forks: every prototxt reads as protobuf reads it, every model and snapshot loads."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from minicaffe import errors
from minicaffe.proto import prototxt, read_net, read_solver, schema
from minicaffe.proto.upgrade import needs_upgrade, upgrade_net
from minicaffe.proto.wire import read_solverstate, read_weights

# Three files are templates of a generator script, with `cls3x` where a number will stand.
TEMPLATES = {f"MobileNetSSD_{phase}_template.prototxt" for phase in ("train", "test", "deploy")}


def kind_of(text: str) -> str:
    """Tell what a genuine prototxt defines, by what it says at its outer level."""
    if "item {" in text:
        return "LabelMap"
    return "SolverParameter" if "lr_policy:" in text or "base_lr:" in text else "NetParameter"


def prototxts(shared: Path) -> list[Path]:
    files = [*(shared / "prototxts").rglob("*"), *(shared / "models").rglob("*.prototxt")]
    return sorted(file for file in files if file.suffix in (".prototxt", ".pt") and file.name not in TEMPLATES)


def test_every_prototxt_reads_as_protobuf_reads_it(shared):
    files = prototxts(shared)
    kinds = set()
    for path in files:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        kinds.add(kind_of(text))
        message_class = schema.message_class(kind_of(text))
        ours = prototxt.parse(text, message_class, str(path))
        assert prototxt.without_origin(ours) == text_format.Parse(text, message_class()), path
    assert len(files) > 400
    assert kinds == {"NetParameter", "SolverParameter", "LabelMap"}


def test_every_net_and_solver_upgrades(shared):
    generations = {"layers": 0, "layer": 0}
    for path in prototxts(shared):
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        if kind_of(text) == "SolverParameter":
            solver = read_solver(path)
            assert solver.type in ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"), path
            assert not solver.HasField("solver_type")
        elif kind_of(text) == "NetParameter":
            generations["layers" if re.search(r"^\s*layers\b", text, re.MULTILINE) else "layer"] += 1
            net = read_net(path)
            assert not needs_upgrade(net), path
            assert net.layer, path
            assert not net.layers, path
            assert all(layer.type for layer in net.layer), path
            assert all(layer.origin.startswith(f"{path}:") for layer in net.layer), path
    assert min(generations.values()) > 10


def test_what_text_printing_gives_reads_back(shared):
    for path in prototxts(shared)[::20]:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        message = prototxt.parse(text, schema.message_class(kind_of(text)))
        again = prototxt.parse(prototxt.to_text(message), type(message))
        assert prototxt.without_origin(again) == prototxt.without_origin(message), path


def test_placeholders_of_templates_are_pointed_at(shared):
    path = next((shared / "prototxts").rglob("MobileNetSSD_train_template.prototxt"))
    with pytest.raises(errors.PrototxtError, match=r":2527:17: field 'num_output' expects an integer, found cls3x"):
        read_net(path)


MODELS = {
    "cifar10_full_2014/cifar10_full_iter_70000": ("layers", np.float32, True),
    "lenet_mnist_2014/lenet_iter_10000": ("layers", np.float32, True),
    "squeezenet_v1.0/squeezenet_v1.0": ("layer", np.float32, False),
    "mtcnn/det3": ("layer", np.float32, False),
    "hyperlpr_ssd/mininet_ssd_v1": ("layer", np.float32, False),
    "landmark106/landmark106": ("layer", np.float32, False),
    "ultraface_slim/slim-320": ("layer", np.float32, False),
    "hyperlpr_fp16/HorizonalFinemapping": ("layer", np.float16, False),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_read_as_protobuf_reads_them(shared, name):
    generation, dtype, legacy = MODELS[name]
    path = shared / "models" / f"{name}.caffemodel"
    message = schema.NetParameter.FromString(path.read_bytes())
    weights = read_weights(path)
    layers = getattr(message, generation)
    upgraded = list(upgrade_net(message).layer)[-len(layers) :]
    assert weights.name == message.name
    assert [layer.name for layer in weights.layers] == [layer.name for layer in layers]
    assert [layer.type for layer in weights.layers] == [layer.type for layer in upgraded]
    assert [len(layer.blobs) for layer in weights.layers] == [len(layer.blobs) for layer in layers]
    pairs = [
        pair for old, new in zip(layers, weights.layers, strict=True) for pair in zip(old.blobs, new.blobs, strict=True)
    ]
    assert pairs
    for old, new in pairs:
        values = np.frombuffer(old.raw_data, "<f2") if old.raw_data else np.array(old.data, np.float32)
        np.testing.assert_array_equal(new.data.ravel(), values)
        dims = (old.num, old.channels, old.height, old.width) if legacy else tuple(old.shape.dim)
        assert (new.shape, new.legacy, new.data.dtype) == (dims, legacy, dtype)


@pytest.mark.parametrize(
    ("name", "iteration", "learned_net"),
    [
        ("lenet_mnist_2014/lenet_iter_5000", 5000, "examples/mnist/lenet_iter_5000.caffemodel"),
        ("cifar10_full_2014/cifar10_full_iter_70000", 70000, "examples/cifar10/cifar10_full_lr2_iter_70000.caffemodel"),
    ],
)
def test_snapshots(shared, name, iteration, learned_net):
    path = shared / "models" / f"{name}.solverstate"
    state = read_solverstate(path)
    message = schema.SolverState.FromString(path.read_bytes())
    assert (state.iter, state.learned_net, state.current_step) == (iteration, learned_net, 0)
    assert len(state.history) == len(message.history) == 8
    for array, blob in zip(state.history, message.history, strict=True):
        np.testing.assert_array_equal(array.ravel(), np.array(blob.data, np.float32))


def test_a_genuine_snapshot_is_no_model_and_the_other_way_round(shared):
    folder = shared / "models" / "lenet_mnist_2014"
    with pytest.raises(errors.WeightsError, match=r"but this is a .solverstate"):
        read_weights(folder / "lenet_iter_5000.solverstate")
    with pytest.raises(errors.WeightsError, match=r"but this is a .caffemodel"):
        read_solverstate(folder / "lenet_iter_5000.caffemodel")


@pytest.mark.parametrize("name", ["mtcnn/det1.caffemodel", "hyperlpr_fp16/HorizonalFinemapping.caffemodel"])
def test_genuine_models_cut_short(shared, tmp_path, name):
    content = (shared / "models" / name).read_bytes()
    path = tmp_path / "cut.caffemodel"
    whole = len(read_weights(shared / "models" / name).layers)
    for end in [*range(1, 400), *range(400, len(content), 97)]:
        path.write_bytes(content[:end])
        try:
            assert len(read_weights(path).layers) < whole
        except errors.WeightsError as error:
            assert "cut.caffemodel" in str(error)
