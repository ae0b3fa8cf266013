"""Python layers as they were written for pycaffe, in a net of ours: nothing in them knows of minicaffe."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import minicaffe
from minicaffe import compat
from minicaffe.errors import Error

NET = """
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 2 dim: 3 }} }} }}
layer {{ name: "user" type: "Python" bottom: "data" top: "out" propagate_down: true
        python_param {{ module: "{module}" layer: "{layer}" param_str: "{param}" }} }}
"""

SCALE_BY_PHASE = """
import yaml
import numpy as np
import caffe
from caffe.proto import caffe_pb2

class ScaleLayer(caffe.Layer):
    def setup(self, bottom, top):
        if len(bottom) != 1:
            raise Exception("one bottom, please")
        params = yaml.safe_load(self.param_str_)
        assert self.param_str == self.param_str_
        self.factor = {'TRAIN': 1, 'TEST': params['factor']}[str(self.phase)]
        assert (self.phase == caffe.TEST) == (self.phase == 1)
        assert caffe_pb2.TEST == caffe.TEST

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data * self.factor

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            bottom[0].diff[...] = top[0].diff * self.factor
"""


@pytest.fixture(autouse=True)
def as_found():
    """Leave neither finders nor the users' modules behind."""
    before = set(sys.modules)
    yield
    compat.uninstall()
    for name in set(sys.modules) - before:
        if name.startswith("my_"):
            del sys.modules[name]


def build(folder, module, layer, param="", phase=minicaffe.TEST):
    path = folder / "net.prototxt"
    path.write_text(NET.format(module=module, layer=layer, param=param))
    return minicaffe.Net(str(path), phase)


@pytest.mark.parametrize("place", ["beside the prototxt", "on the path"])
def test_pycaffe_layer_runs_as_it_is(tmp_path, monkeypatch, place):
    module = f"my_layers_{'beside' if place.startswith('beside') else 'path'}"
    folder = tmp_path
    if place == "on the path":
        folder = tmp_path / "lib"
        folder.mkdir()
        monkeypatch.syspath_prepend(folder)
    (folder / f"{module}.py").write_text(SCALE_BY_PHASE)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    for phase, factor in ((minicaffe.TEST, 3), (minicaffe.TRAIN, 1)):
        net = build(tmp_path, module, "ScaleLayer", "'factor': 3", phase)
        np.testing.assert_array_equal(net.forward(data=x)["out"], factor * x)


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("print 'Initialised', __name__", "write print(...) with parentheses"),
        ("{'a': 1}.iteritems()", "write d.items()"),
        ("import cPickle", "write 'import pickle'"),
        ("import yaml; yaml.load('a: 1')", "write yaml.safe_load for yaml.load"),
    ],
)
def test_python_2_layer_is_told_how_to_mend(tmp_path, line, advice):
    (tmp_path / "my_old_layer.py").write_text(f"import caffe\n{line}\n")
    with pytest.raises(Error, match=r"net\.prototxt:3: layer 'user' \(Python\)") as caught:
        build(tmp_path, "my_old_layer", "Layer")
    assert advice in str(caught.value)
    assert caught.value.__cause__ is not None
