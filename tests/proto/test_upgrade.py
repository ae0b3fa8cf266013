"""V1 nets, `input` fields, BatchNorm params, old solvers: every rule of the upgrade."""

from __future__ import annotations

import pytest

from minicaffe import errors
from minicaffe.proto import schema
from minicaffe.proto.prototxt import parse, without_origin
from minicaffe.proto.upgrade import V1_TYPES, needs_upgrade, upgrade_net, upgrade_solver, v1_type


def net(text: str):
    return parse(text, schema.NetParameter, file="n.prototxt")


def solver(text: str):
    return parse(text, schema.SolverParameter, file="s.prototxt")


def same(left, right) -> bool:
    return without_origin(left) == without_origin(right)


TYPES = (
    "ABSVAL AbsVal · ACCURACY Accuracy · ARGMAX ArgMax · BNLL BNLL · CONCAT Concat · CONVOLUTION Convolution · "
    "CONTRASTIVE_LOSS ContrastiveLoss · DECONVOLUTION Deconvolution · DATA Data · DROPOUT Dropout · "
    "DUMMY_DATA DummyData · EUCLIDEAN_LOSS EuclideanLoss · ELTWISE Eltwise · EXP Exp · FLATTEN Flatten · "
    "HDF5_DATA HDF5Data · HDF5_OUTPUT HDF5Output · HINGE_LOSS HingeLoss · IM2COL Im2col · IMAGE_DATA ImageData · "
    "INFOGAIN_LOSS InfogainLoss · INNER_PRODUCT InnerProduct · LRN LRN · MEMORY_DATA MemoryData · "
    "MULTINOMIAL_LOGISTIC_LOSS MultinomialLogisticLoss · MVN MVN · POOLING Pooling · POWER Power · RELU ReLU · "
    "SIGMOID Sigmoid · SIGMOID_CROSS_ENTROPY_LOSS SigmoidCrossEntropyLoss · SILENCE Silence · SOFTMAX Softmax · "
    "SOFTMAX_LOSS SoftmaxWithLoss · SPLIT Split · SLICE Slice · TANH TanH · WINDOW_DATA WindowData · "
    "THRESHOLD Threshold"
)


@pytest.mark.parametrize("pair", TYPES.split(" · "))
def test_v1_types(pair):
    old, new = pair.split()
    assert same(upgrade_net(net(f"layers {{ type: {old} }}")), net(f'layer {{ type: "{new}" }}'))
    assert v1_type(schema.V1LayerParameter.LayerType.Value(old)) == new


def test_every_v1_type_has_a_name_of_today():
    assert set(V1_TYPES) == set(schema.V1LayerParameter.LayerType.keys())
    assert (v1_type(0), v1_type(40)) == ("", "V1 type 40")


def test_v1_fields_are_carried_over():
    old = """
        layers { name: "a" type: CONVOLUTION bottom: "b" top: "t" top: "u" loss_weight: 2
          include { phase: TRAIN stage: "s" } exclude { min_level: 1 }
          transform_param { scale: 2 } loss_param { ignore_label: 3 } convolution_param { kernel_size: 3 stride: 1 }
          blobs { num: 1 channels: 1 height: 1 width: 2 data: 1 data: 2 } }"""
    assert same(upgrade_net(net(old)), net(old.replace("layers", "layer").replace("CONVOLUTION", '"Convolution"')))


def test_every_nested_parameter_of_v1_goes_along():
    for field in schema.V1LayerParameter.DESCRIPTOR.fields:
        if field.name.endswith("_param"):
            old = schema.NetParameter()
            getattr(old.layers.add(), field.name).SetInParent()
            assert upgrade_net(old).layer[0].HasField(field.name), field.name


def test_parallel_lists_become_params():
    old = """layers { param: "w" param: "b" param: "c" blob_share_mode: STRICT blob_share_mode: PERMISSIVE
                      blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0 weight_decay: 3 weight_decay: 4 }"""
    new = """layer { param { name: "w" share_mode: STRICT lr_mult: 1 decay_mult: 1 }
                     param { name: "b" share_mode: PERMISSIVE lr_mult: 2 decay_mult: 0 }
                     param { name: "c" decay_mult: 3 } param { decay_mult: 4 } }"""
    assert same(upgrade_net(net(old)), net(new))


def test_origin_goes_along():
    upgraded = upgrade_net(net('input: "x" input_dim: [1, 2, 3, 4]\nlayers { }\n\nlayers { }'))
    assert [layer.origin for layer in upgraded.layer] == ["n.prototxt:1", "n.prototxt:2", "n.prototxt:4"]
    assert upgraded.origin == "n.prototxt:1"


def test_both_spellings_at_once_are_refused():
    with pytest.raises(errors.PrototxtError, match=r"n.prototxt:2: .*'layers' \(old\).*n.prototxt:3"):
        upgrade_net(net("\nlayers { }\nlayer { }"))


@pytest.mark.parametrize(
    ("kind", "param"),
    [("DATA", "data_param"), ("IMAGE_DATA", "image_data_param"), ("WINDOW_DATA", "window_data_param")],
)
def test_transformations_move_out_of_v1_data_layers(kind, param):
    old = f'layers {{ type: {kind} {param} {{ source: "s" scale: 2 mean_file: "m" crop_size: 3 mirror: true }} }}'
    (upgraded,) = upgrade_net(net(old)).layer
    expected = f'{param} {{ source: "s" }} transform_param {{ scale: 2 mean_file: "m" crop_size: 3 mirror: true }}'
    upgraded.ClearField("type")
    assert same(upgraded, parse(expected, schema.LayerParameter))


