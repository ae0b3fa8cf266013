"""V0 nets: every type, every field, padding layers, and what is dropped with a note."""

from __future__ import annotations

import logging

import pytest

from minicaffe import errors
from minicaffe.proto import schema
from minicaffe.proto.prototxt import parse, without_origin
from minicaffe.proto.upgrade import needs_upgrade, upgrade_net
from minicaffe.proto.upgrade_v0 import fold_padding, is_v0, upgrade_v0


def net(text: str):
    return parse(text, schema.NetParameter, file="v0.prototxt")


def v1(text: str, notes: list[str] | None = None):
    """The one V1 layer that the one V0 layer `text` becomes, without origin."""
    (layer,) = upgrade_v0(net(text), [] if notes is None else notes).layers
    return without_origin(layer)


def layer(text: str):
    return parse(text, schema.V1LayerParameter, file="")


TYPES = (
    "accuracy ACCURACY, bnll BNLL, concat CONCAT, conv CONVOLUTION, data DATA, dropout DROPOUT, "
    "euclidean_loss EUCLIDEAN_LOSS, flatten FLATTEN, hdf5_data HDF5_DATA, hdf5_output HDF5_OUTPUT, im2col IM2COL, "
    "images IMAGE_DATA, infogain_loss INFOGAIN_LOSS, innerproduct INNER_PRODUCT, lrn LRN, "
    "multinomial_logistic_loss MULTINOMIAL_LOGISTIC_LOSS, pool POOLING, relu RELU, sigmoid SIGMOID, softmax SOFTMAX, "
    "softmax_loss SOFTMAX_LOSS, split SPLIT, tanh TANH, window_data WINDOW_DATA"
)


@pytest.mark.parametrize("pair", TYPES.split(", "))
def test_types(pair):
    old, new = pair.split()
    assert v1(f'layers {{ layer {{ name: "x" type: "{old}" }} }}') == without_origin(layer(f'name: "x" type: {new}'))


