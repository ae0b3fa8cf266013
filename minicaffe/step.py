"""Step: one layer in its place in a net, and how it is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from minicaffe.blob import Blob, Memory
from minicaffe.errors import Error, LayerError, describe
from minicaffe.layer import Layer


@dataclass
class Step:
    """One layer in its place: its definition, its blobs, and what backward does with it."""

    param: Any
    layer: Layer
    bottom: list[Blob]
    top: list[Blob]
    loss_weights: list[float] = field(default_factory=list)
    losses: list[tuple[Blob, float]] = field(default_factory=list)
    runs_backward: bool = False
    propagate_down: list[bool] = field(default_factory=list)
    _filled: list[Memory | None] = field(default_factory=list)

    def call(self, method: str, *arguments: Any) -> None:
        """Call a method of the layer; what is not one of our errors comes back as LayerError with its cause kept.

        Errors of ours that do not know their layer get its place put before them.
        """
        try:
            getattr(self.layer, method)(*arguments)
        except Error as error:
            if f"layer {self.param.name!r}" in str(error):
                raise
            raise type(error)(f"{describe(self.param)}: {error}") from error
        except MemoryError:
            raise  # the net says who holds it
        except Exception as error:
            raise LayerError(self._complaint(method, error)) from error

    def forward(self) -> float:
        """Reshape, compute the tops, return this layer's share of the loss (on a GPU, where it still lies there)."""
        self.call("reshape", self.bottom, self.top)
        self.call("forward", self.bottom, self.top)
        if not self.losses:
            return 0.0
        self.seed_losses()
        ops = self.layer.ops
        return sum(ops.number(ops.xp.vdot(blob.array, blob.diff_array)) for blob, _ in self.losses)

    def forward_with(self, followers: Sequence[Step]) -> None:
        """As `forward`, and with it what `followers` do to the top in place; there are no losses among them."""
        for step in (self, *followers):
            step.call("reshape", step.bottom, step.top)
        self.call("forward_with", [step.layer for step in followers], self.bottom, self.top)

    def backward(self) -> None:
        self.call("backward", self.top, self.propagate_down, self.bottom)

    def backward_with(self, followers: Sequence[Step]) -> None:
        """As `backward`, of `followers` in reverse and then of this layer."""
        self.call("backward_with", [step.layer for step in followers], self.top, self.bottom)

    def seed_losses(self) -> None:
        """Fill the diff of every loss top with its weight, once, and again only if a reshape gave it new memory."""
        for i, (blob, weight) in enumerate(self.losses):
            if self._filled[i] is not blob._diff:
                blob.diff_array[...] = weight
                self._filled[i] = blob._diff

    def set_losses(self, weights: Sequence[float]) -> None:
        self.loss_weights = list(weights)
        self.losses = [(blob, w) for blob, w in zip(self.top, weights, strict=True) if w]
        self._filled = [None] * len(self.losses)
        self.seed_losses()

    def _complaint(self, method: str, error: Exception) -> str:
        from minicaffe.compat.python2 import hint

        lines = [f"{describe(self.param)}: {method} raised {type(error).__name__}: {error}"]
        lines += [f"  bottom[{i}] {blob.label!r} has shape {blob.shape}" for i, blob in enumerate(self.bottom)]
        advice = hint(error)
        return "\n".join(lines + ([f"  {advice}"] if advice else []))