def test_transformations_stay_in_layers_of_today_and_in_other_types():
    today = net('layer { type: "Data" data_param { scale: 2 } }')
    assert same(upgrade_net(today), today)
    assert not needs_upgrade(today)
    (other,) = upgrade_net(net("layers { type: RELU data_param { scale: 2 } }")).layer
    assert other.data_param.scale == 2
    assert not other.HasField("transform_param")


def test_input_shape_becomes_a_first_layer():
    old = 'name: "n" input: "a" input: "b" input_shape { dim: 1 dim: 2 } input_shape { dim: 3 } layer { name: "c" }'
    new = """name: "n"
        layer { name: "input" type: "Input" top: "a" top: "b"
                input_param { shape { dim: 1 dim: 2 } shape { dim: 3 } } }
        layer { name: "c" }"""
    assert same(upgrade_net(net(old)), net(new))


def test_input_dim_becomes_four_axes_each():
    old = 'input: "a" input: "b" input_dim: [1, 2, 3, 4, 5, 6, 7, 8] layers { name: "c" }'
    new = """layer { name: "input" type: "Input" top: "a" top: "b"
                     input_param { shape { dim: [1, 2, 3, 4] } shape { dim: [5, 6, 7, 8] } } }
             layer { name: "c" }"""
    assert same(upgrade_net(net(old)), net(new))


def test_input_shape_goes_before_input_dim():
    upgraded = upgrade_net(net('input: "a" input_dim: [1, 2, 3, 4] input_shape { dim: 9 }'))
    assert list(upgraded.layer[0].input_param.shape[0].dim) == [9]


def test_inputs_without_shape_are_dropped():
    assert same(upgrade_net(net('input: "a" layer { name: "c" }')), net('layer { name: "c" }'))


def test_shapes_without_inputs_are_left_alone():
    shapes = net("input_dim: 1 input_shape { dim: 2 }")
    assert same(upgrade_net(shapes), shapes)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('input: "a" input: "b" input_dim: [1, 2, 3, 4]', "n.prototxt:1: .*2 input.*needs 8 input_dim.*found 4"),
        ('input: "a" input: "b" input_shape { dim: 1 }', "needs as many input_shape; found 1"),
    ],
)
def test_inputs_without_enough_shapes_are_refused(text, what):
    with pytest.raises(errors.PrototxtError, match=what):
        upgrade_net(net(text))


def test_batch_norm_with_three_params_stops_learning_them():
    old = 'layer { type: "BatchNorm" param { lr_mult: 1 } param { name: "v" } param { decay_mult: 1 } }'
    frozen = "lr_mult: 0 decay_mult: 0"
    new = f'layer {{ type: "BatchNorm" param {{ {frozen} }} param {{ name: "v" {frozen} }} param {{ {frozen} }} }}'
    assert needs_upgrade(net(old))
    assert same(upgrade_net(net(old)), net(new))
    assert not needs_upgrade(net(new))


@pytest.mark.parametrize(
    "text",
    [
        'layer { type: "BatchNorm" param { lr_mult: 1 } }',
        'layer { type: "BatchNorm" param { } param { } param { } param { } }',
        'layer { type: "Scale" param { } param { } param { } }',
    ],
)
def test_other_params_keep_learning(text):
    assert same(upgrade_net(net(text)), net(text))
    assert not needs_upgrade(net(text))


def test_the_argument_stays_as_it_is():
    old = net('input: "a" input_dim: [1, 2, 3, 4] layers { type: DATA data_param { scale: 2 } blobs_lr: 1 }')
    before = old.SerializeToString()
    new = upgrade_net(old)
    assert needs_upgrade(old)
    assert not needs_upgrade(new)
    assert old.SerializeToString() == before
    assert upgrade_net(new) == new


@pytest.mark.parametrize(
    "pair", ["SGD SGD", "NESTEROV Nesterov", "ADAGRAD AdaGrad", "RMSPROP RMSProp", "ADADELTA AdaDelta", "ADAM Adam"]
)
def test_solver_types(pair):
    old, new = pair.split()
    assert same(upgrade_solver(solver(f"solver_type: {old}")), solver(f'type: "{new}"'))


def test_solver_types_of_both_spellings_are_refused():
    with pytest.raises(errors.SolverError, match=r"s.prototxt:1: solver_type and type are both given"):
        upgrade_solver(solver('type: "SGD" solver_type: SGD'))


def test_snapshot_prefix_defaults_to_the_name_of_the_file(tmp_path):
    assert upgrade_solver(solver(""), "dir.x/lenet_solver.prototxt").snapshot_prefix == "dir.x/lenet_solver"
    assert upgrade_solver(solver('snapshot_prefix: "a/b"'), "x.prototxt").snapshot_prefix == "a/b"
    assert upgrade_solver(solver('snapshot_prefix: ""'), "x.prototxt").snapshot_prefix == ""
    assert not upgrade_solver(solver("")).HasField("snapshot_prefix")
    folder = str(tmp_path)
    in_folder = upgrade_solver(schema.SolverParameter(snapshot_prefix=folder), "a/x.prototxt")
    assert in_folder.snapshot_prefix == f"{folder}/x"
    assert upgrade_solver(schema.SolverParameter(snapshot_prefix=folder)).snapshot_prefix == folder


def test_nets_inside_a_solver_are_left_alone():
    old = solver("net_param { layers { type: RELU } }")
    assert same(upgrade_solver(old, "x").net_param, old.net_param)
