"""One pool of threads for all kernels."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache


@lru_cache(maxsize=1)
def count() -> int:
    """Return how many threads to use: OMP_NUM_THREADS, or else the processors this process may run on."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(count() - 1, 1), thread_name_prefix="minicaffe-kernel")


def recount() -> None:
    """Look at OMP_NUM_THREADS again, which has changed."""
    count.cache_clear()
    _pool.cache_clear()


if hasattr(os, "register_at_fork"):
    # A child process has none of its parent's threads, so it needs a pool of its own.
    os.register_at_fork(after_in_child=_pool.cache_clear)


def split(items: int, least: int, work: Callable[[int, int], None]) -> None:
    """Call work(lo, hi) on ranges that cover 0..items, in as many threads as get `least` items or more each."""
    pieces = min(count(), items // max(least, 1))
    if pieces < 2:
        work(0, items)
        return
    edges = [items * piece // pieces for piece in range(pieces + 1)]
    others = [_pool().submit(work, lo, hi) for lo, hi in itertools.pairwise(edges[1:])]
    try:
        work(edges[0], edges[1])
    finally:
        for other in others:
            other.result()


def share(items: int, work: Callable[[int], None]) -> None:
    """Call work(item) for 0..items, each in whichever thread is free next.

    For items of a millisecond or more, which a busy processor would keep waiting for the slower of two fixed halves.
    """
    turns = itertools.count()

    def take() -> None:
        while (item := next(turns)) < items:
            work(item)

    others = [_pool().submit(take) for _ in range(min(count(), items) - 1)]
    try:
        take()
    finally:
        for other in others:
            other.result()
