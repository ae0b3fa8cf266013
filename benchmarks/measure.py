"""Measure one row in this process: `measure.py time ROW ours,torch SECONDS` or `measure.py memory ROW ENGINE`.

Prints one line of JSON; `cpu.py` calls it.
"""

from __future__ import annotations

import ctypes
import gc
import json
import statistics
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import rows

BLOCK_SECONDS = 0.25  # passes of one engine in a row; the first of a longer block is not counted
LEAST_TURNS, MOST_TURNS = 3, 25


def time(row: rows.Row, names: list[str], budget: float) -> dict[str, Any]:
    """Return milliseconds of each engine, how far their results are apart, and how many times as fast ours is."""
    import engines

    ours = engines.Ours(row)
    runs = {"ours": ours.run}
    result: dict[str, Any] = {}
    if "torch" in names:
        peer = engines.Torch(row, ours.net)
        result["difference"] = engines.difference(ours.answer(), peer.answer())
        runs["torch"] = peer.run
    turns = take_turns(runs, budget)
    for name, blocks in turns.items():
        passes = [seconds for block in blocks for seconds in block]
        result[name] = {
            "median": 1000 * statistics.median(passes),
            "best": 1000 * min(passes),
            "passes": len(passes),
            "blocks": len(blocks),
        }
    if "torch" in turns:
        # What slows the machine for a while slows both blocks of a turn: each turn gives a ratio, the median counts.
        medians = ([statistics.median(block) for block in turns[name]] for name in ("torch", "ours"))
        result["ratio"] = statistics.median(theirs / mine for theirs, mine in zip(*medians, strict=True))
    return result


def take_turns(runs: dict[str, Callable[[], Any]], budget: float) -> dict[str, list[list[float]]]:
    """Run a block of passes of each in turn for `budget` seconds; return the seconds of each pass by block."""
    passes = {}
    for name, run in runs.items():
        run()
        start = perf_counter()
        run()
        once = perf_counter() - start
        passes[name] = 1 + round(BLOCK_SECONDS / once) if once < BLOCK_SECONDS else 1
    turns: dict[str, list[list[float]]] = {name: [] for name in runs}
    start = perf_counter()
    for turn in range(MOST_TURNS):
        for name, run in runs.items():
            block = []
            for _ in range(passes[name]):
                began = perf_counter()
                run()
                block.append(perf_counter() - began)
            turns[name].append(block[1:] or block)
        if turn + 1 >= LEAST_TURNS and perf_counter() - start > budget:
            break
    return turns


# -- memory -----------------------------------------------------------------------------------------------------------


def memory(row: rows.Row, engine: str) -> dict[str, float]:
    """Return MiB: `peak` resident in a process that does nothing but run the row, and `rise`, the part of it that is
    not there after the import of the engine.

    PyTorch gets its net from minicaffe; what that alone makes resident is taken off again.
    """
    foreign = 0.0
    if engine == "torch":
        import torch  # noqa: F401

        imported = resident("VmRSS")
    import engines

    if engine == "torch":
        foreign = resident("VmRSS") - imported
    else:
        imported = resident("VmRSS")
    runner = engines.ENGINES[engine](row)
    trim()
    reset_peak()
    for _ in range(3):
        runner.run()
    peak = resident("VmHWM") - foreign
    return {"peak": peak, "rise": peak - imported}


def resident(field: str) -> float:
    """Return VmRSS or VmHWM of this process in MiB."""
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field + ":"))


def reset_peak() -> None:
    """Let the peak count anew from what is resident now (Linux)."""
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def trim() -> None:
    """Collect garbage and give freed memory back to the system."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)


if __name__ == "__main__":
    what, key, *rest = sys.argv[1:]
    if what == "time":
        print(json.dumps(time(rows.BY_KEY[key], rest[0].split(","), float(rest[1]))))
    else:
        print(json.dumps(memory(rows.BY_KEY[key], rest[0])))
