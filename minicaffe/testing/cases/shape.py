"""Cases of the layers that move numbers about: join, cut, copy, reshape, select, reduce."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.testing.case import Case, Input, away_from, distinct, labels, normal

X = (2, 3, 4, 6)


def _one(text: str, label: str = "", again: tuple[int, ...] | None = None, **more: Any) -> Case:
    """One bottom of shape X."""
    return Case(text, (normal(*X),), label=label, again=(again,) if again else None, **more)


JOIN_AND_CUT = [
    Case('type: "Concat"', (normal(2, 3, 4), normal(2, 1, 4)), again=((3, 2, 2), (3, 5, 2))),
    Case('type: "Concat" concat_param { axis: 0 }', (normal(2, 3), normal(1, 3), normal(3, 3)), label="axis-0"),
    Case('type: "Concat" concat_param { axis: -1 }', (normal(2, 3), normal(2, 4)), label="last"),
    Case('type: "Concat" concat_param { concat_dim: 1 }', (normal(2, 3), normal(2, 4)), label="concat_dim"),
    _one('type: "Concat"', "one", (3, 2)),
    _one('type: "Slice"', tops=3, again=(4, 6)),
    _one('type: "Slice" slice_param { axis: -1 slice_point: 1 slice_point: 4 }', "points", (3, 5), tops=3),
    _one('type: "Slice" slice_param { slice_dim: 0 }', "slice_dim", (4, 5), tops=2),
    _one('type: "Slice"', "one", (3, 2), tops=1),
    _one('type: "Split"', tops=3, again=(5, 2)),
    _one('type: "Split"', "one", (5, 2), tops=1),
    _one('type: "Tile" tile_param { tiles: 3 }', again=(5, 2)),
    _one('type: "Tile" tile_param { axis: -1 tiles: 2 }', "last", (5, 2)),
    _one('type: "Tile" tile_param { axis: 0 tiles: 1 }', "one", (5, 2)),
]


def _reshape(text: str, label: str, again: tuple[int, ...] | None = None) -> Case:
    return _one(f'type: "Reshape" reshape_param {{ {text} }}', label, again)


VIEW = [
    _one('type: "Flatten"', again=(3, 2, 2)),
    _one('type: "Flatten" flatten_param { axis: -3 end_axis: -2 }', "middle", (3, 2, 2)),
    _one('type: "Flatten" flatten_param { axis: 2 end_axis: 2 }', "one-axis", (3, 2, 2)),
    _reshape("shape { dim: 0 dim: -1 dim: 2 }", "copy-infer", (3, 4, 5)),
    _reshape("shape { dim: 6 dim: 2 } axis: 1 num_axes: 2", "middle", (3, 4, 3, 5)),
    _reshape("shape { dim: 1 dim: 1 } axis: -1 num_axes: 0", "append", (3,)),
    _reshape("shape { dim: -1 } axis: -3", "flatten-last", (3, 4, 5)),
    _reshape("shape { dim: 144 } ", "whole", (12, 12)),
]

REDUCE = [
    *(
        Case(
            f'type: "Reduction" reduction_param {{ operation: {operation} axis: {axis} coeff: {coeff} }}',
            (away_from((0.0,), *X),),
            again=((3, 5, 2),),
            label=f"{operation.lower()}{axis}",
        )
        for operation in ("SUM", "ASUM", "SUMSQ", "MEAN")
        for axis, coeff in ((0, 1), (1, 2.3), (-1, -0.5))
    ),
    Case('type: "ArgMax"', (distinct(*X),), gradients=(), again=((3, 7),)),
    Case('type: "ArgMax" argmax_param { out_max_val: true top_k: 4 }', (distinct(*X),), gradients=(), label="values"),
    Case(
        'type: "ArgMax" argmax_param { axis: 1 top_k: 2 }',
        (distinct(*X),),
        gradients=(),
        again=((3, 4),),
        label="axis",
    ),
    Case(
        'type: "ArgMax" argmax_param { axis: -1 out_max_val: true }', (distinct(*X),), gradients=(), label="axis-values"
    ),
]


def _crop(text: str, reference: tuple[int, ...], label: str, again: tuple[tuple[int, ...], ...] | None = None) -> Case:
    return Case(
        f'type: "Crop" crop_param {{ {text} }}', (normal(*X), normal(*reference)), (0,), label=label, again=again
    )


EVERY_THIRD_DROPPED = Input((4,), lambda rng, s: np.arange(s[0]) % 3 != 1)

SELECT = [
    _crop("", (1, 1, 3, 2), "default", ((2, 2, 5, 5), (2, 2, 5, 1))),
    _crop("axis: 0", (1, 2, 3, 4), "all"),
    _crop("axis: -2 offset: 1 offset: 2", (2, 3, 2, 3), "offsets", ((1, 2, 5, 5), (1, 2, 4, 1))),
    _crop("axis: 1 offset: 1", (2, 2, 3, 5), "one-offset"),
    Case('type: "Filter"', (normal(4, 3, 2), EVERY_THIRD_DROPPED), (0,), again=((7, 2), (7,))),
    Case(
        'type: "Filter"',
        (normal(4, 3, 2), normal(4), Input((4, 1, 1), lambda rng, s: 0.5 * (np.arange(4).reshape(s) > 2))),
        (0, 1),
        tops=2,
        label="two",
    ),
    Case('type: "BatchReindex"', (normal(4, 3, 2), labels(4, 7)), (0,), again=((4, 5), (2,))),
]

ENDS = [
    Case('type: "Silence"', (normal(2, 3), normal(4)), tops=0, again=((3, 4), (2,))),
    Case('type: "Parameter" parameter_param { shape { dim: 2 dim: 3 } }'),
    Case('type: "Input" input_param { shape { dim: 2 dim: 3 } }', tops=2),
]

CASES: list[Case] = JOIN_AND_CUT + VIEW + REDUCE + SELECT + ENDS
