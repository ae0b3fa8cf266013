"""Doing things in threads: the same results, the first error, no thread left."""

from __future__ import annotations

import threading
import time

import pytest

from minicaffe.data import parallel
from minicaffe.data.parallel import in_parallel


@pytest.mark.parametrize("cores", [1, 2, 64])
def test_results_stand_in_the_order_of_the_items(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    monkeypatch.setattr(parallel, "_cores", lambda: cores)
    before = threading.active_count()
    used = set()

    def square(n: int) -> int:
        used.add(threading.current_thread().name)
        time.sleep(0.001 * (n % 3))
        return n * n

    assert in_parallel(square, list(range(30))) == [n * n for n in range(30)]
    assert threading.active_count() == before
    assert len(used) <= min(cores, 8)
    assert (threading.current_thread().name in used) == (cores == 1)


@pytest.mark.parametrize("cores", [1, 4])
def test_the_error_of_the_earliest_item_is_raised(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    monkeypatch.setattr(parallel, "_cores", lambda: cores)

    def fail(n: int) -> int:
        time.sleep(0.01 * (5 - n))
        raise KeyError(n)

    with pytest.raises(KeyError, match="0"):
        in_parallel(fail, [0, 1, 2, 3])
