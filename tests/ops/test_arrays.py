"""Scratch memory: kept, grown, and never shared between purposes, dtypes or threads."""

from __future__ import annotations

import threading

import numpy as np

from minicaffe.ops.arrays import Scratch, array_module, as_numpy

LIKE = np.zeros(1, np.float32)


def test_memory_is_kept_between_calls_and_grows() -> None:
    scratch = Scratch()
    first = scratch.take("a", LIKE, (4, 5))
    assert (first.shape, first.dtype) == ((4, 5), np.float32)
    assert np.shares_memory(scratch.take("a", LIKE, (2, 3)), first)
    larger = scratch.take("a", LIKE, (30,))
    assert not np.shares_memory(larger, first)
    assert np.shares_memory(scratch.take("a", LIKE, (4, 5)), larger)


def test_purposes_dtypes_and_threads_have_memory_of_their_own() -> None:
    scratch = Scratch()
    taken = [scratch.take("a", LIKE, (9,)), scratch.take("b", LIKE, (9,)), scratch.take("a", LIKE.astype("d"), (9,))]
    thread = threading.Thread(target=lambda: taken.append(scratch.take("a", LIKE, (9,))))
    thread.start()
    thread.join()
    assert len(taken) == 4
    for i, one in enumerate(taken):
        assert not any(np.shares_memory(one, other) for other in taken[:i])


def test_array_module_and_host_copy_of_numpy_are_numpy_itself() -> None:
    assert array_module(LIKE) is np
    assert as_numpy(LIKE) is LIKE
