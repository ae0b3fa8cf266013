"""What upgrading changed, in words."""

from __future__ import annotations

import pytest

from minicaffe.convert.changes import net_changes, net_kind
from minicaffe.proto import parse, schema
from minicaffe.proto.upgrade import upgrade_net

V0 = """
layers { layer { name: "d" type: "data" source: "db" scale: 0.5 cropsize: 3 } top: "x" }
layers { layer { name: "pad" type: "padding" pad: 2 } bottom: "x" top: "p" }
layers { layer { name: "c" type: "conv" num_output: 2 kernelsize: 3 blobs_lr: 1 weight_decay: 1 } bottom: "p" top: "c" }
"""
V1 = """
layers { name: "d" type: DATA top: "x" data_param { source: "db" mirror: true } transform_param { scale: 2 } }
layers { name: "i" type: INNER_PRODUCT bottom: "x" top: "i" param: "w" blob_share_mode: PERMISSIVE blobs_lr: 2 }
"""


def changes(text: str) -> list[str]:
    net = parse(text, schema.NetParameter)
    return net_changes(net, upgrade_net(net))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (V0, "a V0 net of 3 layers"),
        (V1, "a V1 net of 2 layers"),
        ('layer { name: "x" }', "a net of 1 layer"),
        ("", "a net of 0 layers"),
    ],
)
def test_kind(text: str, kind: str) -> None:
    assert net_kind(parse(text, schema.NetParameter)) == kind


def test_v0() -> None:
    assert changes(V0) == [
        'layers { layer { type: "conv" ... } } is now layer { type: "Convolution" ... }: 2 layers',
        "padding layers are now the pad of the layers after them: pad",
        "blobs_lr is now param { lr_mult }: c",
        "weight_decay is now param { decay_mult }: c",
        "transform_param now holds scale, crop_size: d",
    ]


def test_v1() -> None:
    assert changes(V1) == [
        'layers { type: CONVOLUTION ... } is now layer { type: "Convolution" ... }: 2 layers',
        "param is now param { name }: i",
        "blob_share_mode is now param { share_mode }: i",
        "blobs_lr is now param { lr_mult }: i",
        "transform_param now holds mirror: d",
    ]


def test_layers_of_one_name_are_told_apart() -> None:
    train = 'layers { name: "d" type: DATA top: "x" transform_param { mirror: true } include { phase: TRAIN } } '
    test = 'layers { name: "d" type: DATA top: "x" data_param { scale: 2 } include { phase: TEST } }'
    assert changes(train + test)[1:] == ["transform_param now holds scale: d"]


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ("input_dim: 1 input_dim: 3 input_dim: 5 input_dim: 7 " * 2, "x (1 x 3 x 5 x 7), y (1 x 3 x 5 x 7)"),
        ("input_shape { dim: 2 dim: 4 } input_shape { }", "x (2 x 4), y ()"),
    ],
)
def test_inputs(shapes: str, said: str) -> None:
    assert changes(f'input: "x" input: "y" {shapes}') == [f'input is now a layer of type "Input": {said}']


def test_inputs_without_shape() -> None:
    assert changes('input: "x" layer { name: "l" type: "ReLU" }') == [
        "input without a shape says nothing and is gone: x"
    ]


def test_batch_norm_and_many_names() -> None:
    layers = "".join(f'layer {{ name: "bn{i}" type: "BatchNorm" {"param { lr_mult: 0 } " * 3}}} ' for i in range(9))
    assert changes(f'input: "x" input_dim: [1, 1, 1, 1] {layers}')[1:] == [
        "lr_mult and decay_mult of BatchNorm's statistics are now 0: bn0, bn1, bn2, bn3, bn4, bn5 and 3 more"
    ]


def test_a_net_of_today_has_no_changes() -> None:
    assert changes('layer { name: "l" type: "ReLU" transform_param { scale: 2 } param { lr_mult: 2 } }') == []
