"""Walk: the steps of a net, run forwards and backwards."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from minicaffe import debug
from minicaffe.lean import Lean
from minicaffe.parameters import LearnableParam
from minicaffe.step import Step

log = logging.getLogger("minicaffe")

Callback = Callable[[int], None]


class Walk:
    """What a net does once it is built: its layers in their order, and whoever looks on.

    `fusions` maps the first layer of a group that runs as one to the last (see `minicaffe.graph.fusion`), and
    `backward_fusions` the last to the first of one that runs backward as one.
    """

    steps: Sequence[Step]
    learnable: Sequence[LearnableParam]
    fusions: dict[int, int]
    backward_fusions: dict[int, int]
    debug_info: bool
    _lean: Lean | None

    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callback]] = {
            name: [] for name in ("before_forward", "after_forward", "before_backward", "after_backward")
        }
        self._warned_dead = False

    def forward_loss(self, first: int = 0, last: int | None = None) -> float:
        """Run layers `first` to `last` (default all), each reshaped first; return the weighted sum of their losses."""
        if not self._warned_dead:
            self._warn_dead()
        loss, i = 0.0, first
        last = len(self.steps) - 1 if last is None else last
        while i <= last:
            end = self.group_end(i, last)
            if self._lean:
                self._lean.before(range(i, end + 1))
            if end > i:
                self._attempt(i, self.steps[i].forward_with, self.steps[i + 1 : end + 1])
            else:
                loss += self._forward_one(i)
            if self._lean:
                self._lean.after(range(i, end + 1))
            i = end + 1
        return float(loss)

    def run_backward(self, first: int | None = None, last: int = 0) -> None:
        """Run the layers that need it backward, from `first` (default the last layer) down to `last`."""
        i = len(self.steps) - 1 if first is None else first
        while i >= last:
            begin = self.group_begin(i, last)
            self._call("before_backward", i)
            if self.steps[i].runs_backward:
                self._backward_group(begin, i)
            self._call("after_backward", i)
            i = begin - 1
        if self.debug_info and first is None and last == 0:
            debug.log_totals(self)

    def forward_backward(self) -> float:
        """One forward and one backward pass; returns the loss. Parameter diffs accumulate."""
        loss = self.forward_loss()
        self.run_backward()
        return loss

    def _forward_one(self, i: int) -> Any:
        self._call("before_forward", i)
        loss = self._attempt(i, self.steps[i].forward)
        if self.debug_info:
            debug.log_forward(self, i)
        self._call("after_forward", i)
        return loss

    def _backward_group(self, first: int, last: int) -> None:
        events = range(2 * len(self.steps) - 1 - last, 2 * len(self.steps) - first)
        if self._lean:
            self._lean.before(events)
        if first < last:
            self._attempt(first, self.steps[first].backward_with, self.steps[first + 1 : last + 1])
        else:
            self._attempt(last, self.steps[last].backward)
        if self.debug_info:
            debug.log_backward(self, last)
        if self._lean:
            self._lean.after(events)

    def group_end(self, i: int, last: int) -> int:
        """Return the last layer, not beyond `last`, that layer `i` does the work of; `i` where it runs alone.

        Where someone looks at every layer, with a callback or `debug_info`, each of them does.
        """
        end = self.fusions.get(i, i)
        return i if self._watched("forward") or end > last else end

    def group_begin(self, i: int, last: int) -> int:
        """As `group_end`, for a backward pass from layer `i` down to `last`."""
        begin = self.backward_fusions.get(i, i)
        return i if self._watched("backward") or begin < last else begin

    def _watched(self, half: str) -> bool:
        return self.debug_info or any(self._callbacks[f"{when}_{half}"] for when in ("before", "after"))

    def _attempt(self, index: int, run: Callable[..., Any], *arguments: Any) -> Any:
        """Run a part of layer `index`."""
        return run(*arguments)

    # -- looking on ---------------------------------------------------------------------------------------------------

    def _call(self, when: str, index: int) -> None:
        for callback in self._callbacks[when]:
            callback(index)

    def before_forward(self, callback: Callback) -> None:
        """Call `callback(layer_index)` before each layer's forward."""
        self._callbacks["before_forward"].append(callback)

    def after_forward(self, callback: Callback) -> None:
        """Call `callback(layer_index)` after each layer's forward."""
        self._callbacks["after_forward"].append(callback)

    def before_backward(self, callback: Callback) -> None:
        """Call `callback(layer_index)` before each layer's backward, also for layers that do not run it."""
        self._callbacks["before_backward"].append(callback)

    def after_backward(self, callback: Callback) -> None:
        """Call `callback(layer_index)` after each layer's backward, also for layers that do not run it."""
        self._callbacks["after_backward"].append(callback)

    def _warn_dead(self) -> None:
        """Name the layers that can learn nothing because nobody ever gave their weights a value other than zero."""
        self._warned_dead = True
        for param in self.learnable:
            if param.unfilled and not param.blob.array.any():
                log.warning(
                    "the weights of layer %r are all zero: the prototxt gives no filler and no weights were "
                    "loaded, so nothing will learn there; add a weight_filler, or load weights (--weights FILE)",
                    param.layer,
                )
