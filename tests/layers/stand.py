"""A stand for one layer: bottoms with given numbers, forward run, gradients at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import minicaffe.layers  # noqa: F401  (registers them all)
from minicaffe.errors import NetError
from minicaffe.testing import Case, given
from minicaffe.testing.bench import Bench


def on_stand(
    text: str,
    *bottoms: Any,
    tops: int = 1,
    params: Sequence[Any] = (),
    train: bool = True,
    in_place: bool = False,
    dtype: Any = np.float64,
) -> Bench:
    """Return the layer of this text on a bench, its bottoms and parameters holding these numbers, not yet run."""
    inputs = tuple(given(bottom) for bottom in bottoms)
    case = Case(text, inputs, tops=tops, train=train)
    bench = Bench(case, dtype, in_place=in_place)
    for blob, values in zip(bench.layer.blobs, params, strict=False):
        blob.array[...] = values
    return bench


def outputs(text: str, *bottoms: Any, **more: Any) -> list[np.ndarray]:
    """Run the layer forward; return copies of its tops."""
    bench = on_stand(text, *bottoms, **more)
    bench.forward()
    return [blob.array.copy() for blob in bench.top]


def output(text: str, *bottoms: Any, **more: Any) -> np.ndarray:
    """Run a layer of one top forward; return the top."""
    return outputs(text, *bottoms, **more)[0]


def gradients(bench: Bench, *top_diffs: Any, wanted: Sequence[int] | None = None) -> list[np.ndarray]:
    """Run forward and backward with these top diffs; return the bottoms' diffs."""
    bench.forward()
    bench.seed_diffs([np.asarray(diff) for diff in top_diffs])
    bench.backward(wanted)
    return [blob.diff_array.copy() for blob in bench.bottom]


def shape_of(text: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the top for bottoms of these shapes."""
    return on_stand(text, *(np.zeros(shape) for shape in shapes)).top[0].shape


def fails(match: str, build: Callable[[], object]) -> None:
    """Expect a NetError whose words match, all lines together, and which names the layer first."""
    with pytest.raises(NetError, match=f"(?s)^<string>:1: layer 'layer' .*{match}"):
        build()
