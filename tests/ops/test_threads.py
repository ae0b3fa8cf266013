"""Kernels in threads: all ranges done, errors passed on, results the same for any number of threads."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from minicaffe import ops as package
from minicaffe.ops.cpu import blas, channels, elementwise, im2col, lrn, pooling, roi_pool, threads
from minicaffe.ops.cpu.kernel import kernel
from minicaffe.ops.cpu.team import divide
from tests.ops.test_im2col import drawn


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let even small arrays be split over five threads."""
    monkeypatch.setattr(threads, "count", lambda: 5)
    for module in (channels, elementwise, im2col, lrn, pooling):
        monkeypatch.setattr(module, "ELEMENTS", 1)
    monkeypatch.setattr(elementwise, "DRAWS", 7)
    monkeypatch.setattr(blas, "MULTIPLICATIONS", 1)
    monkeypatch.setattr(roi_pool, "CHANNELS", 1)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(("items", "least", "pieces"), [(11, 1, 5), (11, 4, 2), (3, 1, 3), (3, 5, 1), (0, 1, 1)])
def test_ranges_cover_all_items_once(items: int, least: int, pieces: int) -> None:
    done: list[tuple[int, int]] = []
    threads.split(items, least, lambda lo, hi: done.append((lo, hi)))
    assert len(done) == pieces
    assert [i for lo, hi in sorted(done) for i in range(lo, hi)] == list(range(items))


@kernel
def count_up(lo, hi, team, counts, workers):
    if divide(lo, hi, team):
        return
    for i in range(lo, hi):
        counts[i] += 1
        workers[i] = team[1]


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("items", [0, 1, 5, 64, 1001])
def test_a_kernel_works_on_every_item_once(items: int) -> None:
    counts, workers = np.zeros(items, np.int64), np.full(items, -1)
    for calls in range(1, 200):
        threads.run(count_up, items, 1, counts, workers)
        np.testing.assert_array_equal(counts, calls)
    assert items == 0 or 0 <= workers.min() <= workers.max() < 5


@pytest.mark.usefixtures("many")
def test_a_kernel_wakes_threads_that_went_to_sleep() -> None:
    counts, workers = np.zeros(1 << 22, np.int64), np.zeros(1 << 22, np.int64)
    helped = 0
    for _ in range(20):
        time.sleep(0.01)  # much longer than they look for work
        threads.run(count_up, len(counts), 1, counts, workers)
        helped += workers.max() > 0
    assert helped  # how many times depends on the machine
    assert (counts == 20).all()


@pytest.mark.usefixtures("many")
def test_only_as_many_threads_help_as_there_is_work_for() -> None:
    counts, workers = np.zeros(50, np.int64), np.zeros(50, np.int64)
    for _ in range(200):
        threads.run(count_up, 50, 25, counts, workers)
        assert workers.max() < 2
    assert threads.team(50, 26) == threads.ALONE


@pytest.mark.usefixtures("many")
def test_kernels_may_be_called_from_several_threads_at_once() -> None:
    def call(_: int) -> None:
        counts, workers = np.zeros(64, np.int64), np.zeros(64, np.int64)
        for _ in range(2000):
            threads.run(count_up, 64, 1, counts, workers)
        assert (counts == 2000).all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(call, range(8)))
    threads.share(8, call)


@pytest.mark.usefixtures("many")
def test_an_error_in_a_thread_is_raised() -> None:
    def work(lo: int, hi: int) -> None:
        if hi == 10:
            raise ValueError("from a thread")

    with pytest.raises(ValueError, match="from a thread"):
        threads.split(10, 1, work)


@kernel
def fill(lo, hi, team, size, out):
    if divide(lo, hi, team):
        return
    for i in range(lo, hi):
        room = np.empty(size, np.float32)
        room[0] = 1
        out[i] = room[0]


@pytest.mark.parametrize("count", [1, 3])
def test_a_kernel_that_gets_no_memory_raises(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "count", lambda: count)
    with pytest.raises(MemoryError):
        threads.run(fill, 8, 1, 1 << 55, np.zeros(8))
    out = np.zeros(8)
    threads.run(fill, 8, 1, 1, out)
    assert out.all()


@pytest.mark.usefixtures("many")
def test_an_error_waits_until_all_threads_are_done() -> None:
    done: list[int] = []

    def work(item: int) -> None:
        if item == 0:
            raise ValueError
        time.sleep(0.05)
        done.append(item)

    with pytest.raises(ValueError):
        threads.share(4, work)
    finished = len(done)
    time.sleep(0.2)
    assert len(done) == finished


