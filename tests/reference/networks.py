"""What a random net is made of: parts in an order, and the drawing that puts one after the other.

A net is drawn together with its numbers; `tests.reference.layers` computes it on the way, which also tells the shapes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minicaffe.proto import schema
from minicaffe.proto.prototxt import parse
from tests.reference import images, layers, sequences  # noqa: F401  (their formulas are found by type)

LARGEST = 30.0  # of any number in a net; larger ones make finite differences worthless
MOST = 2000  # numbers in a blob; the reference is slow
READS_NO_TOP = {"Convolution", "Deconvolution", "InnerProduct", "Bias", "BatchNorm", "Scale"}


@dataclass(frozen=True)
class Part:
    """A layer: its names, its own parameters as text, the numbers of its parameter blobs.

    `may_be_in_place`: the top may take the bottom's place, if nobody else reads the bottom.
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    body: str
    blobs: tuple[np.ndarray, ...] = ()
    may_be_in_place: bool = False
    loss_weight: float = 0

    def text(self, rename: Callable[[str], str] = str, params: str = "") -> str:
        ends = [f'bottom: "{rename(b)}"' for b in self.bottoms] + [f'top: "{rename(t)}"' for t in self.tops]
        weight = f"loss_weight: {self.loss_weight}" if self.loss_weight else ""
        return f'layer {{ name: "{self.name}" type: "{self.type}" {" ".join(ends)} {weight} {params} {self.body} }}'

    @property
    def param(self) -> Any:
        return parse(self.text()[len("layer {") : -1], schema.LayerParameter)


@dataclass
class Network:
    """Inputs by name with their numbers, and parts in the order they run; every top has a name of its own."""

    inputs: dict[str, np.ndarray] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)

    def head(self, batch: int | None = None) -> str:
        """The Input layers, for another batch size if one is given."""
        lines = []
        for name, values in self.inputs.items():
            shape = (batch or values.shape[0], *values.shape[1:])
            dims = " ".join(f"dim: {size}" for size in shape)
            lines.append(f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}')
        return "\n".join(lines)

    def text(self, in_place: bool = False, batch: int | None = None) -> str:
        """The net as prototxt; `in_place` where Caffe allows it."""
        names = self.places() if in_place else {}
        return "\n".join([self.head(batch), *(part.text(lambda name: names.get(name, name)) for part in self.parts)])

    def places(self) -> dict[str, str]:
        """The blob each top lies in if all that may be is computed in place."""
        readers = Counter(bottom for part in self.parts for bottom in part.bottoms)
        makers = {top: part for part in self.parts for top in part.tops}
        place: dict[str, str] = {}
        for part in self.parts:
            source = part.bottoms[0] if part.bottoms else ""
            free = part.may_be_in_place and source in makers and makers[source].type in READS_NO_TOP
            if free and readers[source] == 1 and not makers[source].loss_weight:
                place[part.tops[0]] = place.get(source, source)
        return place

    def doubled(self) -> str:
        """The net as prototxt in which nothing is read twice: what is, is computed once for each reader."""
        self._copies: Counter[str] = Counter()
        self._lines: list[str] = []
        makers = {top: part for part in self.parts for top in part.tops}
        for part in self.parts:
            if part.loss_weight:
                self._copy(part, makers)
        return "\n".join([self.head(), *self._lines])

    def _copy(self, part: Part, makers: dict[str, Part]) -> str:
        """Add a copy of the part with copies of all it needs; return what its names end with."""
        sources = {bottom: self._copy(makers[bottom], makers) for bottom in set(part.bottoms) if bottom in makers}
        ends: dict[str, list[str]] = {bottom: [end] for bottom, end in sources.items()}
        for bottom in part.bottoms:
            if bottom in makers and part.bottoms.count(bottom) > len(ends[bottom]):
                ends[bottom].append(self._copy(makers[bottom], makers))
        end = f"_{self._copies[part.name]}"
        self._copies[part.name] += 1
        fixed = "lr_mult: 0" if part.type == "BatchNorm" else ""
        params = " ".join(f'param {{ name: "{part.name}/{j}" {fixed} }}' for j in range(len(part.blobs)))
        bottoms = tuple(bottom + ends[bottom].pop() if bottom in ends else bottom for bottom in part.bottoms)
        tops = tuple(top + end for top in part.tops)
        self._lines.append(replace(part, name=part.name + end, bottoms=bottoms, tops=tops).text(params=params))
        return end

    def compute(self, train: bool) -> tuple[dict[str, np.ndarray], float]:
        """Every blob by name, and the loss."""
        values, loss = dict(self.inputs), 0.0
        for part in self.parts:
            tops = layers.tops(part.param, [values[bottom] for bottom in part.bottoms], part.blobs, train)
            values.update(zip(part.tops, tops, strict=True))
            loss += part.loss_weight * sum(top.sum() for top in tops)
        return values, loss


