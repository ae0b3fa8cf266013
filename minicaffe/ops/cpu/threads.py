"""One crew of threads for all kernels, and for what Python calls many times over."""

from __future__ import annotations

import atexit
import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import lru_cache
from queue import SimpleQueue
from typing import Any

import numpy as np

# A thread that has nothing to do looks for work so many times, about half a millisecond, before it goes to sleep.
LOOKS = 15_000
# Threads that a board has places for.
MOST = 256
# A kernel's items are cut into so many turns for each thread: one that is held up leaves its share to the others.
TURNS = 4
ALONE = (0, 0, 0)
"""The team of one: see `minicaffe.ops.cpu.team`."""


@lru_cache(maxsize=1)
def count() -> int:
    """Return how many threads to use: OMP_NUM_THREADS, or else the processors this process may run on."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return min(int(wanted), MOST)
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, MOST)


class _Member(threading.Thread):
    """A thread that helps: in kernels while it looks at the board, and with what it finds in its inbox."""

    def __init__(self, number: int, crew: _Crew):
        super().__init__(name=f"minicaffe-kernel-{number}", daemon=True)
        self.number, self.crew = number, crew
        self.inbox: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def run(self) -> None:
        seen = 0
        while not self.crew.over:
            seen = self.crew.serve(self.crew.address, self.number, seen, LOOKS)
            work = self.inbox.get()
            if work is not None:
                self.crew.wanted[self.number] = 0
                work()


_boards: list[Any] = []
"""Every board there was: a call that goes on while OMP_NUM_THREADS changes still looks at its own."""


class _Crew:
    """The threads of this process besides the one that has work for them, and the board they look at."""

    def __init__(self) -> None:
        from minicaffe.ops.cpu import team

        line = team.LINE // 8
        fields = np.zeros((team.FIELDS + MOST + 1) * line, np.int64)
        fields = fields[-fields.ctypes.data % team.LINE // 8 :]
        fields[team.GATE // 8] = team.CLOSED
        _boards.append(fields)
        self.places = fields[team.FIELDS * line :: line]
        self.wanted = fields[team.FIELDS * line + team.LEAVE // 8 :: line]
        self.away, self.called = team.AWAY, team.CALLED
        self.address: int = fields.ctypes.data
        self.serve = team.serve
        self.serve(self.address, 0, 0, 0)  # compiled here, not by each of its threads
        team.together(self.address, 0, 0, 0)
        self.members: list[_Member] = []
        self.free, self.hiring = threading.Lock(), threading.Lock()
        self.over = False
        atexit.register(self.stop)

    def call(self, helpers: int) -> None:
        """See to it that so many members look at the board, or will in a moment."""
        for member in self.hire(helpers):
            if self.places[member.number] == self.away:
                self.places[member.number] = self.called
                member.inbox.put(None)

    def hire(self, helpers: int) -> list[_Member]:
        """Return so many members; fewer, if the system lets no more threads begin, or all have gone home."""
        if len(self.members) < helpers and not self.over:
            with self.hiring, suppress(RuntimeError):
                while len(self.members) < helpers:
                    member = _Member(len(self.members) + 1, self)
                    member.start()
                    self.members.append(member)
        return self.members[:helpers]

    def stop(self) -> None:
        """Send all members home, after what is shared just now; those who share something later work alone."""
        atexit.unregister(self.stop)
        with self.free:
            self.over = True
        self.wanted[:] = 1
        for member in self.members:
            member.inbox.put(None)
        for member in self.members:
            member.join()


class _Office:
    """Where the crew of this process is found."""

    def __init__(self) -> None:
        self.open()

    def open(self) -> None:
        self.lock = threading.Lock()
        self.crew: _Crew | None = None


_office = _Office()


def _crew() -> _Crew:
    if _office.crew is None:
        with _office.lock:
            _office.crew = _office.crew or _Crew()
    return _office.crew


def recount() -> None:
    """Look at OMP_NUM_THREADS again, which has changed. Nobody may be calling kernels meanwhile."""
    count.cache_clear()
    crew, _office.crew = _office.crew, None
    if crew is not None:
        crew.stop()


if hasattr(os, "register_at_fork"):
    # A child process has none of its parent's threads, so it needs a crew of its own.
    os.register_at_fork(after_in_child=_office.open)


def team(items: int, least: int) -> tuple[int, int, int]:
    """Return who is to work on so many items, as kernels take it: as many threads as get `least` items or more each."""
    wanted = min(count(), items // max(least, 1))
    if wanted < 2:
        return ALONE
    crew = _crew()
    crew.call(wanted - 1)
    return crew.address, wanted, -(-items // (TURNS * wanted))


def run(kernel: Callable[..., None], items: int, least: int, *arguments: Any) -> None:
    """Have a kernel, whose first arguments are lo, hi and team, work on 0..items: at least `least` for each thread."""
    kernel(0, items, team(items, least), *arguments)


def code(kernel: Callable[..., None], *arguments: Any) -> int:
    """Return where in memory the code of a kernel for arguments of these types is, for `team.work`."""
    from minicaffe.ops.cpu.team import TELL

    address = np.zeros(1, np.int64)
    kernel(0, 0, (address.ctypes.data, TELL, 0), *arguments)
    return int(address[0])


def split(items: int, least: int, work: Callable[[int, int], None]) -> None:
    """Call work(lo, hi), in Python, on ranges that cover 0..items: in as many threads as get `least` items or more."""
    pieces = min(count(), items // max(least, 1))
    edges = [items * piece // max(pieces, 1) for piece in range(max(pieces, 1) + 1)]
    share(len(edges) - 1, lambda piece: work(edges[piece], edges[piece + 1]))


def share(items: int, work: Callable[[int], None]) -> None:
    """Call work(item), in Python, for 0..items, each in whichever thread is free next: items of a millisecond or so."""
    helpers = min(count(), items) - 1
    crew = _crew() if helpers > 0 else None
    if crew is not None and crew.free.acquire(blocking=False):  # else this is within a call of this function
        try:
            if not crew.over:
                _share(crew, helpers, items, work)
                return
        finally:
            crew.free.release()
    for item in range(items):
        work(item)


def _share(crew: _Crew, helpers: int, items: int, work: Callable[[int], None]) -> None:
    turns = itertools.count()

    def take() -> None:
        while (item := next(turns)) < items:
            work(item)

    members = crew.hire(helpers)
    for member in members:
        crew.wanted[member.number] = 1
    others = [_post(member, take) for member in members]
    try:
        take()
    finally:
        wait(others)  # before an exception of any goes on
    for other in others:
        other.result()


def _post(member: _Member, take: Callable[[], None]) -> Future[None]:
    done: Future[None] = Future()

    def work() -> None:
        try:
            take()
        except BaseException as error:  # raised again by the thread that waits
            done.set_exception(error)
        else:
            done.set_result(None)

    member.inbox.put(work)
    return done
