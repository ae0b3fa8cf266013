"""The loss that is displayed, and that the plateau policy watches: a mean over the last `average_loss` iterations."""

from __future__ import annotations

from typing import Any


class SmoothedLoss:
    """Caffe's running mean: while it fills up the mean of all so far, then one old loss out for every new one in.

    Where Caffe starts afresh at every call of Solver::Step, `begin` does; a snapshot carries the window across a
    restart.
    """

    def __init__(self, window: int):
        self.window = window
        self.value = 0.0
        self._losses: list[float] = []
        self._start = 0
        self._restored = False

    def begin(self, N: int) -> None:
        """Start afresh at iteration N, unless a snapshot has just been restored."""
        if not self._restored:
            self.value, self._losses, self._start = 0.0, [], N
        self._restored = False

    def add(self, N: int, loss: float) -> float:
        """Take in the loss of iteration N; return the mean."""
        k = len(self._losses)
        if k < self.window:
            self._losses.append(loss)
            self.value = (self.value * k + loss) / (k + 1)
        else:
            oldest = (N - self._start) % self.window
            self.value += (loss - self._losses[oldest]) / self.window
            self._losses[oldest] = loss
        return self.value

    def get_state(self) -> dict[str, Any]:
        """Return everything, JSON-able."""
        return {"value": self.value, "losses": self._losses, "start": self._start}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue where `get_state` was called; the next `begin` keeps it."""
        self.value, self._losses, self._start = state["value"], list(state["losses"])[-self.window :], state["start"]
        self._restored = True
