"""Tile: as np.tile does along one axis."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.testing import Case, check_elements, normal
from tests.layers.stand import fails, gradients, on_stand, output

X = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("tiles", [1, 3])
def test_values_and_gradient(axis: int, tiles: int) -> None:
    text = f'type: "Tile" tile_param {{ axis: {axis} tiles: {tiles} }}'
    reps = [1, 1, 1]
    reps[axis] = tiles
    assert output(text, X).tolist() == np.tile(X, reps).tolist()
    assert gradients(on_stand(text, X), np.tile(X, reps))[0].tolist() == (tiles * X).tolist()


def test_gradient_element_by_element() -> None:
    for axis in range(3):
        case = Case(f'type: "Tile" tile_param {{ axis: {axis} tiles: 3 }}', (normal(2, 2, 2),))
        check_elements(case, step=1e-2, threshold=1e-2)


def test_errors() -> None:
    fails("tiles: 0 must be given", lambda: on_stand('type: "Tile"', X))
    fails("tiles: -1 must be", lambda: on_stand('type: "Tile" tile_param { tiles: -1 }', X))
    fails("axis 3 is out of range", lambda: on_stand('type: "Tile" tile_param { axis: 3 tiles: 2 }', X))
