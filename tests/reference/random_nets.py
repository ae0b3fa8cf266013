"""Random small nets for hypothesis: chains and branches of layers with legal parameters, ending in a loss.

A net is drawn together with its numbers; `tests.reference.layers` computes it on the way, which also tells the shapes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from minicaffe.proto import schema
from minicaffe.proto.prototxt import parse
from tests.reference import layers

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
            source = part.bottoms[0]
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
    """A network in the making: draws choices from hypothesis and numbers from a seed, keeps every blob's value."""

    def __init__(self, draw: Any, dropout: bool, chain: bool):
        self.draw = draw
        self.dropout = dropout
        self.chain = chain
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


# -- layers of one bottom -----------------------------------------------------------------------------------------


def windowed(d: Drawing, x: np.ndarray, spread: int) -> tuple[str, tuple[int, int], int]:
    """The text of kernel, stride, pad and dilation that leave something of x; the kernel; the dilation."""
    pad, dilation = d.integer(0, 2), d.integer(1, spread)
    most = [(size + 2 * pad - 1) // dilation + 1 for size in x.shape[2:]]
    kernel = (d.integer(1, min(3, most[0])), d.integer(1, min(3, most[1])))
    if d.yes():
        kernel = (min(kernel),) * 2
    written = f"kernel_size: {kernel[0]}" if kernel[0] == kernel[1] else f"kernel_h: {kernel[0]} kernel_w: {kernel[1]}"
    strides = f"stride: {d.integer(1, 2)}" if d.yes() else f"stride_h: {d.integer(1, 3)} stride_w: {d.integer(1, 3)}"
    return f"{written} {strides} pad: {pad} dilation: {dilation}", kernel, pad


def convolution(d: Drawing, name: str) -> None:
    x = d.values[name]
    C = x.shape[1]
    text, kernel, pad = windowed(d, x, 2)
    group = d.one_of([g for g in range(1, C + 1) if C % g == 0])
    outputs, bias = group * d.integer(1, 2), d.yes()
    kind = "Convolution" if d.yes() or pad else "Deconvolution"
    shape = (outputs, C // group) if kind == "Convolution" else (C, outputs // group)
    blobs = [d.normal(*shape, *kernel)] + [d.normal(outputs)] * bias
    d.add(
        kind,
        [name],
        f"convolution_param {{ num_output: {outputs} group: {group} bias_term: {str(bias).lower()} {text} }}",
        blobs,
    )


def pooling(d: Drawing, name: str) -> None:
    size = d.values[name].shape[2:]
    if d.integer(0, 4) == 0:
        text = "global_pooling: true"
    else:
        kernel = d.integer(1, min(3, *size))
        pad = d.integer(0, kernel - 1)
        text = f"kernel_size: {kernel} stride: {d.integer(1, kernel)} pad: {pad}"
        text += " round_mode: FLOOR" * d.yes()
    d.add("Pooling", [name], f"pooling_param {{ pool: {d.one_of(['MAX', 'AVE'])} {text} }}")


def lrn(d: Drawing, name: str) -> None:
    region = d.one_of(["ACROSS_CHANNELS", "WITHIN_CHANNEL"])
    size, beta = d.one_of([1, 3, 5]), d.one_of([0.5, 0.75, 1])
    d.add("LRN", [name], f"lrn_param {{ local_size: {size} alpha: 0.6 beta: {beta} k: 1.5 norm_region: {region} }}")


def inner_product(d: Drawing, name: str) -> None:
    x = d.values[name]
    axis, written = d.axis(x)
    outputs, inputs = d.integer(1, 5), int(np.prod(x.shape[axis:]))
    transpose, bias = d.yes(), d.yes()
    W = d.normal(outputs, inputs)
    blobs = [W.T.copy() if transpose else W] + [d.normal(outputs)] * bias
    text = f"num_output: {outputs} axis: {written} bias_term: {str(bias).lower()} transpose: {str(transpose).lower()}"
    d.add("InnerProduct", [name], f"inner_product_param {{ {text} }}", blobs)


def batch_norm(d: Drawing, name: str) -> None:
    channels, count = d.values[name].shape[1], 2.5
    blobs = [d.normal(channels), d.rng.uniform(1, 4, channels), np.array([count])]
    d.add("BatchNorm", [name], "batch_norm_param { eps: 0.01 }", blobs, may_be_in_place=True)


def scale(d: Drawing, name: str) -> None:
    x = d.values[name]
    axis, written = d.axis(x)
    axes = d.integer(-1, x.ndim - axis)
    shape = x.shape[axis:] if axes == -1 else x.shape[axis : axis + axes]
    text = f"axis: {written} num_axes: {axes}"
    if d.yes():
        d.add("Bias", [name], f"bias_param {{ {text} }}", [d.rng.standard_normal(shape)], may_be_in_place=True)
        return
    bias = d.yes()
    blobs = [d.rng.standard_normal(shape)] + [d.rng.standard_normal(shape)] * bias
    d.add("Scale", [name], f"scale_param {{ {text} bias_term: {str(bias).lower()} }}", blobs, may_be_in_place=True)


def prelu(d: Drawing, name: str) -> None:
    one = d.yes()
    slopes = d.rng.uniform(0.1, 0.6, () if one else d.values[name].shape[1])
    d.add("PReLU", [name], f"prelu_param {{ channel_shared: {str(one).lower()} }}", [slopes], may_be_in_place=True)


ACTIVATIONS = [
    ("ReLU", ""),
    ("ReLU", "relu_param { negative_slope: 0.2 }"),
    ("ELU", "elu_param { alpha: 0.7 }"),
    ("Sigmoid", ""),
    ("TanH", ""),
    ("Swish", "swish_param { beta: 1.5 }"),
    ("BNLL", ""),
    ("AbsVal", ""),
    ("Power", "power_param { power: 2 scale: 0.5 shift: -0.2 }"),
    ("Power", "power_param { power: 3 scale: 0.5 }"),
    ("Power", "power_param { scale: -1.5 shift: 1 }"),
    ("Exp", "exp_param { base: 2 scale: 0.5 shift: -0.1 }"),
    ("Exp", "exp_param { scale: 0.3 }"),
    ("Clip", "clip_param { min: -0.7 max: 0.9 }"),
]


def activation(d: Drawing, name: str) -> None:
    kind, text = d.one_of(ACTIVATIONS)
    d.add(kind, [name], text, may_be_in_place=kind != "AbsVal")


def logarithm(d: Drawing, name: str) -> None:
    """Of something positive, so two layers."""
    if d.add("Sigmoid", [name]):
        d.add("Log", [d.network.parts[-1].tops[0]], "log_param { base: 3 scale: 2 shift: 0.5 }", may_be_in_place=True)


def mvn(d: Drawing, name: str) -> None:
    """With an eps of next to nothing: Caffe's gradient is that of eps 0."""
    across, variance = d.yes(), d.yes()
    text = f"across_channels: {str(across).lower()} normalize_variance: {str(variance).lower()} eps: 1e-9"
    d.add("MVN", [name], f"mvn_param {{ {text} }}")


def softmax(d: Drawing, name: str) -> None:
    d.add("Softmax", [name], f"softmax_param {{ axis: {d.axis(d.values[name])[1]} }}", may_be_in_place=True)


def dropout(d: Drawing, name: str) -> None:
    if d.dropout:
        d.add("Dropout", [name], "dropout_param { dropout_ratio: 0.4 }", may_be_in_place=True)


def view(d: Drawing, name: str) -> None:
    x = d.values[name]
    first, written = d.axis(x)
    if d.yes():
        last = d.integer(first, x.ndim - 1)
        d.add("Flatten", [name], f"flatten_param {{ axis: {written} end_axis: {last} }}")
    else:
        dims = ["dim: 0"] * first + ["dim: -1"] + ["dim: 1"] * d.integer(0, 1)
        d.add("Reshape", [name], f"reshape_param {{ shape {{ {' '.join(dims)} }} }}")


def tile(d: Drawing, name: str) -> None:
    d.add("Tile", [name], f"tile_param {{ axis: {d.axis(d.values[name])[1]} tiles: {d.integer(1, 3)} }}")


def reduction(d: Drawing, name: str) -> None:
    x = d.values[name]
    operation = d.one_of(["SUM", "ASUM", "SUMSQ", "MEAN"])
    coeff = 2 / x[0].size
    d.add("Reduction", [name], f"reduction_param {{ operation: {operation} axis: {d.axis(x)[1]} coeff: {coeff:.4f} }}")


def cut(d: Drawing, name: str) -> None:
    x = d.values[name]
    axis, written = d.axis(x)
    size = x.shape[axis]
    if size < 2:
        return
    if d.yes():
        points = sorted({d.integer(1, size - 1) for _ in range(2)})
        text, tops = " ".join(f"slice_point: {point}" for point in points), len(points) + 1
    else:
        text, tops = "", d.one_of([n for n in range(2, size + 1) if size % n == 0])
    d.add("Slice", [name], f"slice_param {{ axis: {written} {text} }}", tops=tops)


def split(d: Drawing, name: str) -> None:
    d.add("Split", [name], tops=2)


# -- layers of several bottoms ------------------------------------------------------------------------------------


def eltwise(d: Drawing, name: str) -> None:
    x = d.values[name]
    names = [name, *(d.some(lambda y: y.shape == x.shape) or name for _ in range(d.integer(1, 2)))]
    operation = d.one_of(["SUM", "PROD", "MAX", "COEFF"])
    text = (
        " ".join(f"coeff: {d.one_of([-1, 0.5, 2])}" for _ in names)
        if operation == "COEFF"
        else f"operation: {operation}"
    )
    d.add("Eltwise", names, f"eltwise_param {{ {text} }}")


def join(d: Drawing, name: str) -> None:
    x = d.values[name]
    axis, written = d.axis(x)
    rest = np.delete(x.shape, axis).tolist()
    other = d.some(lambda y: y.ndim == x.ndim and np.delete(y.shape, axis).tolist() == rest) or name
    names = [name, other] if d.yes() else [other, name]
    d.add("Concat", names, f"concat_param {{ axis: {written} }}")


def multiplied(d: Drawing, name: str) -> None:
    x = d.values[name]
    other = d.some(lambda y: y.shape == x.shape) or name
    kind = d.one_of(["scale", "bias"])
    d.add(kind.capitalize(), [name, other], f"{kind}_param {{ axis: 0 }}")


def crop(d: Drawing, name: str) -> None:
    x = d.values[name]
    reference = d.some(lambda y: is_image(y) and y.shape[2] <= x.shape[2] and y.shape[3] <= x.shape[3]) or name
    room = [x.shape[axis] - d.values[reference].shape[axis] for axis in (2, 3)]
    offsets = " ".join(f"offset: {d.integer(0, most)}" for most in room)
    d.add("Crop", [name, reference], f"crop_param {{ axis: 2 {offsets} }}")


def has_channels(x: np.ndarray) -> bool:
    return x.ndim > 1


# How often each is drawn, what makes it, the bottoms it takes.
KINDS: list[tuple[int, Callable[[Drawing, str], None], Callable[[np.ndarray], bool]]] = [
    (6, convolution, is_image),
    (4, pooling, is_image),
    (2, lrn, is_image),
    (1, mvn, lambda x: is_image(x) and x.std((2, 3)).min() > 0.1),
    (1, crop, is_image),
    (2, batch_norm, lambda x: x.ndim > 1 and x.size >= 4 * x.shape[1]),
    *((2, make, has_channels) for make in (inner_product, scale, join, prelu)),
    *((1, make, has_channels) for make in (softmax, view, tile, reduction, cut, split)),
    (8, activation, lambda x: True),
    (3, eltwise, lambda x: True),
    *((1, make, lambda x: True) for make in (multiplied, logarithm, dropout)),
]


# -- ends ---------------------------------------------------------------------------------------------------------


def loss(d: Drawing, name: str) -> None:
    """End in a loss of the blob, with targets of the net's own."""
    x = d.values[name]
    weight = d.one_of([1.0, 0.5, -2.0])
    target = f"t_{len(d.network.inputs)}"
    kinds = ["EuclideanLoss", "SmoothL1Loss", "SigmoidCrossEntropyLoss", "weight"]
    if x.ndim > 1:
        kinds += ["SoftmaxWithLoss"] * 2 + ["HingeLoss"] * (x.ndim == 2)
    kind = d.one_of(kinds)
    if kind == "weight":
        assume(d.add("Power", [name], "power_param { scale: 0.5 }", loss_weight=weight))
        return
    if kind in ("SoftmaxWithLoss", "HingeLoss"):
        labels = d.rng.integers(0, x.shape[1], (x.shape[0], *x.shape[2:])).astype(float)
        d.add_input(target, labels)
    elif kind == "SigmoidCrossEntropyLoss":
        d.add_input(target, d.rng.uniform(0, 1, x.shape))
    else:
        d.add_input(target, d.rng.standard_normal(x.shape))
    text = {
        "SoftmaxWithLoss": f"loss_param {{ {d.one_of(['', 'ignore_label: 0'])} normalization: "
        f"{d.one_of(['FULL', 'VALID', 'BATCH_SIZE', 'NONE'])} }}",
        "HingeLoss": f"hinge_loss_param {{ norm: {d.one_of(['L1', 'L2'])} }}",
        "SmoothL1Loss": "smooth_l1_loss_param { sigma: 1.5 }",
    }
    assume(d.add(kind, [name, target], text.get(kind, ""), loss_weight=weight))


@st.composite
def networks(draw: Any, dropout: bool = False, chain: bool = False) -> Network:
    """A random net of up to 7 layers, a few more, and one or two losses.

    `dropout` allows Dropout in it; a `chain` has one loss, at its end, and few blobs that are read twice.
    """
    d = Drawing(draw, dropout, chain)
    for _ in range(d.integer(2, 7)):
        make, fits = d.one_of([(make, fits) for times, make, fits in KINDS for _ in range(times)])
        name = d.some(fits)
        if name is not None:
            make(d, name)
    ends = [part.tops[-1] for part in d.network.parts] or ["data"]
    for name in dict.fromkeys([ends[-1], ends[-1] if chain else d.one_of(ends)]):
        loss(d, name)
    return d.network
