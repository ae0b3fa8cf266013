"""What a run tells the world: Caffe's log lines, character for character, and a JSON line beside each on request.

Everything goes through the stdlib logger "minicaffe". `init_log` sends it to stderr behind glog's prefix, which old log
parsers count fields by: `Lmmdd hh:mm:ss.uuuuuu threadid file:line] `. Numbers are printed as C++ streams print them,
with six significant digits.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TextIO

import numpy as np

log = logging.getLogger("minicaffe")

# -- glog -------------------------------------------------------------------------------------------------------------


class GlogFormatter(logging.Formatter):
    """`I1122 09:30:05.001234 12345 solver.py:88] message`: the letter is one of I, W, E, F."""

    LETTERS = {logging.WARNING: "W", logging.ERROR: "E", logging.CRITICAL: "F"}

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%m%d %H:%M:%S", time.localtime(record.created))
        micros = int(record.created % 1 * 1e6)
        letter = self.LETTERS.get(record.levelno, "I")
        thread = f"{threading.get_native_id():>5}"
        text = f"{letter}{moment}.{micros:06d} {thread} {record.filename}:{record.lineno}] {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class GlogHandler(logging.StreamHandler):
    """Writes to `stream` (default: whatever sys.stderr is at the time), lifting a tqdm progress bar out of the way."""

    def __init__(self, stream: TextIO | None = None):
        logging.Handler.__init__(self)
        self._given = stream
        self.setFormatter(GlogFormatter())

    @property
    def stream(self) -> TextIO:
        return self._given or sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        with _bar_aside(self.stream):
            super().emit(record)


def _bar_aside(stream: TextIO) -> AbstractContextManager[Any]:
    tqdm = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if tqdm is None or not getattr(tqdm, "_instances", None):
        return nullcontext()
    return tqdm.external_write_mode(file=stream)


def init_log(level: int = 0, stderr: bool = True) -> None:
    """Log to stderr from `level` on: 0 INFO, 1 WARNING, 2 ERROR, 3 FATAL, as in pycaffe; call again to change it."""
    for handler in [h for h in log.handlers if isinstance(h, GlogHandler)]:
        log.removeHandler(handler)
    log.setLevel((logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)[level])
    if stderr:
        log.addHandler(GlogHandler())


# -- the lines --------------------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Return a number as `std::cout << value` prints it."""
    return f"{value:g}"


def display_line(N: int, rate: float, seconds: float, display: int, loss: float) -> str:
    """`Iteration N (P iter/s, Ss/D iters), loss = X`: P and S since the last such line, D the display interval."""
    pace = f"({number(rate)} iter/s, {number(seconds)}s/{display} iters)"
    return f"Iteration {N} {pace}, loss = {number(loss)}"


Outputs = Sequence[tuple[str, float, Sequence[float]]]  # name, loss weight, values


def output_lines(kind: str, outputs: Outputs) -> Iterator[str]:
    """Yield a line for every element of every output; the numbering runs through. `kind` is Train or Test."""
    k = 0
    for name, weight, values in outputs:
        for value in values:
            share = f" (* {number(weight)} = {number(weight * value)} loss)" if weight else ""
            yield f"    {kind} net output #{k}: {name} = {number(value)}{share}"
            k += 1


def net_outputs(net: Any) -> list[tuple[str, float, list[float]]]:
    """Return name, loss weight and the values of every output of `net`, copied to plain numbers."""
    return [
        (name, weight, np.asarray(net.blobs[name].data, np.float64).ravel().tolist())
        for name, weight in net.output_weights
    ]


# -- the run log ------------------------------------------------------------------------------------------------------


class JsonLog:
    """A file with one JSON object a line for every display and every test; a resumed run appends to it.

    Keys: `kind` ("train" or "test"), `iter`, `time` (seconds since the epoch), `outputs` (name → number, or list of
    numbers); train lines add `loss` (smoothed) and `lr`, test lines `net` (its number) and `loss` if it was computed.
    What is not finite is written as the string "nan", "inf" or "-inf".
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, kind: str, iteration: int, outputs: Outputs, **more: Any) -> None:
        """Append one line."""
        values = {name: _plain(list(each) if len(each) != 1 else each[0]) for name, _, each in outputs}
        record = {"kind": kind, "iter": iteration, "time": round(time.time(), 3), "outputs": values}
        record.update((key, _plain(value)) for key, value in more.items())
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
