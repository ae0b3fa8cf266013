"""Clip: both ends included, both required."""

from __future__ import annotations

import pytest

from minicaffe.errors import PrototxtError
from minicaffe.layer import Layer, layer_class
from minicaffe.proto import schema
from tests.layers.stand import fails, gradients, on_stand, output

TEXT = 'type: "Clip" clip_param { min: -1 max: 2 }'
X = [-3.0, -1.0, 0.5, 2.0, 4.0]


def test_values() -> None:
    assert output(TEXT, X).tolist() == [-1, -1, 0.5, 2, 2]


def test_gradient_passes_at_both_ends_also_in_place() -> None:
    for in_place in (False, True):
        assert gradients(on_stand(TEXT, X, in_place=in_place), [3.0] * 5)[0].tolist() == [0, 3, 3, 3, 0]


def test_both_ends_are_required() -> None:
    with pytest.raises(PrototxtError, match="max"):
        on_stand('type: "Clip" clip_param { min: -1 }', X)
    param = schema.LayerParameter(name="layer", type="Clip", origin="<string>:1")
    layer: Layer = layer_class(param)(param)
    fails("needs both min and max", lambda: layer.setup([], []))


def test_ends_the_wrong_way_round() -> None:
    fails("min: 2 is greater than max: 1", lambda: on_stand('type: "Clip" clip_param { min: 2 max: 1 }', X))
