"""DummyData: constants and random numbers. Source: Caffe's dummy_data_layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from minicaffe.blob import Blob
from minicaffe.fillers import fill
from minicaffe.layer import register
from minicaffe.layers.base_data import BaseDataLayer
from minicaffe.proto import schema

_LEGACY = ("num", "channels", "height", "width")


@register("DummyData", v1="DUMMY_DATA")
class DummyDataLayer(BaseDataLayer):
    """Tops filled by fillers.

    tops: of the `shape` given once or for each top, or of num x channels x height x width, each given once or for each
    top. `data_filler` is given once, for each top, or not at all, which means zeros. All are filled when the net is
    built; those with a constant filler then keep whatever is written to them, the others are filled anew in every
    forward.
    """

    tops = (1, None)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        fillers = list(self.param.dummy_data_param.data_filler) or [schema.FillerParameter()]
        self.fillers_of_tops = self._for_each(fillers, len(top), "data_filler")
        for blob, shape in zip(top, self._shapes(len(top)), strict=True):
            self.check(min(shape, default=0) >= 0, f"shape {list(shape)} has a negative size")
            blob.reshape(*shape)
        self._fill(zip(top, self.fillers_of_tops, strict=True))

    def _shapes(self, tops: int) -> list[tuple[int, ...]]:
        param = self.param.dummy_data_param
        legacy = [name for name in _LEGACY if len(getattr(param, name))]
        self.check(
            bool(legacy) != bool(len(param.shape)),
            "needs the shapes of its tops: either shape { dim: ... } or num, channels, height and width, not both",
        )
        if len(param.shape):
            return [tuple(shape.dim) for shape in self._for_each(param.shape, tops, "shape")]
        return list(zip(*(self._for_each(getattr(param, name), tops, name) for name in _LEGACY), strict=True))

    def _for_each(self, values: Sequence[Any], tops: int, what: str) -> list[Any]:
        """Return one value a top."""
        count = len(values)
        self.check(count in (1, tops), f"{what} is given {count} times: give it once, or for each of {tops} tops")
        return list(values) * (tops if count == 1 else 1)

    def _fill(self, filled: Iterable[tuple[Blob, Any]]) -> None:
        for blob, filler in filled:
            fill(blob, filler, self.stream())

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        pairs = zip(top, self.fillers_of_tops, strict=True)
        self._fill((blob, filler) for blob, filler in pairs if filler.type != "constant")
