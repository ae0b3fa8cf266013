"""Ctrl-C and hang-up during a run: what they ask for is done between two iterations, never in the middle of one.

The solver polls `solver.request` after every iteration and before every test batch. `handled` installs the signals and
yields the object to put there; Caffe's defaults are SIGINT stop, SIGHUP snapshot.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minicaffe.errors import SolverError, did_you_mean

STOP, SNAPSHOT, NONE = "stop", "snapshot", "none"
EFFECTS = (STOP, SNAPSHOT, NONE)


class Request:
    """What the outside world wants of a run. `poll` returns one action and forgets it; SIGHUP goes before SIGINT."""

    def __init__(self, sigint: str = STOP, sighup: str = SNAPSHOT):
        for flag, effect in (("sigint_effect", sigint), ("sighup_effect", sighup)):
            if effect not in EFFECTS:
                near = did_you_mean(effect, EFFECTS)
                raise SolverError(f"{flag} {effect!r} is not known{near}: it is one of {', '.join(EFFECTS)}")
        self.sigint, self.sighup = sigint, sighup
        self.got_sigint = self.got_sighup = False

    def poll(self) -> str:
        """Return STOP, SNAPSHOT or NONE for one of the signals that came; the other waits for the next poll."""
        if self.got_sighup:
            self.got_sighup = False
            return self.sighup
        if self.got_sigint:
            self.got_sigint = False
            return self.sigint
        return NONE

    def on_sighup(self, *_: Any) -> None:
        """Handle SIGHUP."""
        self.got_sighup = True

    def on_sigint(self, *_: Any) -> None:
        """Handle SIGINT. A second one while the first still waits for a `stop` interrupts at once."""
        if self.got_sigint and self.sigint == STOP:
            raise KeyboardInterrupt
        self.got_sigint = True


@contextmanager
def handled(sigint: str = STOP, sighup: str = SNAPSHOT) -> Iterator[Request]:
    """Let SIGINT and SIGHUP set flags of the Request yielded; on leaving, the handlers of before are back.

    Outside the main thread, where Python allows no handlers, the Request simply never gets a signal. Windows has no
    SIGHUP.
    """
    request = Request(sigint, sighup)
    handlers = {signal.SIGINT: request.on_sigint}
    if hasattr(signal, "SIGHUP"):
        handlers[signal.SIGHUP] = request.on_sighup
    if threading.current_thread() is not threading.main_thread():
        handlers = {}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
