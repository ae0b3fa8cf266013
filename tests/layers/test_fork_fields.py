"""Fields that forks added to stock layers and that would change the result: each is refused by name, with a way out."""

from __future__ import annotations

import numpy as np
import pytest

import minicaffe
from minicaffe.errors import NetError
from minicaffe.layer import Layer
from minicaffe.layers.fork_fields import refuse
from minicaffe.proto import schema
from minicaffe.proto.prototxt import parse
from tests.layers.stand import fails, on_stand

FIELDS = {
    "scale_bias": ('type: "BatchNorm" batch_norm_param { scale_bias: true }', "write a Scale layer"),
    "scale_filler": ('type: "BatchNorm" batch_norm_param { scale_filler { value: 1 } }', "write a Scale layer"),
    "filler": ('type: "BatchNorm" batch_norm_param { filler { value: 1 } }', "write a Scale layer"),
    "bias_filler": ('type: "BatchNorm" batch_norm_param { bias_filler { value: 1 } }', "write a Scale layer"),
    "relu": ('type: "BatchNorm" batch_norm_param { relu: true }', "write a ReLU layer"),
    "stats_batch_size": ('type: "BatchNorm" batch_norm_param { stats_batch_size: 8 }', "those of the whole batch"),
    "update_global_stats": ('type: "BatchNorm" batch_norm_param { update_global_stats: true }', "always update"),
    "lambda": ('type: "ELU" elu_param { lambda: 1.05 }', "write a Power layer with this scale"),
    "pixelshuffler": ('type: "Reshape" reshape_param { pixelshuffler: 2 }', "no reshaping"),
    "weight_by_label_freqs": (
        'type: "SoftmaxWithLoss" loss_param { weight_by_label_freqs: true class_weighting: 2 class_weighting: 1 }',
        "an InfogainLoss whose matrix has the weights as its diagonal",
    ),
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_would_change_the_result(field: str) -> None:
    text, remedy = FIELDS[field]
    bottoms = [np.zeros((2, 2))] + [[0, 1]] * text.count("Loss")
    fails(
        f"'{field}' is a field of a fork of Caffe that is not computed here: .*{remedy}",
        lambda: on_stand(text, *bottoms),
    )


def test_a_field_at_its_default_is_let_be() -> None:
    for text in ("batch_norm_param { scale_bias: false relu: false }", "elu_param { lambda: 1 }"):
        kind = "ELU" if "elu" in text else "BatchNorm"
        on_stand(f'type: "{kind}" {text}', np.ones((2, 2))).forward()


def test_messages_numbers_and_lists_are_told_apart() -> None:
    def given(text: str) -> Layer:
        return Layer(parse(f'name: "layer" {text}', schema.LayerParameter, "net.prototxt"))

    empty = given("convolution_param { }")
    refuse(empty, empty.param.convolution_param, weight_filler="", pad="", group="")
    for field, written in (("weight_filler", "weight_filler { }"), ("pad", "pad: 0"), ("group", "group: 2")):
        layer = given(f"convolution_param {{ {written} }}")
        with pytest.raises(NetError, match=f"'{field}' is a field of a fork"):
            refuse(layer, layer.param.convolution_param, **{field: "leave it out"})


def test_statistics_by_groups_of_a_batch() -> None:
    """As intel's fork takes them when the net says so."""
    definition = parse('name: "grouped" bn_stats_batch_size: 16', schema.NetParameter)
    with pytest.raises(NetError, match="net 'grouped': 'bn_stats_batch_size' is a field of a fork"):
        minicaffe.Net(definition, minicaffe.TRAIN)