FILLER = '{ type: "gaussian" std: 0.01 }'
FIELDS = [
    ("conv", "num_output: 5", "convolution_param { num_output: 5 }"),
    ("innerproduct", "num_output: 5", "inner_product_param { num_output: 5 }"),
    ("conv", "biasterm: false", "convolution_param { bias_term: false }"),
    ("innerproduct", "biasterm: false", "inner_product_param { bias_term: false }"),
    ("conv", f"weight_filler {FILLER}", f"convolution_param {{ weight_filler {FILLER} }}"),
    ("innerproduct", f"bias_filler {FILLER}", f"inner_product_param {{ bias_filler {FILLER} }}"),
    ("conv", "pad: 2", "convolution_param { pad: 2 }"),
    ("pool", "pad: 2", "pooling_param { pad: 2 }"),
    ("conv", "kernelsize: 3", "convolution_param { kernel_size: 3 }"),
    ("pool", "kernelsize: 3", "pooling_param { kernel_size: 3 }"),
    ("conv", "stride: 2", "convolution_param { stride: 2 }"),
    ("pool", "stride: 2", "pooling_param { stride: 2 }"),
    ("conv", "group: 2", "convolution_param { group: 2 }"),
    ("pool", "pool: STOCHASTIC", "pooling_param { pool: STOCHASTIC }"),
    ("dropout", "dropout_ratio: 0.3", "dropout_param { dropout_ratio: 0.3 }"),
    ("lrn", "local_size: 3", "lrn_param { local_size: 3 }"),
    ("lrn", "alpha: 0.1", "lrn_param { alpha: 0.1 }"),
    ("lrn", "beta: 0.1", "lrn_param { beta: 0.1 }"),
    ("lrn", "k: 2", "lrn_param { k: 2 }"),
    ("data", 'source: "s"', 'data_param { source: "s" }'),
    ("hdf5_data", 'source: "s"', 'hdf5_data_param { source: "s" }'),
    ("images", 'source: "s"', 'image_data_param { source: "s" }'),
    ("window_data", 'source: "s"', 'window_data_param { source: "s" }'),
    ("infogain_loss", 'source: "s"', 'infogain_loss_param { source: "s" }'),
    ("data", "batchsize: 7", "data_param { batch_size: 7 }"),
    ("hdf5_data", "batchsize: 7", "hdf5_data_param { batch_size: 7 }"),
    ("images", "batchsize: 7", "image_data_param { batch_size: 7 }"),
    ("window_data", "batchsize: 7", "window_data_param { batch_size: 7 }"),
    ("data", "rand_skip: 7", "data_param { rand_skip: 7 }"),
    ("images", "rand_skip: 7", "image_data_param { rand_skip: 7 }"),
    ("images", "shuffle_images: true", "image_data_param { shuffle: true }"),
    ("images", "new_height: 7", "image_data_param { new_height: 7 }"),
    ("images", "new_width: 7", "image_data_param { new_width: 7 }"),
    ("concat", "concat_dim: 0", "concat_param { concat_dim: 0 }"),
    ("window_data", "det_fg_threshold: 0.6", "window_data_param { fg_threshold: 0.6 }"),
    ("window_data", "det_bg_threshold: 0.6", "window_data_param { bg_threshold: 0.6 }"),
    ("window_data", "det_fg_fraction: 0.6", "window_data_param { fg_fraction: 0.6 }"),
    ("window_data", "det_context_pad: 6", "window_data_param { context_pad: 6 }"),
    ("window_data", 'det_crop_mode: "square"', 'window_data_param { crop_mode: "square" }'),
    ("data", "scale: 0.5", "transform_param { scale: 0.5 }"),
    ("images", 'meanfile: "m"', 'transform_param { mean_file: "m" }'),
    ("window_data", "cropsize: 7", "transform_param { crop_size: 7 }"),
    ("relu", "mirror: true", "transform_param { mirror: true }"),
    ("hdf5_output", 'hdf5_output_param { file_name: "f" }', 'hdf5_output_param { file_name: "f" }'),
    ("conv", "blobs_lr: 1 blobs_lr: 2", "blobs_lr: 1 blobs_lr: 2"),
    ("conv", "weight_decay: 1 weight_decay: 0", "weight_decay: 1 weight_decay: 0"),
    ("conv", "blobs { data: 1 data: 2 }", "blobs { data: 1 data: 2 }"),
]


@pytest.mark.parametrize(("kind", "old", "new"), FIELDS)
def test_fields(kind, old, new):
    notes: list[str] = []
    upgraded = v1(f'layers {{ layer {{ type: "{kind}" {old} }} bottom: "b" top: "t" }}', notes)
    upgraded.ClearField("type")
    assert upgraded == without_origin(layer(f'{new} bottom: "b" top: "t"'))
    assert notes == []


@pytest.mark.parametrize(
    ("kind", "old"),
    [
        ("relu", "num_output: 5"),
        ("pool", "group: 2"),
        ("conv", "pool: MAX"),
        ("conv", "dropout_ratio: 0.1"),
        ("data", "shuffle_images: true"),
        ("hdf5_data", "rand_skip: 1"),
        ("data", "det_context_pad: 1"),
        ("conv", 'hdf5_output_param { file_name: "f" }'),
        ("conv", "new_num: 1"),
    ],
)
def test_values_without_meaning_are_dropped_with_a_note(kind, old):
    notes: list[str] = []
    upgraded = v1(f'layers {{ layer {{ name: "x" type: "{kind}" {old} }} }}', notes)
    assert [field.name for field, _ in upgraded.ListFields()] == ["name", "type"]
    assert notes == [f"v0.prototxt:1: layer 'x' ({kind}): has no use for {old.split(':')[0].split()[0]}: dropped"]


