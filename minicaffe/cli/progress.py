"""The progress bar: time left, rate and loss, on a terminal only; a log file never sees it."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any


class Progress:
    """A bar drawn on standard error when that is a terminal; counts whatever `unit` says, up to what `update` is told.

    Log lines and the bar share the terminal: `minicaffe.solver.log.GlogHandler` lifts the bar out of the way.
    """

    def __init__(self, unit: str):
        self.unit = unit
        self._bar: Any = None

    def update(self, done: int, total: int, loss: float | None = None) -> None:
        """Show that `done` of `total` are done. The first call says where the run began, which need not be at 0."""
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            self._bar = self._draw(done - 1, total)
        if loss is not None:
            self._bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)
        self._bar.update(done - self._bar.n)

    def _draw(self, start: int, total: int) -> Any:
        from tqdm import tqdm

        return tqdm(initial=start, total=total, unit=self.unit, file=sys.stderr, dynamic_ncols=True, leave=False)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
