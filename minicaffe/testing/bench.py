"""A bench to try one layer on, outside any net: its blobs, parameters and random numbers are always the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minicaffe import device, fillers
from minicaffe.assembly import check_counts
from minicaffe.blob import Blob
from minicaffe.layer import Layer, Setting, layer_class
from minicaffe.phase import TEST, TRAIN
from minicaffe.proto import prototxt, schema
from minicaffe.rng import Streams
from minicaffe.testing.case import Case

SENTINEL = 7.25  # what bottom diffs hold before backward; exact in every float
SEED = 1701


class Results(NamedTuple):
    """Copies of the tops' data, the bottoms' diffs and the parameters' diffs."""

    tops: list[np.ndarray]
    bottoms: list[np.ndarray]
    params: list[np.ndarray]


class Bench:
    """A layer, set up and shaped, with its bottoms filled from the case.

    Two benches of one case hold the same numbers, and their layers draw the same random ones; so a forward is repeated
    by building another bench, whatever state the layer keeps. `in_place` makes top 0 bottom 0; `shapes` replace the
    inputs' own. Values are rounded to float32 so that benches of either `dtype` agree.
    """

    def __init__(
        self,
        case: Case,
        dtype: Any = np.float64,
        *,
        in_place: bool = False,
        shapes: Sequence[tuple[int, ...]] | None = None,
    ):
        from minicaffe.net import Net

        self.case, xp = case, device.ops().xp
        self.streams = Streams(SEED)
        phase = TRAIN if case.train else TEST
        setting = Setting(phase, dtype, streams=self.streams, build_net=Net)
        param = definition(case)
        self.layer: Layer = layer_class(param).create(param, setting)
        self.bottom = [Blob((), dtype, name, xp) for name in param.bottom]
        self.feed(shapes)
        self.top = [Blob((), dtype, name, xp) for name in param.top]
        if in_place:
            self.top[0] = self.bottom[0]
        check_counts(self.layer, param, self.bottom, self.top)
        self.layer.setup(self.bottom, self.top)
        self.layer.reshape(self.bottom, self.top)
        self._fill_parameters()
        if case.hand_over is not None:
            case.hand_over(self.layer)
        self._at_start = [blob.data.copy() for blob in self.layer.blobs]
        self._streams_at_start = self.streams.get_state()["streams"]

    def _fill_parameters(self) -> None:
        for j, blob in enumerate(self.layer.blobs):
            drawn = self.case.params[j] if j < len(self.case.params) else None
            stream = Streams(SEED).stream(f"param/{j}")
            filled = Blob(blob.shape, np.float64, blob.name)
            if drawn is not None:
                filled.data[...] = drawn.values(stream, blob.shape)
            elif j in self.layer.fillers:
                fillers.fill(filled, self.layer.fillers[j], stream)
            if drawn is None and not filled.data.any():
                filled.data[...] = 0.5 * stream.standard_normal(blob.shape)
            blob.data[...] = filled.data.astype(np.float32)

    @property
    def learned(self) -> list[int]:
        """The parameters that have a gradient: all but those whose learning rate the layer itself sets to 0."""
        specs = self.layer.param.param
        return [j for j in range(len(self.layer.blobs)) if j >= len(specs) or specs[j].lr_mult != 0]

    def picks(self) -> Iterator[tuple[str, Pick]]:
        """Yield name and whereabouts of every blob that has a gradient: bottoms, then parameters."""
        for i in self.case.differentiable:
            yield f"bottom[{i}]", _bottom(i)
        for j in self.learned:
            yield f"parameter {j}", _parameter(j)

    @property
    def through(self) -> tuple[int, ...]:
        """The tops a gradient comes back through."""
        return tuple(range(len(self.top))) if self.case.through is None else self.case.through

    def feed(self, shapes: Sequence[tuple[int, ...]] | None = None) -> None:
        """Give every bottom its shape and values, the same ones on every call with the same shapes."""
        for i, (blob, drawn) in enumerate(zip(self.bottom, self.case.inputs, strict=True)):
            shape = drawn.shape if shapes is None else shapes[i]
            blob.reshape(*shape)
            blob.data[...] = drawn.values(Streams(SEED).stream(f"input/{i}"), shape).astype(np.float32)

    def rewind(self) -> None:
        """Put random streams and parameters back to where they were before the first forward."""
        pristine = Streams(SEED)
        used = self.streams.get_state()["streams"]
        start = {name: self._streams_at_start.get(name) or pristine.stream(name).bit_generator.state for name in used}
        self.streams.set_state({"seed": SEED, "streams": start})
        for blob, values in zip(self.layer.blobs, self._at_start, strict=True):
            blob.data[...] = values

    def forward(self) -> None:
        """Reshape, then forward, as a net does."""
        self.layer.reshape(self.bottom, self.top)
        self.layer.forward(self.bottom, self.top)

    def weights(self) -> list[np.ndarray]:
        """Return the projection of every top, of size 0.5 to 1.5; zero for tops no gradient comes back through."""
        result = []
        for t, blob in enumerate(self.top):
            stream = Streams(SEED).stream(f"weight/{t}")
            weight = stream.uniform(0.5, 1.5, blob.shape) * stream.choice([-1.0, 1.0], blob.shape)
            result.append(weight if t in self.through else np.zeros(blob.shape))
        return result

    def objective(self) -> tuple[float, float]:
        """Forward; return the weighted sum of all tops, and the sum of its terms' sizes to judge rounding by."""
        self.forward()
        terms = [(blob.data * w).ravel() for blob, w in zip(self.top, self.weights(), strict=True)]
        return float(sum(t.sum() for t in terms)), float(sum(np.abs(t).sum() for t in terms))

    def seed_diffs(self, top_diffs: Sequence[np.ndarray] | None = None) -> None:
        """Prepare backward: sentinels in the bottoms' diffs, zeros in the parameters', `top_diffs` in the tops'."""
        for blob in self.bottom:
            blob.diff[...] = SENTINEL
        for blob in self.layer.blobs:
            blob.diff[...] = 0
        for blob, diff in zip(self.top, self.weights() if top_diffs is None else top_diffs, strict=True):
            blob.diff[...] = diff

    def backward(self, propagate_down: Sequence[int] | None = None) -> None:
        """Run backward for these bottoms (default: all that have a gradient)."""
        wanted = self.case.differentiable if propagate_down is None else propagate_down
        self.layer.backward(self.top, [i in wanted for i in range(len(self.bottom))], self.bottom)

    def run(self, propagate_down: Sequence[int] | None = None) -> Results:
        """Forward, then backward for these bottoms; return what came out."""
        self.forward()
        tops = [blob.data.copy() for blob in self.top]
        self.seed_diffs()
        self.backward(propagate_down)
        return Results(tops, *self.diffs())

    def diffs(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return copies of the bottoms' and the parameters' diffs."""
        return ([blob.diff.copy() for blob in self.bottom], [blob.diff.copy() for blob in self.layer.blobs])

    def aliased(self, i: int) -> bool:
        """Whether the diff of bottom `i` is the memory of a top's diff, as in Flatten."""
        return any(self.bottom[i].shares_diff_with(blob) for blob in self.top)


Pick = Callable[[Bench], Blob]


def _bottom(i: int) -> Pick:
    return lambda bench: bench.bottom[i]


def _parameter(j: int) -> Pick:
    return lambda bench: bench.layer.blobs[j]


def moved(case: Case, pick: Pick, by: np.ndarray) -> Bench:
    """Return a new bench on which one blob's values have been moved."""
    bench = Bench(case)
    pick(bench).data[...] += by
    return bench


def definition(case: Case) -> Any:
    """Return the LayerParameter of a case, with names for whatever the case leaves unnamed."""
    param = prototxt.parse(case.layer, schema.LayerParameter)
    param.name = param.name or "layer"
    param.bottom.extend(f"bottom{i}" for i in range(len(param.bottom), len(case.inputs)))
    param.top.extend(f"top{t}" for t in range(len(param.top), case.tops))
    return param