class Drawing:
    """A network in the making: draws choices from hypothesis and numbers from a seed, keeps every blob's value.

    `grows`: the net will see larger batches, so only layers that allow it may be in it.
    """

    def __init__(self, draw: Any, dropout: bool, chain: bool, grows: bool):
        self.draw = draw
        self.dropout = dropout
        self.chain = chain
        self.grows = grows
        self.rng = np.random.default_rng(self.integer(0, 2**32 - 1))
        self.network = Network()
        self.values: dict[str, np.ndarray] = {}
        self.add_input(
            "data", self.rng.standard_normal([self.integer(*ends) for ends in ((1, 3), (1, 4), (3, 6), (3, 6))])
        )

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def one_of(self, choices: Sequence[Any]) -> Any:
        return self.draw(st.sampled_from(choices))

    def yes(self) -> bool:
        return self.draw(st.booleans())

    def normal(self, *shape: int) -> np.ndarray:
        """Numbers whose products with as many of deviation 1 keep that deviation, roughly."""
        fan = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        return self.rng.standard_normal(shape) / np.sqrt(fan)

    def add_input(self, name: str, values: np.ndarray) -> str:
        self.network.inputs[name] = self.values[name] = values
        return name

    def beside(self, values: Any) -> str:
        """Add an input for one layer only, such as labels; no layer drawn later takes it for its bottom."""
        return self.add_input(f"t_{len(self.network.inputs)}", np.asarray(values, float))

    def end(self) -> None:
        """Let nobody read the tops of the last layer."""
        for top in self.network.parts[-1].tops:
            del self.values[top]

    def add(
        self, kind: str, bottoms: Sequence[str], body: str = "", blobs: Any = (), tops: int = 1, **more: Any
    ) -> bool:
        """Add a layer and its tops' values; False, and nothing added, if these are too many or too large."""
        name = f"{kind.lower()}{len(self.network.parts)}"
        names = tuple(f"{name}_{t}" if tops > 1 else name for t in range(tops))
        part = Part(name, kind, tuple(bottoms), names, body, tuple(blobs), **more)
        train = kind != "Dropout"
        results = layers.tops(part.param, [self.values[bottom] for bottom in bottoms], blobs, train)
        largest = LARGEST * (100 if part.loss_weight else 1)
        if not all(0 < top.size < MOST and np.abs(top).max() < largest for top in results):
            return False
        self.values.update(zip(names, results, strict=True))
        self.network.parts.append(part)
        return True

    def some(self, fits: Callable[[np.ndarray], bool] = lambda x: True) -> str | None:
        """A blob that fits, the newest preferred (in a chain: always taken), or None."""
        fitting = [name for name, x in self.values.items() if not name.startswith("t_") and fits(x)]
        if not fitting:
            return None
        return fitting[-1] if self.chain or self.integer(0, 3) else self.one_of(fitting)

    def axis(self, x: np.ndarray, first: int = 1) -> tuple[int, int]:
        """An axis of x from `first` on, and one of its two ways to be written."""
        axis = self.integer(first, x.ndim - 1)
        return axis, axis - x.ndim if self.yes() else axis


def is_image(x: np.ndarray) -> bool:
    return x.ndim == 4
