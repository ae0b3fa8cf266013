"""Layer: the contract every layer fulfils, ours and users' alike, and the registry that finds it by its type.

The life of a layer: its counts of bottoms and tops are checked, `setup` runs once, `reshape` before every forward
(cheap when nothing changed), then `forward` and, where the backward plan says so, `backward`. Backward *overwrites*
the diffs of the bottoms it is asked for and leaves the others alone; it *accumulates* into the diffs of its
parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np

from minicaffe import device
from minicaffe.blob import Blob, BlobVec
from minicaffe.errors import NetError, describe, did_you_mean
from minicaffe.phase import TEST, Phase
from minicaffe.proto import schema
from minicaffe.rng import Streams

Count = int | tuple[int, int | None]


@dataclass(frozen=True)
class Setting:
    """What a layer is told of the net it stands in.

    `folder` is where the prototxt lies (relative paths and Python modules are looked for there too); `rank` of `size`
    counts the processes of data-parallel training. `build_net` builds the inner net of a recurrent layer.
    """

    phase: Phase = TEST
    dtype: Any = np.float32
    ops: Any = field(default_factory=device.ops)
    streams: Streams = field(default_factory=Streams)
    folder: Path | None = None
    rank: int = 0
    size: int = 1
    build_net: Callable[..., Any] | None = None

    def with_phase(self, phase: Phase) -> Setting:
        """Return the same setting in another phase, for a layer whose definition fixes its own."""
        return replace(self, phase=phase)


class Layer:
    """Base of every layer; users derive from it too, in either form described in `minicaffe.layers.python`.

    Class data: `bottoms`, `tops` (a number, or (least, most) with None for no limit), `equal_counts` (as many tops as
    bottoms), `auto_top` (tops left out of the prototxt are made), `in_place` (a top may be its bottom),
    `no_force_backward` (bottoms that `force_backward` leaves alone, negative ones counted from the last),
    `default_loss_weights` (of the first tops), `backward_reads` (which blobs' data backward reads, if not "bottom" and
    "top" both: a lean net gives the others' memory up; `setup` may set it).
    """

    type: ClassVar[str] = ""
    bottoms: ClassVar[Count] = (0, None)
    tops: ClassVar[Count] = (0, None)
    equal_counts: ClassVar[bool] = False
    auto_top: ClassVar[bool] = False
    in_place: ClassVar[bool] = True
    no_force_backward: ClassVar[tuple[int, ...]] = ()
    default_loss_weights: ClassVar[tuple[float, ...]] = ()
    backward_reads: Sequence[str] = ("bottom", "top")

    def __init__(self, param: Any = None, setting: Setting | None = None):
        self.param = param if param is not None else schema.LayerParameter()
        self.setting = setting or Setting()
        self.name: str = self.param.name
        self.phase: Phase = self.setting.phase
        self.ops = self.setting.ops
        self.param_str = self.param_str_ = self.param.python_param.param_str
        self.blobs: BlobVec = BlobVec(self.setting.dtype, self.ops.xp)
        self.fillers: dict[int, Any] = {}
        self.param_propagate_down: list[bool] = []
        self.loss_weights: list[float] = []

    @classmethod
    def create(cls, param: Any, setting: Setting) -> Layer:
        """Return the layer for this definition; `Python` returns an instance of the user's class."""
        return cls(param, setting)

    # -- what a layer defines -----------------------------------------------------------------------------------------

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Read and check the parameters, create blobs with `add_param`. Runs once; shapes of the bottoms are known."""

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Give every top its shape, and check the bottoms' shapes against each other."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Compute the tops' data from the bottoms'."""

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Compute the diffs of the bottoms i with `propagate_down[i]`, and add to those of the parameters."""
        self.no_gradient(propagate_down)

    def algorithm(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> str:
        """Return, for people, how the arithmetic is done where there are several ways; "" if there is one only."""
        return ""

    def absorbs(self, followers: Sequence[Layer]) -> bool:
        """Whether `forward_with` can do the work of these layers, each in place on the only top, in their order."""
        return False

    def forward_with(self, followers: Sequence[Any], bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Compute what this layer and then `followers` do to the top, in one pass; only called if it `absorbs` them."""
        raise NotImplementedError(f"{type(self).__name__} absorbs no other layer")

    def absorbs_backward(self, followers: Sequence[Layer]) -> bool:
        """Whether `backward_with` can do the work of these layers, each in place on the only top, in reverse."""
        return False

    def backward_with(self, followers: Sequence[Any], top: Sequence[Blob], bottom: Sequence[Blob]) -> None:
        """Compute the bottom's diff from that of the top, through `followers`, and add to those of all parameters."""
        raise NotImplementedError(f"{type(self).__name__} absorbs no other layer")

    # -- what a layer may call ----------------------------------------------------------------------------------------

    def add_param(self, shape: Sequence[int], filler: Any = None) -> Blob:
        """Append a learnable blob. `filler`, a FillerParameter, runs later and only if no earlier layer owns the
        blob."""
        blob = Blob(shape, self.setting.dtype, f"{self.name}[{len(self.blobs)}]", self.ops.xp)
        if filler is not None:
            self.fillers[len(self.blobs)] = filler
        self.blobs.append(blob)
        return blob

    def blob(self, purpose: str) -> Blob:
        """Return a new blob for what the layer keeps between its forward and its backward."""
        return Blob((), self.setting.dtype, f"{self.name} {purpose}", self.ops.xp)

    def learns(self, index: int) -> bool:
        """Whether parameter `index` wants its gradient; true for a layer that stands alone, outside a net."""
        return self.param_propagate_down[index] if self.param_propagate_down else True

    def stream(self, purpose: str = "") -> np.random.Generator:
        """Return this layer's random stream (for `purpose`, when it needs several)."""
        return self.setting.streams.stream(f"layer/{self.name}" + (f"/{purpose}" if purpose else ""))

    @property
    def where(self) -> str:
        """`FILE:LINE: layer 'NAME' (TYPE)`: how every message about this layer begins."""
        return describe(self.param)

    def fail(self, message: str, bottom: Sequence[Blob] = ()) -> NoReturn:
        """Raise NetError with `message`, followed by each bottom, its shape and its producer."""
        lines = [f"{self.where}: {message}"]
        for i, blob in enumerate(bottom):
            producer = f", produced by {blob.producer}" if blob.producer else ""
            lines.append(f"  bottom[{i}] {blob.label!r} has shape {blob.shape}{producer}")
        raise NetError("\n".join(lines))

    def check(self, condition: bool, message: str, bottom: Sequence[Blob] = ()) -> None:
        """Call `fail(message, bottom)` unless `condition`."""
        if not condition:
            self.fail(message, bottom)

    def no_gradient(self, propagate_down: Sequence[bool], *indices: int) -> None:
        """Raise if one of these bottoms (default: any) is asked for a gradient that this layer does not have."""
        for i in indices or range(len(propagate_down)):
            if i < len(propagate_down) and propagate_down[i]:
                self.fail(f"has no gradient for bottom[{i}]: set 'propagate_down: false' for it")

    def axis(self, blob: Blob, axis: int, what: str = "axis") -> int:
        """Return `axis` counted from the front; fail when the blob does not have it."""
        axes = len(blob.shape)
        self.check(-axes <= axis < axes, f"{what} {axis} is out of range for a blob of {axes} axes", [blob])
        return axis % axes


# -- registry ---------------------------------------------------------------------------------------------------------

_registry: dict[str, type[Layer]] = {}
_v1_names: dict[str, str] = {}


def register(layer_type: str, v1: str | None = None) -> Callable[[type], type]:
    """Class decorator: make the layer known by its `type`, and by the enum name that V1 prototxts use for it."""

    def decorate(cls: type) -> type:
        cls.type = layer_type  # type: ignore[attr-defined]
        _registry[layer_type] = cls
        if v1:
            _v1_names[v1] = layer_type
        return cls

    return decorate


def layer_class(param: Any) -> type[Layer]:
    """Return the class registered for `param.type`; NetError naming the nearest types if there is none."""
    cls = _registry.get(param.type)
    if cls is None:
        raise NetError(
            f"{describe(param)}: unknown layer type {param.type!r}{did_you_mean(param.type, _registry)}\n  known "
            f"types: {', '.join(sorted(_registry))}\n  a layer of your own: class it from minicaffe.Layer, decorate "
            "it with @minicaffe.register(TYPE) and import it first, or name it in a layer of type 'Python'"
        )
    return cls


def layer_type_list() -> list[str]:
    """Return the registered layer types, sorted."""
    return sorted(_registry)
