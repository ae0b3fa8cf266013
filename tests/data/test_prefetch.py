"""Reading ahead: same batches at every depth, honest states, errors that arrive, and no thread left behind."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
import time
import traceback
from typing import Any

import numpy as np
import pytest

from minicaffe.data.prefetch import Batch, Feed, Prefetcher

DEPTHS = [0, 1, 4]


class Counting(Feed):
    """Batch n holds n, with the shape (n % 3 + 1,); the batch `bad` fails `failures` times."""

    def __init__(self, bad: int = -1, failures: int = 1):
        self.n = 0
        self.bad = bad
        self.failures = failures
        self.threads: set[str] = set()

    def fill(self, batch: Batch) -> None:
        self.threads.add(threading.current_thread().name)
        n, self.n = self.n, self.n + 1
        if n == self.bad and self.failures:
            self.failures -= 1
            raise self.trouble(n)
        (values,) = batch.take((n % 3 + 1,))
        values[...] = n

    def trouble(self, n: int) -> Exception:
        return KeyError(f"batch {n} is bad")

    def get_state(self) -> dict[str, Any]:
        return {"n": self.n}

    def set_state(self, state: dict[str, Any]) -> None:
        self.n = state["n"]


def values(prefetcher: Prefetcher, count: int) -> list[int]:
    taken = []
    for _ in range(count):
        (array,) = prefetcher.next().arrays
        assert array.shape == (int(array[0]) % 3 + 1,)
        assert (array == array[0]).all()
        taken.append(int(array[0]))
    return taken


def ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.fixture(autouse=True)
def no_thread_stays() -> Any:
    yield
    gc.collect()
    assert ours() == []


@pytest.mark.parametrize("depth", DEPTHS)
def test_batches_come_in_order(depth: int) -> None:
    feed = Counting()
    prefetcher = Prefetcher(feed, depth)
    assert values(prefetcher, 10) == list(range(10))
    assert feed.threads == ({"prefetch"} if depth else {threading.current_thread().name})


def test_no_thread_before_the_first_batch() -> None:
    feed = Counting()
    prefetcher = Prefetcher(feed, 2)
    assert ours() == []
    assert prefetcher.get_state() == {"n": 0}
    prefetcher.close()


def test_batches_are_filled_ahead_but_not_further_than_asked() -> None:
    feed = Counting()
    prefetcher = Prefetcher(feed, 3)
    prefetcher.next()
    deadline = time.monotonic() + 10
    while feed.n < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert feed.n == 4
    assert prefetcher.get_state() == {"n": 1}


def test_memory_is_used_again() -> None:
    prefetcher = Prefetcher(Counting(), 1)
    seen = {id(prefetcher.next()) for _ in range(20)}
    assert len(seen) <= 2


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("taken", [0, 1, 5])
def test_the_state_is_that_of_the_batches_handed_out(depth: int, taken: int) -> None:
    first = Prefetcher(Counting(), depth)
    values(first, taken)
    state = json.loads(json.dumps(first.get_state()))
    second = Prefetcher(Counting(), depth)
    values(second, 2)
    second.set_state(state)
    assert second.get_state() == state
    assert values(second, 5) == values(first, 5) == list(range(taken, taken + 5))


@pytest.mark.parametrize("depth", DEPTHS)
def test_an_error_arrives_with_its_traceback_after_the_batches_before_it(depth: int) -> None:
    prefetcher = Prefetcher(Counting(bad=3), depth)
    assert values(prefetcher, 3) == [0, 1, 2]
    with pytest.raises(KeyError, match="batch 3 is bad") as caught:
        prefetcher.next()
    assert [frame.name for frame in traceback.extract_tb(caught.tb)][-1] == "fill"
    assert prefetcher.get_state() == {"n": 3}
    assert values(prefetcher, 3) == [3, 4, 5]


@pytest.mark.parametrize("depth", DEPTHS)
def test_an_error_that_stays_is_raised_each_time(depth: int) -> None:
    prefetcher = Prefetcher(Counting(bad=0, failures=100), depth)
    for _ in range(3):
        with pytest.raises(KeyError, match="batch 0 is bad"):
            prefetcher.next()


def test_close_ends_the_thread_and_next_begins_again() -> None:
    prefetcher = Prefetcher(Counting(), 3)
    assert values(prefetcher, 2) == [0, 1]
    assert len(ours()) == 1
    prefetcher.close()
    prefetcher.close()
    assert ours() == []
    assert values(prefetcher, 2) == [2, 3]
    prefetcher.close()


def test_a_forgotten_prefetcher_ends_its_thread() -> None:
    prefetcher = Prefetcher(Counting(), 2)
    prefetcher.next()
    (thread,) = ours()
    del prefetcher
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_a_program_ends_while_a_batch_is_being_filled() -> None:
    program = """
import time
from minicaffe.data.prefetch import Feed, Prefetcher

class Slow(Feed):
    def fill(self, batch):
        batch.take((2,))
        time.sleep(0.05)
    def get_state(self):
        return {}
    def set_state(self, state):
        pass

prefetcher = Prefetcher(Slow(), 4)
prefetcher.next()
print("done", flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_batch_keeps_memory_that_is_large_enough() -> None:
    batch = Batch(np.float64)
    data, label = batch.take((4, 3), (4,))
    assert (data.dtype, data.shape, label.shape) == (np.float64, (4, 3), (4,))
    (smaller,) = batch.take((2, 5))
    assert np.shares_memory(smaller, data)
    (larger,) = batch.take((5, 5))
    assert not np.shares_memory(larger, data)
    assert [array.shape for array in batch.arrays] == [(5, 5)]
