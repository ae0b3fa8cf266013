"""Data layers on their own: built from text, run a batch at a time, ended when the test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import minicaffe.layers  # noqa: F401  (registers them all)
from minicaffe.blob import Blob
from minicaffe.layer import Setting, layer_class
from minicaffe.phase import TRAIN
from minicaffe.proto import schema
from minicaffe.proto.prototxt import parse
from minicaffe.rng import Streams


class Feeder:
    """A layer without bottoms and its tops. `next()` runs it once and returns copies of what the tops then hold."""

    def __init__(self, text: str, tops: int = 2, seed: int = 1, **setting: Any):
        text = "\n".join([f'name: "data" {text}', *(f'top: "{top}"' for top in ("data", "label", "third")[:tops])])
        param = parse(text, schema.LayerParameter, "net.prototxt")
        setting = {"phase": TRAIN, "streams": Streams(seed), **setting}
        self.layer: Any = layer_class(param)(param, Setting(**setting))
        self.top = [Blob((), self.layer.setting.dtype, name) for name in param.top]
        self.layer.setup([], self.top)
        self.layer.reshape([], self.top)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [blob.shape for blob in self.top]

    def next(self) -> list[np.ndarray]:
        self.layer.reshape([], self.top)
        self.layer.forward([], self.top)
        return [blob.data.copy() for blob in self.top]

    def labels(self, batches: int) -> list[int]:
        """Run some batches; return all their labels in a row."""
        return [int(label) for _ in range(batches) for label in self.next()[1].ravel()]


@pytest.fixture
def feeder() -> Iterator[Callable[..., Feeder]]:
    """Makes a Feeder of a layer's text; those made are closed after the test."""
    made: list[Feeder] = []

    def make(text: str, tops: int = 2, **setting: Any) -> Feeder:
        made.append(Feeder(text, tops, **setting))
        return made[-1]

    yield make
    for one in made:
        getattr(one.layer, "close", lambda: None)()
