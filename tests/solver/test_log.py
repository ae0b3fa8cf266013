"""The log against the patterns that old log parsers look for, typed anew from their descriptions."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minicaffe.solver import init_log
from minicaffe.solver.log import GlogHandler, JsonLog, display_line, number, output_lines

PREFIX = re.compile(r"^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ [\w.]+:\d+\] ")


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    log = logging.getLogger("minicaffe")
    handlers, level = list(log.handlers), log.level
    yield log
    log.handlers[:] = handlers
    log.setLevel(level)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (1 / 3, "0.333333"), (1e-5, "1e-05"), (123456.7, "123457"), (1234567.0, "1.23457e+06"), (2.0, "2")]
    + [(float("nan"), "nan"), (float("inf"), "inf"), (0.100000001, "0.1")],
)
def test_numbers_print_as_in_cpp(value: float, text: str) -> None:
    assert number(value) == text


def test_glog_prefix(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    init_log()
    logger.info("Solving small")
    logger.warning("hm")
    logger.error("oh")
    lines = capsys.readouterr().err.splitlines()
    assert [line[0] for line in lines] == ["I", "W", "E"]
    assert all(PREFIX.match(line) for line in lines)
    assert "] Solving small" in lines[0]
    assert len(lines[0].split("]")[0].split()) == 4, "log tools count four fields before the text"


@pytest.mark.parametrize(("level", "seen"), [(0, 3), (1, 2), (2, 1), (3, 0)])
def test_init_log_level(level: int, seen: int, logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    init_log()
    init_log(level)
    for say in (logger.info, logger.warning, logger.error):
        say("x")
    assert len(capsys.readouterr().err.splitlines()) == seen


def test_init_log_can_be_silent(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    init_log()
    init_log(stderr=False)
    logger.info("x")
    assert capsys.readouterr().err == ""


def test_exceptions_keep_their_traceback(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    init_log()
    try:
        raise ValueError("deep down")
    except ValueError:
        logger.exception("failed")
    text = capsys.readouterr().err
    assert "] failed\nTraceback" in text and "ValueError: deep down" in text


def test_a_progress_bar_is_lifted_out_of_the_way(logger: logging.Logger) -> None:
    tqdm = pytest.importorskip("tqdm")
    stream = io.StringIO()
    logger.addHandler(GlogHandler(stream))
    logger.setLevel(logging.INFO)
    bar = tqdm.tqdm(total=10, file=stream, mininterval=0, ncols=40)
    bar.update(3)
    logger.info("a line")
    bar.close()
    printed = stream.getvalue()
    before, after = printed.split("a line\n")
    assert re.search(r"\r *\rI\d{4} ", before), "the bar was wiped before the line began"
    assert "30%" in after, "and drawn again below it"


def test_without_a_bar_tqdm_is_not_asked(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tqdm", raising=False)
    stream = io.StringIO()
    logger.addHandler(GlogHandler(stream))
    logger.setLevel(logging.INFO)
    logger.info("plain")
    assert stream.getvalue().endswith("] plain\n") and "tqdm" not in sys.modules


def test_display_line() -> None:
    assert display_line(100, 12.5, 8.0, 100, 0.25) == "Iteration 100 (12.5 iter/s, 8s/100 iters), loss = 0.25"


def test_output_lines_number_every_element() -> None:
    outputs = [("accuracy", 0.0, [0.5]), ("loss", 2.0, [0.25]), ("two", 0.0, [1.0, 1e-7])]
    assert list(output_lines("Test", outputs)) == [
        "    Test net output #0: accuracy = 0.5",
        "    Test net output #1: loss = 0.25 (* 2 = 0.5 loss)",
        "    Test net output #2: two = 1",
        "    Test net output #3: two = 1e-07",
    ]


def test_json_log(tmp_path: Any) -> None:
    path = tmp_path / "runs" / "log.jsonl"
    outputs = [("loss", 1.0, [float("nan")]), ("two", 0.0, [1.0, float("inf")])]
    JsonLog(path).write("train", 10, outputs, loss=0.5, lr=0.1)
    JsonLog(path).write("test", 20, [("accuracy", 0.0, [0.75])], net=1)
    one, two = (json.loads(line) for line in path.read_text().splitlines())
    assert one.pop("time") > 1e9 and two.pop("time") > 1e9
    assert one == {"kind": "train", "iter": 10, "outputs": {"loss": "nan", "two": [1.0, "inf"]}, "loss": 0.5, "lr": 0.1}
    assert two == {"kind": "test", "iter": 20, "outputs": {"accuracy": 0.75}, "net": 1}


# -- a whole run, read by the patterns of parse_log.py and parse_log.sh ------------------------------------------------

ITERATION = re.compile(r"Iteration (\d+)")
TRAIN_OUTPUT = re.compile(r"Train net output #(\d+): (\S+) = ([\.\deE+-]+)")
TEST_OUTPUT = re.compile(r"Test net output #(\d+): (\S+) = ([\.\deE+-]+)")
RATE = re.compile(r"lr = ([-+]?[0-9]*\.?[0-9]+([eE]?[-+]?[0-9]+)?)")

RUN = 'display: 2 test_iter: 3 test_interval: 4 average_loss: 2 snapshot: 3 snapshot_prefix: "snap" '


def test_lines_of_a_run(make: Any, lines: Any) -> None:
    solver = make(RUN, base='net: "net.prototxt" base_lr: 0.1 lr_policy: "step" gamma: 0.1 stepsize: 4 max_iter: 6 ')
    built = lines()
    assert built[0].startswith("Initializing solver from parameters: \n") and 'lr_policy: "step"' in built[0]
    assert "Creating training net from net file: net.prototxt" in built
    assert "Creating test net (#0) specified by net file: net.prototxt" in built
    assert built[-1] == "Solver scaffolding done."
    solver.solve()
    run = [re.sub(r"\d[\d.e+-]* iter/s, [\d.e+-]+s/", "P iter/s, Ss/", line) for line in lines()]
    shape = [re.sub(r"= [\d.e+-]+", "= X", line) for line in run if not line.startswith("Weights from")]
    tested = ["    Test net output #0: accuracy = X", "    Test net output #1: loss = X (* 1 = X loss)"]

    def shown(N: int) -> list[str]:
        output = "    Train net output #0: loss = X (* 1 = X loss)"
        return [f"Iteration {N} (P iter/s, Ss/2 iters), loss = X", output, f"Iteration {N}, lr = X"]

    def saved(N: int) -> list[str]:
        state = f"Snapshotting solver state to binary proto file snap_iter_{N}.solverstate"
        return [f"Snapshotting to binary proto file snap_iter_{N}.caffemodel", state]

    assert shape == [
        "Solving small",
        "Learning Rate Policy: step",
        "Iteration 0, Testing net (#0)",
        *tested,
        *shown(0),
        *shown(2),
        *saved(3),
        "Iteration 4, Testing net (#0)",
        *tested,
        *shown(4),
        *saved(6),
        "Iteration 6, loss = X",
        "Optimization Done.",
    ]
    assert [line.split("= ")[-1] for line in run if "lr =" in line] == ["0.1", "0.1", "0.01"]


def test_parse_log_reads_a_run(make: Any, logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    init_log()
    make(RUN, base='net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 6 ').solve()
    text = capsys.readouterr().err
    first_words = [line for line in text.splitlines() if PREFIX.match(line)]
    iteration, rate = -1, float("nan")
    train: list[tuple[int, float, str, float]] = []
    test: list[tuple[int, str, float]] = []
    for line in first_words:
        if match := ITERATION.search(line):
            iteration = int(match[1])
        if iteration == -1:
            continue
        if match := RATE.search(line):
            rate = float(match[1])
        if match := TRAIN_OUTPUT.search(line):
            train.append((iteration, rate, match[2], float(match[3])))
        if match := TEST_OUTPUT.search(line):
            test.append((iteration, match[2], float(match[3])))
    assert [each[0] for each in train] == [0, 2, 4] and {each[2] for each in train} == {"loss"}
    assert [each[:2] for each in test] == [(0, "accuracy"), (0, "loss"), (4, "accuracy"), (4, "loss")]
    assert rate == 0.1
    # parse_log.sh: awk fields and greps
    assert sum("] Solving " in line for line in first_words) == 1
    rates = [line.split()[8] for line in first_words if ", lr = " in line]
    assert rates == ["0.1"] * 3
    losses = [line.split(", loss = ")[1].split()[0] for line in first_words if ", loss = " in line]
    assert len(losses) == 4 and all(float(loss) > 0 for loss in losses)
    accuracies = [line.split()[10] for line in first_words if "Test net output #0" in line]
    assert len(accuracies) == 2 and all(0 <= float(value) <= 1 for value in accuracies)


def test_json_log_of_a_run(make: Any) -> None:
    solver = make(RUN + "test_compute_loss: true", log_json="run.jsonl")
    solver.param.max_iter = 6
    solver.solve()
    records = [json.loads(line) for line in Path("run.jsonl").read_text().splitlines()]
    assert [(r["kind"], r["iter"]) for r in records] == [
        ("test", 0),
        ("train", 0),
        ("train", 2),
        ("test", 4),
        ("train", 4),
    ]
    assert records[1]["lr"] == pytest.approx(0.1) and records[1]["loss"] == records[1]["outputs"]["loss"]
    assert records[0]["net"] == 0 and records[0]["loss"] == pytest.approx(records[0]["outputs"]["loss"], rel=1e-6)
