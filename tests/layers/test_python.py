"""Python layers, pycaffe's form and ours: found, run, learned, and their exceptions kept."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicaffe
from minicaffe.errors import LayerError, NetError
from minicaffe.proto import prototxt, schema

LEGACY = '''
import caffe
import numpy as np


class Times(caffe.Layer):
    """y = x * factor * w"""

    def setup(self, bottom, top):
        self.factor = float(self.param_str)
        assert self.param_str == self.param_str_
        self.blobs.add_blob(1)
        self.blobs[0].data[0] = 1

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.factor * self.blobs[0].data[0] * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[0] += np.sum(top[0].diff * self.factor * bottom[0].data)
        if propagate_down[0]:
            bottom[0].diff[...] = self.factor * self.blobs[0].data[0] * top[0].diff


class TellPhase(caffe.Layer):
    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        top[0].reshape(1)

    def forward(self, bottom, top):
        top[0].data[0] = {"TRAIN": 1, "TEST": 2}[str(self.phase)]
        assert self.phase in (caffe.TRAIN, caffe.TEST)


class Raises(caffe.Layer):
    def reshape(self, bottom, top):
        top[0].reshape(1)

    def forward(self, bottom, top):
        raise RuntimeError("not today")


class NotALayer:
    pass


def outside(self):
    pass
'''


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "my_layers.py").write_text(LEGACY)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("my_layers"):
            del sys.modules[name]


def net(folder: Path, layer: str, module: str = "my_layers", param_str: str = "2", more: str = "") -> minicaffe.Net:
    text = (
        "layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: 2 dim: 3 } } }"
        f"layer {{ name: 'p' type: 'Python' bottom: 'x' top: 'y' {more} python_param {{ module: '{module}' "
        f"layer: '{layer}' param_str: '{param_str}' }} }}"
    )
    return minicaffe.Net(prototxt.parse(text, schema.NetParameter, file="n.prototxt"), phase="TRAIN", folder=folder)


def test_legacy_layer_runs_forward_and_backward(folder: Path) -> None:
    n = net(folder, "Times", more="loss_weight: 1 propagate_down: true")
    n.blobs["x"].data[...] = np.arange(6).reshape(2, 3)
    assert n.forward_loss() == 30
    np.testing.assert_array_equal(n.blobs["y"].data, 2 * np.arange(6).reshape(2, 3))
    n.backward()
    assert n.params["p"][0].diff[0] == 30
    np.testing.assert_array_equal(n.blobs["x"].diff, np.full((2, 3), 2))
    assert type(n.layers[1]).__name__ == "Times"


def test_its_parameters_are_saved_and_loaded(folder: Path) -> None:
    n = net(folder, "Times")
    n.params["p"][0].data[0] = 4
    n.save(folder / "n.caffemodel")
    other = net(folder, "Times")
    assert other.params["p"][0].data[0] == 1
    other.copy_from(folder / "n.caffemodel")
    assert other.params["p"][0].data[0] == 4


def test_its_parameters_learn_by_their_lr_mult(folder: Path) -> None:
    n = net(folder, "Times", more="loss_weight: 1 param { lr_mult: 3 }")
    assert [(p.name, p.lr_mult, p.trained) for p in n.learnable] == [("p[0]", 3, True)]


def test_phase_is_int_and_string(folder: Path) -> None:
    n = net(folder, "TellPhase")
    assert n.forward()["y"][0] == 1


def test_an_exception_keeps_its_traceback(folder: Path) -> None:
    n = net(folder, "Raises")
    with pytest.raises(
        RuntimeError, match=r"n\.prototxt:1: layer 'p' \(Python\): forward raised RuntimeError: not today"
    ) as error:
        n.forward()
    cause = error.value.__cause__
    assert isinstance(error.value, LayerError)
    assert isinstance(cause, RuntimeError)
    frames = []
    traceback = cause.__traceback__
    while traceback:
        frames.append(traceback.tb_frame.f_code.co_filename)
        traceback = traceback.tb_next
    assert frames[-1].endswith("my_layers.py")


def test_a_missing_module_says_where_it_was_looked_for(folder: Path) -> None:
    with pytest.raises(NetError, match="cannot find the Python module 'nowhere_layers'") as error:
        net(folder, "Times", module="nowhere_layers")
    assert str(folder) in str(error.value)


def test_a_missing_class_names_the_nearest(folder: Path) -> None:
    with pytest.raises(NetError, match=r"has no class 'Time' \(did you mean 'Times'"):
        net(folder, "Time")


def test_a_class_that_is_no_layer(folder: Path) -> None:
    with pytest.raises(NetError, match="is not a layer"):
        net(folder, "NotALayer")


def test_an_import_error_inside_the_module_is_told(folder: Path) -> None:
    (folder / "my_layers_broken.py").write_text("import caffe\nimport surely_not_installed\n")
    with pytest.raises(LayerError, match="importing 'my_layers_broken' raised ModuleNotFoundError") as error:
        net(folder, "Times", module="my_layers_broken")
    assert isinstance(error.value.__cause__, ModuleNotFoundError)


def test_a_module_on_the_path_is_found(folder: Path, tmp_path_factory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "my_layers_elsewhere.py").write_text(LEGACY)
    monkeypatch.syspath_prepend(str(elsewhere))
    assert net(folder, "Times", module="my_layers_elsewhere").layers[1].factor == 2  # type: ignore[attr-defined]


def test_equal_module_names_in_two_folders_do_not_mix(folder: Path, tmp_path_factory: Any) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "my_layers.py").write_text(LEGACY.replace("float(self.param_str)", "10"))
    first, second = net(folder, "Times"), net(other, "Times")
    assert (first.layers[1].factor, second.layers[1].factor) == (2.0, 10)  # type: ignore[attr-defined]


def test_module_and_layer_are_required(folder: Path) -> None:
    with pytest.raises(NetError, match="needs both 'module' and 'layer'"):
        net(folder, "")


def test_our_own_form(tmp_path: Path) -> None:
    (tmp_path / "my_layers_native.py").write_text(
        "from minicaffe import Layer\n"
        "class Sum(Layer):\n"
        "    bottoms, tops = 1, 1\n"
        "    def reshape(self, bottom, top):\n"
        "        top[0].reshape()\n"
        "    def forward(self, bottom, top):\n"
        "        top[0].array[...] = bottom[0].array.sum()\n"
    )
    n = net(tmp_path, "Sum", module="my_layers_native")
    n.blobs["x"].data[...] = 2
    assert n.forward()["y"] == 12
    sys.modules.pop("my_layers_native", None)


def chain(folder: Path) -> minicaffe.Net:
    layers = ["layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: 10 dim: 9 dim: 8 } } }"] + [
        f"layer {{ name: 'p{i}' type: 'Python' bottom: '{bottom}' top: 'p{i}' python_param {{ module: 'my_layers' "
        "layer: 'Times' param_str: '10' } }"
        for i, bottom in enumerate(("x", "p0", "p1"))
    ]
    text = "force_backward: true " + " ".join(layers)
    return minicaffe.Net(prototxt.parse(text, schema.NetParameter), phase="TRAIN", folder=folder)


def test_three_layers_times_ten_are_times_a_thousand(folder: Path) -> None:
    n = chain(folder)
    n.blobs["x"].data[...] = 8
    assert (n.forward()["p2"] == 8000).all()
    n.blobs["p2"].diff[...] = 7
    assert (n.backward()["x"] == 7000).all()


def test_they_follow_a_new_shape(folder: Path) -> None:
    n = chain(folder)
    n.blobs["x"].reshape(4)
    n.blobs["x"].data[...] = 8
    n.reshape()
    assert n.forward()["p2"].tolist() == [8000] * 4