def test_fields_beside_the_nested_layer_are_dropped_with_a_note():
    notes: list[str] = []
    assert (
        v1('layers { layer { name: "x" type: "relu" } include { phase: TRAIN } }', notes).ByteSize()
        == v1('layers { layer { name: "x" type: "relu" } }').ByteSize()
    )
    assert notes == ["v0.prototxt:1: layer 'x' (relu): has no use for include: dropped"]


def test_net_level_fields():
    notes: list[str] = []
    upgraded = upgrade_v0(
        net(
            'name: "n" input: "i" input_dim: 1 force_backward: true debug_info: true layers { layer { type: "relu" } }'
        ),
        notes,
    )
    kept = [field.name for field, _ in upgraded.ListFields()]
    assert kept == ["name", "layers", "input", "input_dim", "force_backward", "origin"]
    assert notes == ["v0.prototxt:1: a V0 net cannot have debug_info: dropped"]


PADDED = """
input: "data"
layers { layer { name: "pad1" type: "padding" pad: 2 } bottom: "data" top: "padded" }
layers { layer { name: "x" type: "%s" kernelsize: 5 } bottom: "padded" top: "out" }
"""


def test_padding_layers_fold_into_convolution():
    (folded,) = fold_padding(net(PADDED % "conv"))
    assert without_origin(folded) == without_origin(
        layer('layer { name: "x" type: "conv" kernelsize: 5 pad: 2 } bottom: "data" top: "out"')
    )
    (upgraded,) = upgrade_v0(net(PADDED % "conv"), []).layers
    assert list(upgraded.convolution_param.pad) == [2]
    assert upgraded.origin == "v0.prototxt:4"


def test_padding_layers_fold_into_pooling():
    (upgraded,) = upgrade_v0(net(PADDED % "pool"), []).layers
    assert upgraded.pooling_param.pad == 2
    assert list(upgraded.bottom) == ["data"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (PADDED % "relu", r"v0.prototxt:4: layer 'x' \(relu\): takes the padded blob 'padded' of layer 'pad1'"),
        (PADDED.replace('bottom: "padded"', 'bottom: "padded" bottom: "data"') % "conv", "one bottom can; it has 2"),
        (PADDED.replace('top: "padded"', 'top: "padded" top: "p2"') % "conv", "v0.prototxt:3: layer 'pad1'.*1 and 2"),
        (PADDED.replace('bottom: "data"', "") % "conv", "a padding layer has one bottom and one top, this has 0 and 1"),
    ],
)
def test_padding_that_cannot_be_folded(text, what):
    with pytest.raises(errors.PrototxtError, match=what):
        upgrade_net(net(text))


def test_unknown_type():
    with pytest.raises(errors.PrototxtError, match=r"v0.prototxt:1: layer 'x' \(cnv\).*did you mean 'conv'"):
        upgrade_net(net('layers { layer { name: "x" type: "cnv" } }'))


def test_a_v1_layer_among_v0_layers_is_kept():
    upgraded = upgrade_net(net('layers { layer { name: "a" type: "relu" } } layers { name: "b" type: RELU }'))
    assert [(each.name, each.type) for each in upgraded.layer] == [("a", "ReLU"), ("b", "ReLU")]


def test_all_the_way_to_today(caplog):
    old = net('layers { layer { name: "c" type: "conv" kernelsize: 3 blobs_lr: 2 alpha: 1 } bottom: "b" top: "t" }')
    assert is_v0(old)
    assert needs_upgrade(old)
    with caplog.at_level(logging.WARNING, "minicaffe"):
        (new,) = upgrade_net(old).layer
    assert (new.name, new.type, new.param[0].lr_mult, new.origin) == ("c", "Convolution", 2, "v0.prototxt:1")
    assert list(new.convolution_param.kernel_size) == [3]
    assert [record.getMessage() for record in caplog.records] == [
        "v0.prototxt:1: layer 'c' (conv): has no use for alpha: dropped"
    ]
