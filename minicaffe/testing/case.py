"""A layer case: one layer, its inputs, and what can be checked of it. Every registered layer has at least one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class Input:
    """A bottom: its shape, and how its values are drawn."""

    shape: tuple[int, ...]
    draw: Draw

    def values(self, rng: np.random.Generator, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """Return float64 values of `shape` (default: the input's own)."""
        return np.asarray(self.draw(rng, self.shape if shape is None else shape), np.float64)


def normal(*shape: int) -> Input:
    """Standard normal values."""
    return Input(shape, lambda rng, s: rng.standard_normal(s))


def uniform(low: float, high: float, *shape: int) -> Input:
    """Values between `low` and `high`."""
    return Input(shape, lambda rng, s: rng.uniform(low, high, s))


def away_from(kinks: tuple[float, ...], *shape: int, margin: float = 0.05) -> Input:
    """Normal values, none nearer than `margin` to a point where the layer has no derivative."""

    def draw(rng: np.random.Generator, s: tuple[int, ...]) -> np.ndarray:
        x = rng.standard_normal(s)
        for kink in kinks:
            near = np.abs(x - kink) < margin
            x = np.where(near, kink + np.where(x < kink, -2 * margin, 2 * margin), x)
        return x

    return Input(shape, draw)


def distinct(*shape: int) -> Input:
    """Values all at least 0.1 apart, shuffled: no ties for a maximum to flip between."""

    def draw(rng: np.random.Generator, s: tuple[int, ...]) -> np.ndarray:
        n = int(np.prod(s))
        return 0.1 * (rng.permutation(n) - n / 2).reshape(s)

    return Input(shape, draw)


def labels(classes: int, *shape: int) -> Input:
    """Whole numbers in [0, classes)."""
    return Input(shape, lambda rng, s: rng.integers(0, classes, s))


def given(values: object) -> Input:
    """Exactly these values."""
    array = np.asarray(values, np.float64)
    return Input(array.shape, lambda rng, s: array.copy())


@dataclass(frozen=True)
class Case:
    """`layer` is the body of a layer message without names: `type: "ReLU" relu_param { negative_slope: 0.1 }`.

    gradients: the bottoms that have a gradient (None: all of them; (): none; parameters may still have).
    through: the tops a gradient comes back through (None: all of them), for layers such as max pooling with a mask.
    tops: how many. in_place: also run with top 0 being bottom 0, and expect the same results.
    again: shapes of the bottoms for a second call, to prove that reshaping works (None: the layer's shapes are fixed).
    params: how to draw the layer's parameters, in order (None, or too few: its fillers, normals where they give zeros).
    train: phase TRAIN (default) or TEST. label tells cases of the same type apart.
    prepare: called with an empty folder before the layer is built; writes the files the layer reads there and returns
        the rest of the layer's text.
    hand_over: called with the layer after its setup; gives it what a program would, such as arrays.
    """

    layer: str
    inputs: tuple[Input, ...] = ()
    gradients: tuple[int, ...] | None = None
    tops: int = 1
    in_place: bool = False
    again: tuple[tuple[int, ...], ...] | None = None
    train: bool = True
    label: str = ""
    through: tuple[int, ...] | None = None
    params: tuple[Input | None, ...] = ()
    prepare: Callable[[Path], str] | None = None
    hand_over: Callable[[Any], None] | None = None

    @property
    def type(self) -> str:
        """The layer's type, read from the text of `layer`."""
        match = re.search(r"""\btype\s*:\s*["']([^"']+)["']""", self.layer)
        if match is None:
            raise ValueError(f'a case needs type: "..." in its layer text, not {self.layer!r}')
        return match.group(1)

    @property
    def id(self) -> str:
        """`Type-label`, or `Type`: how test reports name the case."""
        return f"{self.type}-{self.label}" if self.label else self.type

    @property
    def differentiable(self) -> tuple[int, ...]:
        """The bottoms that have a gradient."""
        return tuple(range(len(self.inputs))) if self.gradients is None else self.gradients

    def prepared(self, folder: Path) -> Case:
        """Return the case with its whole text, after `prepare` has written its files to `folder`."""
        if self.prepare is None:
            return self
        return replace(self, layer=f"{self.layer}\n{self.prepare(folder)}", prepare=None)
