"""NetSpec: LeNet as pycaffe's own test writes it, the rules of names and keywords, and what is refused."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe.errors import NetError
from minicaffe.net_spec import NetSpec, Top, assign_proto, layers, param_names, params, to_proto
from minicaffe.proto import prototxt, schema

L, P = layers, params
XAVIER = {"type": "xavier"}

LENET = """
layer {
  name: "data" type: "DummyData" top: "data" top: "label" transform_param { scale: 0.00392156862745 }
  dummy_data_param { shape { dim: 2 dim: 1 dim: 28 dim: 28 } shape { dim: 2 dim: 1 dim: 1 dim: 1 } }
}
layer {
  name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 20 kernel_size: 5 weight_filler { type: "xavier" } }
}
layer {
  name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 }
}
layer {
  name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
  convolution_param { num_output: 50 kernel_size: 5 weight_filler { type: "xavier" } }
}
layer {
  name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 }
}
layer {
  name: "ip1" type: "InnerProduct" bottom: "pool2" top: "ip1"
  inner_product_param { num_output: 500 weight_filler { type: "xavier" } }
}
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer {
  name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""


def read(text):
    net = schema.NetParameter()
    text_format.Merge(text, net)
    return net


def lenet():
    n = NetSpec()
    n.data, n.label = L.DummyData(
        shape=[{"dim": [2, 1, 28, 28]}, {"dim": [2, 1, 1, 1]}], transform_param={"scale": 1.0 / 255}, ntop=2
    )
    n.conv1 = L.Convolution(n.data, kernel_size=5, num_output=20, weight_filler=XAVIER)
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.conv2 = L.Convolution(n.pool1, kernel_size=5, num_output=50, weight_filler=XAVIER)
    n.pool2 = L.Pooling(n.conv2, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.ip1 = L.InnerProduct(n.pool2, num_output=500, weight_filler=XAVIER)
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    n.ip2 = L.InnerProduct(n.relu1, num_output=10, weight_filler=XAVIER)
    n.loss = L.SoftmaxWithLoss(n.ip2, n.label)
    return n


def anonymous_lenet():
    data, label = L.DummyData(
        shape=[{"dim": [2, 1, 28, 28]}, {"dim": [2, 1, 1, 1]}], transform_param={"scale": 1.0 / 255}, ntop=2
    )
    conv1 = L.Convolution(data, kernel_size=5, num_output=20, weight_filler=XAVIER)
    pool1 = L.Pooling(conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    conv2 = L.Convolution(pool1, kernel_size=5, num_output=50, weight_filler=XAVIER)
    pool2 = L.Pooling(conv2, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    ip1 = L.InnerProduct(pool2, num_output=500, weight_filler=XAVIER)
    relu1 = L.ReLU(ip1, in_place=True)
    ip2 = L.InnerProduct(relu1, num_output=10, weight_filler=XAVIER)
    return L.SoftmaxWithLoss(ip2, label)


class TestLeNet:
    def test_equals_the_prototxt(self):
        assert lenet().to_proto() == read(LENET)

    def test_text_parses_to_the_same(self):
        net = lenet().to_proto()
        parsed = prototxt.without_origin(prototxt.parse(str(net), schema.NetParameter))
        assert parsed == net

    def test_builds(self, tmp_path):
        import minicaffe as caffe

        path = tmp_path / "lenet.prototxt"
        path.write_text(str(lenet().to_proto()))
        net = caffe.Net(str(path), caffe.TRAIN)
        assert list(net.params) == ["conv1", "conv2", "ip1", "ip2"]
        assert net.blobs["ip1"].shape == (2, 500)
        assert net.outputs == ["loss"]
        assert np.isfinite(net.forward()["loss"])

    def test_without_names(self):
        net = anonymous_lenet().to_proto()
        assert [layer.name for layer in net.layer] == [
            "DummyData1", "Convolution1", "Pooling1", "Convolution2", "Pooling2", "InnerProduct1", "ReLU1",
            "InnerProduct2", "SoftmaxWithLoss1",
        ]  # fmt: skip
        assert list(net.layer[0].top) == ["DummyData1", "DummyData2"]
        assert list(net.layer[-1].bottom) == ["InnerProduct2", "DummyData2"]
        assert list(net.layer[6].top) == ["InnerProduct1"]

    def test_genuine_generated_file(self, shared):
        n = NetSpec()
        n.data, n.label = L.HDF5Data(batch_size=10, source="examples/hdf5_classification/data/train.txt", ntop=2)
        n.ip1 = L.InnerProduct(n.data, num_output=40, weight_filler=XAVIER)
        n.relu1 = L.ReLU(n.ip1, in_place=True)
        n.ip2 = L.InnerProduct(n.ip1, num_output=2, weight_filler=XAVIER)
        n.accuracy = L.Accuracy(n.ip2, n.label)
        n.loss = L.SoftmaxWithLoss(n.ip2, n.label)
        genuine = shared / "prototxts/BVLC_caffe/examples/hdf5_classification/nonlinear_auto_train.prototxt"
        assert str(n.to_proto()) == genuine.read_text()


class TestNames:
    def test_layer_without_tops(self):
        n = NetSpec()
        n.data, n.data2 = L.DummyData(shape={"dim": 3}, ntop=2)
        n.silence_data = L.Silence(n.data, ntop=0)
        n.silence_data2 = L.Silence(n.data2, ntop=0)
        net = n.to_proto()
        assert [layer.type for layer in net.layer] == ["DummyData", "Silence", "Silence"]
        assert net.layer[1].name == "silence_data"
        assert list(net.layer[2].bottom) == ["data2"]
        assert not net.layer[1].top

    def test_layer_without_tops_or_name(self):
        silence = L.Silence(L.Input(), ntop=0)
        assert [layer.name for layer in to_proto(silence).layer] == ["Input1", "Silence1"]

    def test_unassigned_layers_are_written_when_needed(self):
        n = NetSpec()
        n.data = L.Input(shape={"dim": [1, 2]})
        n.out = L.ReLU(L.TanH(L.TanH(n.data)))
        assert [layer.name for layer in n.to_proto().layer] == ["data", "TanH1", "TanH2", "out"]

    def test_explicit_layer_name(self):
        n = NetSpec()
        n.top = L.Input(name="layer")
        (layer,) = n.to_proto().layer
        assert (layer.name, list(layer.top)) == ("layer", ["top"])

    def test_order_is_of_assignment_then_need(self):
        n = NetSpec()
        n.a = L.Input()
        b = L.Input()
        n.c = L.Eltwise(n.a, b)
        n.d = L.ReLU(n.a)
        assert [layer.name for layer in n.to_proto().layer] == ["a", "Input1", "c", "d"]

    def test_several_tops_share_what_they_need(self):
        data = L.Input()
        net = to_proto(L.ReLU(data), L.TanH(data))
        assert [layer.type for layer in net.layer] == ["Input", "ReLU", "TanH"]

    def test_items_are_attributes(self):
        n = NetSpec()
        n["conv/1"] = top = L.Input()
        n.b = L.ReLU(n["conv/1"])
        assert n["conv/1"] is top
        assert "b" in n
        assert n.keys() == list(n) == ["conv/1", "b"]
        assert n.vals() == [top, n.b]
        del n["conv/1"], n.b
        assert not n.keys()
        n.update({"x": top})
        assert n.x is top

    def test_missing_top_is_an_attribute_error(self):
        n = NetSpec()
        n.conv1 = L.Input()
        with pytest.raises(AttributeError, match=r"no top 'conv' .*did you mean 'conv1'"):
            n.conv  # noqa: B018

    def test_copy(self):
        n = NetSpec()
        n.a = L.Input()
        assert copy.copy(n).to_proto() == n.to_proto()
        assert copy.deepcopy(n).to_proto() == n.to_proto()

    def test_deeper_than_python_recurses(self):
        top = L.Input()
        for _ in range(3000):
            top = L.ReLU(top)
        assert len(top.to_proto().layer) == 3001

    @settings(deadline=None, max_examples=30)
    @given(st.lists(st.lists(st.integers(0, 100), min_size=1, max_size=3), max_size=12))
    def test_every_layer_comes_after_those_it_reads(self, wiring):
        tops = [L.Input()]
        for bottoms in wiring:
            tops.append(L.Eltwise(*(tops[i % len(tops)] for i in bottoms)))
        net = tops[-1].to_proto()
        written = set()
        for layer in net.layer:
            assert written.issuperset(layer.bottom)
            assert not written & set(layer.top)
            written |= set(layer.top)


class TestKeywords:
    def layer(self, make, *bottoms, **keywords):
        return to_proto(getattr(L, make)(*bottoms, **keywords)).layer[-1]

    def test_map_comes_from_the_schema(self):
        names = param_names()
        assert names["InnerProduct"] == "inner_product_param"
        assert names["Python"] == "python_param"
        assert names["ROIPooling"] == "roi_pooling_param"
        assert names["SmoothL1Loss"] == "smooth_l1_loss_param"
        assert "Softmax" in names
        assert "SoftmaxWithLoss" not in names

    def test_fields_of_the_layer(self):
        layer = self.layer(
            "InnerProduct",
            L.Input(),
            num_output=3,
            loss_weight=2,
            propagate_down=[False],
            include={"phase": schema.TEST},
            param=[{"name": "w", "lr_mult": 0}, {"name": "b"}],
        )
        assert layer.inner_product_param.num_output == 3
        assert list(layer.loss_weight) == [2]
        assert list(layer.propagate_down) == [False]
        assert layer.include[0].phase == schema.TEST
        assert [spec.name for spec in layer.param] == ["w", "b"]
        assert layer.param[0].lr_mult == 0
        assert not layer.param[1].HasField("lr_mult")

    def test_param_message_by_its_name(self):
        layer = self.layer("SoftmaxWithLoss", L.Input(), loss_param={"ignore_label": 255}, softmax_param={"axis": 2})
        assert layer.loss_param.ignore_label == 255
        assert layer.softmax_param.axis == 2

    def test_python_layer(self):
        layer = self.layer("Python", module="roi_data_layer.layer", layer="RoIDataLayer", param_str="'num_classes': 21")
        assert layer.python_param.layer == "RoIDataLayer"
        assert layer.python_param.param_str == "'num_classes': 21"

    def test_field_named_like_a_param_message(self):
        layer = self.layer("DetectionOutput", nms_param={"nms_threshold": 0.5})
        assert layer.detection_output_param.nms_param.nms_threshold == 0.5

    def test_values(self):
        assert list(self.layer("Slice", L.Input(), slice_point=[1, 2]).slice_param.slice_point) == [1, 2]
        assert list(self.layer("Slice", L.Input(), slice_point=(1, 2)).slice_param.slice_point) == [1, 2]
        assert list(self.layer("Slice", L.Input(), slice_point=np.array([1, 2])).slice_param.slice_point) == [1, 2]
        assert list(self.layer("Convolution", L.Input(), pad=np.int64(1)).convolution_param.pad) == [1]
        assert self.layer("Power", L.Input(), scale=np.float32(0.5)).power_param.scale == 0.5
        assert self.layer("Pooling", L.Input(), pool="AVE").pooling_param.pool == schema.PoolingParameter.AVE
        filler = schema.FillerParameter(type="msra")
        assert self.layer("Scale", L.Input(), filler=filler).scale_param.filler.type == "msra"

    def test_enum_values(self):
        assert P.Pooling.AVE == 1
        assert P.Eltwise.SUM == 1
        assert P.Data.LMDB == 1
        with pytest.raises(AttributeError, match=r"no message PolingParameter \(did you mean 'Pooling'"):
            P.Poling  # noqa: B018


class TestRefused:
    @pytest.mark.parametrize("bottom", ["data", None, 3, [L.Input()]])
    def test_bottom_that_is_not_a_top(self, bottom):
        with pytest.raises(TypeError, match=r"Convolution input 1 is not a Top \(type is <class '.*'>\)") as caught:
            L.Convolution(L.Input(), bottom)
        assert isinstance(caught.value, NetError)

    def test_assignment_of_something_else(self):
        n = NetSpec()
        with pytest.raises(TypeError, match=r"data is not a Top .*tuple.*unpacked"):
            n.data = L.DummyData(ntop=2)

    @pytest.mark.parametrize(
        ("keywords", "message"),
        [
            ({"num_ouput": 3}, r"no field 'num_ouput' .*Convolution layer \(did you mean 'num_output'"),
            ({"weight_filler": {"tpye": "xavier"}}, r"no field 'tpye' in FillerParameter \(did you mean 'type'"),
            ({"kernel_size": []}, r"at least one value"),
            ({"num_output": "many"}, r"field 'num_output' of ConvolutionParameter cannot hold 'many'"),
            ({"engine": "CUDA"}, r"Engine is one of DEFAULT, CAFFE, CUDNN"),
            ({"weight_filler": "xavier"}, r"field 'weight_filler' of ConvolutionParameter cannot hold 'xavier'"),
        ],
    )
    def test_keyword(self, keywords, message):
        with pytest.raises(NetError, match=message):
            L.Convolution(L.Input(), **keywords).to_proto()


def test_assign_proto_on_other_messages():
    solver = schema.SolverParameter()
    assign_proto(solver, "test_iter", 100)
    assign_proto(solver, "solver_mode", "CPU")
    assign_proto(solver, "train_state", {"stage": ["a", "b"], "level": 2})
    assert list(solver.test_iter) == [100]
    assert solver.solver_mode == schema.SolverParameter.CPU
    assert list(solver.train_state.stage) == ["a", "b"]


def test_top_belongs_to_its_function():
    data, label = L.Data(ntop=2)
    assert isinstance(label, Top)
    assert label.fn is data.fn
    assert (label.n, label.fn.type_name, label.fn.inputs) == (1, "Data", ())