@pytest.mark.usefixtures("many")
def test_threads_that_begin_together_hire_each_member_once(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = threads._Member.__init__

    def slowly(self: threads._Member, *arguments: Any) -> None:
        begin(self, *arguments)
        time.sleep(0.01)

    monkeypatch.setattr(threads._Member, "__init__", slowly)
    monkeypatch.setattr(threads._office, "crew", None)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: threads.share(3, lambda item: None), range(4)))
        list(pool.map(lambda _: threads.team(5, 1), range(4)))
    assert [member.number for member in threads._crew().members] == [1, 2, 3, 4]
    threads._crew().stop()


def test_kernels_may_run_while_the_interpreter_ends() -> None:
    program = (
        "import atexit\nfrom minicaffe.ops.cpu import threads\n"
        "def late(): threads.share(4, print)\n"
        "atexit.register(late)\nthreads.share(4, id)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "OMP_NUM_THREADS": "2"}, capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    assert sorted(done.stdout.split()) == ["0", "1", "2", "3"]


def everything() -> list[np.ndarray]:
    """Run every kernel once; return all results."""
    ops, x = package.default(), drawn((2, 6, 9, 40), np.float32)
    window = (3, 3), (2, 2), (1, 1)
    col, total = np.empty((54, 2, 5, 20), np.float32), np.zeros_like(x)
    ops.im2col(x, *window, (1, 1), col)
    ops.col2im(col, *window, (1, 1), total)
    y, mask, dx = np.empty((2, 6, 5, 20), np.float32), np.empty((2, 6, 5, 20), np.int32), np.empty_like(x)
    ops.pool_max(x, *window, y, mask)
    ops.pool_max_backward(y, mask, *window, dx)
    mean, spread = np.empty_like(y), np.empty_like(x)
    ops.pool_ave(x, *window, mean)
    ops.pool_ave_backward(mean, *window, spread)
    normal, scale, gradient = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    ops.lrn_across(x, 5, 0.1, 0.75, 1.0, normal, scale)
    ops.lrn_across_backward(x, normal, scale, x, 5, 0.1, 0.75, gradient)
    boxes = np.array([[n % 2, n, n % 3, 2 * n, 8] for n in range(30)], np.float32)
    cells, back = np.empty((30, 6, 3, 3), np.float32), np.empty_like(x)
    ops.roi_pool(x, boxes, (3, 3), 1.0, cells)
    ops.roi_pool_backward(x, boxes, cells, 1.0, back)
    pooled = [col, total, y, mask, dx, mean, spread, normal, scale, gradient, cells, back]
    return [*pooled, *products(ops), *by_channel(ops, x), *by_number(ops, x)]


def products(ops: package.Ops) -> list[np.ndarray]:
    a, b = drawn((1030, 9), np.float32), drawn((9, 2100), np.float32, 1)
    out, total = np.empty((1030, 2100), np.float32), np.ones((1030, 2100), np.float32)
    ops.matmul(a, b, out, b[0])
    ops.add_matmul(a, b, total)
    return [out, total]


def by_channel(ops: package.Ops, x: np.ndarray) -> list[np.ndarray]:
    x = x.reshape(2, 6, -1)
    mean, variance = ops.channel_moments(x)
    y, kept, dx = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    ops.normalise(x, mean, variance, mean, variance, y, kept)
    sums = ops.normalise_backward(x, y, kept, variance, mean, True, dx)
    return [mean, variance, y, kept, dx, *sums, *ops.channel_sums(x, y)]


def by_number(ops: package.Ops, x: np.ndarray) -> list[np.ndarray]:
    results = [np.empty_like(x) for _ in range(5)]
    mask = np.empty(x.shape, bool)
    ops.rectify(x, 0.1, results[0])
    ops.rectify_backward(x, x, 0.1, results[1])
    ops.weighted_sum([x, results[0], x], [1.0, 2.0, 0.5], results[2])
    ops.dropout(x, np.random.PCG64(3), 0.5, 2.0, mask, results[3])
    ops.masked(x, mask, 2.0, results[4])
    moved = [array.reshape(-1).copy() for array in (x, results[0], results[1])]
    ops.sgd_update(*moved, 0.1, 0.9)
    return [*results, mask, *moved]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_results_do_not_depend_on_the_number_of_threads(
    count: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "count", lambda: 1)
    alone = everything()
    request.getfixturevalue("many")
    monkeypatch.setattr(threads, "count", lambda: count)
    for one, other in zip(alone, everything(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_number_of_threads_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    count = threads.count.__wrapped__
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert count() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    assert 1 <= count() <= (os.cpu_count() or 1)


def test_a_change_of_the_environment_is_followed_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    before = threads.count()
    with monkeypatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", str(before + 1))
        assert threads.count() == before
        threads.recount()
        assert threads.count() == before + 1
    threads.recount()
    assert threads.count() == before


@pytest.mark.usefixtures("many")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    expected = everything()
    fork = multiprocessing.get_context("fork")
    queue = fork.SimpleQueue()
    child = fork.Process(target=lambda: queue.put([float(array.sum()) for array in everything()]))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert queue.get() == [float(array.sum()) for array in expected]
