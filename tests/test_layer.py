"""Layer: the registry, and what the base class does for every layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minicaffe
from minicaffe import layer
from minicaffe.blob import Blob
from minicaffe.errors import NetError
from minicaffe.layer import Layer, Setting, layer_class, register
from minicaffe.phase import TEST, TRAIN
from minicaffe.proto import schema

BVLC = """
AbsVal Accuracy ArgMax BNLL BatchNorm BatchReindex Bias Clip Concat ContrastiveLoss Convolution Crop Data Deconvolution
Dropout DummyData ELU Eltwise Embed EuclideanLoss Exp Filter Flatten HDF5Data HDF5Output HingeLoss Im2col ImageData
InfogainLoss InnerProduct Input LRN LSTM LSTMUnit Log MVN MemoryData MultinomialLogisticLoss PReLU Parameter Pooling
Power Python RNN ReLU Reduction Reshape SPP Scale Sigmoid SigmoidCrossEntropyLoss Silence Slice Softmax SoftmaxWithLoss
Split Swish TanH Threshold Tile WindowData
"""


def test_every_layer_of_bvlc_is_there_and_none_that_is_not() -> None:
    types = minicaffe.layer_type_list()
    assert len(BVLC.split()) == 61
    assert set(BVLC.split()) <= set(types)
    assert {"ROIPooling", "SmoothL1Loss"} <= set(types)
    assert "Convolutoin" not in types
    assert types == sorted(types)


@pytest.mark.parametrize("name", [name for name in minicaffe.layer_type_list() if name != "Python"])
def test_every_type_can_be_created_and_knows_its_name(name: str) -> None:
    param = schema.LayerParameter(name="one", type=name)
    made = layer_class(param).create(param, Setting(phase=TRAIN))
    assert isinstance(made, Layer)
    assert (made.type, made.name, made.phase) == (name, "one", TRAIN)
    assert made.where == f"layer 'one' ({name})"


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> type[Layer]:
    """A layer type registered for the test alone."""
    monkeypatch.setattr(layer, "_registry", dict(layer._registry))

    @register("MyVeryOwn")
    class Mine(Layer):
        bottoms = 1
        tops = 1

        def reshape(self, bottom: Any, top: Any) -> None:
            top[0].reshape_like(bottom[0])

        def forward(self, bottom: Any, top: Any) -> None:
            top[0].array[...] = 3 * bottom[0].array

    return Mine


def test_a_registered_class_is_found_by_its_type(own: type[Layer]) -> None:
    assert layer_class(schema.LayerParameter(type="MyVeryOwn")) is own
    assert "MyVeryOwn" in minicaffe.layer_type_list()
    with pytest.raises(NetError, match=r"unknown layer type 'MyVeryOwm' \(did you mean 'MyVeryOwn'\?\)"):
        layer_class(schema.LayerParameter(type="MyVeryOwm"))


def test_without_a_backward_of_its_own_a_layer_has_no_gradient(own: type[Layer]) -> None:
    mine = own(schema.LayerParameter(name="m", type="MyVeryOwn"))
    bottom, top = Blob((2,)), Blob()
    mine.reshape([bottom], [top])
    mine.backward([top], [False], [bottom])
    with pytest.raises(NetError, match=r"layer 'm' \(MyVeryOwn\): has no gradient for bottom\[0\]"):
        mine.backward([top], [True], [bottom])


def test_a_failure_shows_bottoms_shapes_and_producers(own: type[Layer]) -> None:
    mine = own(schema.LayerParameter(name="m", type="MyVeryOwn", origin="n.prototxt:7"))
    blob = Blob((2, 3), name="x")
    blob.producer = "n.prototxt:3: layer 'd' (Input)"
    with pytest.raises(NetError) as caught:
        mine.check(False, "cannot be", [blob])
    assert str(caught.value) == (
        "n.prototxt:7: layer 'm' (MyVeryOwn): cannot be\n"
        "  bottom[0] 'x' has shape (2, 3), produced by n.prototxt:3: layer 'd' (Input)"
    )
    mine.check(True, "can be")


def test_axes_are_counted_from_either_end(own: type[Layer]) -> None:
    mine, blob = own(), Blob((2, 3, 4), name="x")
    assert [mine.axis(blob, axis) for axis in (0, 2, -1, -3)] == [0, 2, 2, 0]
    for axis in (3, -4):
        with pytest.raises(NetError, match=f"axis {axis} is out of range for a blob of 3 axes"):
            mine.axis(blob, axis)


def test_parameters_are_zero_until_filled_and_learn_unless_told_otherwise(own: type[Layer]) -> None:
    mine = own(schema.LayerParameter(name="m"), Setting(phase=TEST, dtype=np.float64))
    filler = schema.FillerParameter(type="xavier")
    weights = mine.add_param((2, 3), filler)
    mine.add_param((2,))
    assert [blob.shape for blob in mine.blobs] == [(2, 3), (2,)]
    assert weights.dtype == np.float64
    assert not weights.array.any()
    assert mine.fillers == {0: filler}
    assert (mine.learns(0), mine.learns(1)) == (True, True)
    mine.param_propagate_down = [True, False]
    assert (mine.learns(0), mine.learns(1)) == (True, False)


def test_streams_go_by_layer_and_purpose(own: type[Layer]) -> None:
    setting = Setting()
    one, two = (own(schema.LayerParameter(name=name), setting) for name in ("one", "two"))
    assert one.stream() is setting.streams.stream("layer/one")
    assert one.stream("mask") is setting.streams.stream("layer/one/mask")
    assert one.stream().random() != two.stream().random()
