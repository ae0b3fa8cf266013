from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minicaffe.cli import train
from minicaffe.cli.main import main, verb_parser
from minicaffe.proto import schema

GLOG = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ \w+\.py:\d+\] ")


def messages(capsys) -> list[str]:
    """Return the log without its prefixes, after checking that every entry has one."""
    text = capsys.readouterr().err
    assert GLOG.match(text)
    return [GLOG.sub("", line) for line in text.splitlines() if GLOG.match(line)]


def test_trains_from_start_to_end(tiny: Path, capsys) -> None:
    assert main(["train", "-solver=solver.prototxt", "--log-json", "run.jsonl"]) == 0
    said = messages(capsys)
    for line in (
        "Use CPU.",
        "Creating training net from net file: net.prototxt",
        "Solver scaffolding done.",
        "Starting Optimization",
        "Solving tiny",
        "Learning Rate Policy: fixed",
        "Iteration 0, Testing net (#0)",
        "Iteration 2, lr = 0.1",
        "Snapshotting to binary proto file tiny_iter_4.caffemodel",
        "Snapshotting solver state to binary proto file tiny_iter_6.solverstate",
    ):
        assert line in said
    assert said[-2:] == ["Optimization Done.", "Optimization Done."]
    assert any(re.fullmatch(r"Iteration 2 \(\S+ iter/s, \S+s/2 iters\), loss = \S+", line) for line in said)
    assert any(re.fullmatch(r"    Train net output #0: loss = \S+ \(\* 2 = \S+ loss\)", line) for line in said)
    assert {path.name for path in tiny.glob("tiny_iter_*")} == {
        f"tiny_iter_{N}.{kind}" for N in (4, 6) for kind in ("caffemodel", "solverstate")
    }
    lines = [json.loads(line) for line in (tiny / "run.jsonl").read_text().splitlines()]
    assert [(line["kind"], line["iter"]) for line in lines] == [
        ("test", 0),
        ("train", 0),
        ("train", 2),
        ("test", 4),
        ("train", 4),
    ]


def test_snapshot_auto_starts_afresh_and_then_resumes(tiny: Path, capsys) -> None:
    assert main(["train", "solver.prototxt", "--snapshot", "auto"]) == 0
    assert "No snapshot of tiny yet: starting afresh" in messages(capsys)
    straight = (tiny / "tiny_iter_6.caffemodel").read_bytes()
    for path in tiny.glob("tiny_iter_6.*"):
        path.unlink()
    assert main(["train", "solver.prototxt", "--snapshot=auto"]) == 0
    said = messages(capsys)
    assert "Resuming from tiny_iter_4.solverstate" in said
    assert "Iteration 2, lr = 0.1" not in said
    assert (tiny / "tiny_iter_6.caffemodel").read_bytes() == straight


def test_weights_are_the_starting_point(tiny: Path, capsys) -> None:
    assert main(["train", "solver.prototxt"]) == 0
    capsys.readouterr()
    assert main(["train", "solver.prototxt", "-weights", "tiny_iter_4.caffemodel"]) == 0
    assert "Finetuning from tiny_iter_4.caffemodel" in messages(capsys)


def test_weights_of_another_shape_are_skipped_on_request(tiny: Path, capsys) -> None:
    assert main(["train", "solver.prototxt"]) == 0
    (tiny / "net.prototxt").write_text((tiny / "net.prototxt").read_text().replace("dim: 3", "dim: 5"))
    capsys.readouterr()
    line = ["train", "solver.prototxt", "--weights", "tiny_iter_4.caffemodel"]
    assert main(line) == 1
    assert "rename the layer; or skip what does not fit (train --skip-mismatch" in capsys.readouterr().err
    assert main([*line, "--skip_mismatch"]) == 0
    assert re.search(r"^  mismatched +1  ip: Cannot copy param 0", capsys.readouterr().err, re.MULTILINE)


def test_snapshot_and_weights_exclude_each_other(tiny: Path, capsys) -> None:
    assert main(["train", "solver.prototxt", "--snapshot", "a.solverstate", "--weights", "a.caffemodel"]) == 2
    assert "not both" in capsys.readouterr().err


def test_a_solver_that_says_gpu_needs_the_word_cpu(tiny: Path, capsys) -> None:
    with (tiny / "solver.prototxt").open("a") as file:
        file.write("solver_mode: GPU\n")
    assert main(["train", "solver.prototxt"]) == 1
    assert "solver.prototxt: solver_mode: GPU asks for a GPU" in capsys.readouterr().err
    assert main(["train", "solver.prototxt", "--cpu"]) == 0
    assert "Use CPU." in messages(capsys)


def test_the_default_mode_of_the_field_asks_for_nothing() -> None:
    assert train.gpu_request(Path("s.prototxt"), schema.SolverParameter()) == ""


@pytest.mark.skipif(os.name == "nt", reason="signals reach a process this way on POSIX only")
def test_ctrl_c_stops_between_iterations_and_saves(tiny: Path) -> None:
    text = (tiny / "solver.prototxt").read_text()
    (tiny / "solver.prototxt").write_text(text.replace("max_iter: 6", "max_iter: 100000000").replace("snapshot: 4", ""))
    command = "import sys; from minicaffe.cli.main import main; sys.exit(main(['train', 'solver.prototxt']))"
    with subprocess.Popen([sys.executable, "-c", command], stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "Iteration 2, lr" in line:
                break
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
    assert running.returncode == 0
    assert "Optimization stopped early." in said
    assert len(list(tiny.glob("tiny_iter_*.solverstate"))) == 1


def parsed(line: str):
    return verb_parser("train", train).parse(line.split())


def test_level_and_stages_join_the_train_state() -> None:
    param = schema.SolverParameter(train_state=schema.NetState(level=1, stage=["own"]))
    train.apply_flags(parsed("s --level 2 --stage a,b"), param, None)
    assert param.train_state.level == 2
    assert list(param.train_state.stage) == ["own", "a", "b"]


@pytest.mark.parametrize(
    ("line", "state", "weights"),
    [
        ("s", None, ["own"]),
        ("s --weights a,b", None, ["a", "b"]),
        ("s --snapshot x", "x", []),
        ("s --weights a --snapshot auto", None, ["a"]),
        ("s --weights a --snapshot auto", "x", []),
    ],
)
def test_which_weights_come_first(line: str, state: str | None, weights: list[str]) -> None:
    param = schema.SolverParameter(weights=["own"])
    train.apply_flags(parsed(line), param, state)
    assert list(param.weights) == weights


@pytest.mark.parametrize("flag", ["--sigint_effect", "--sighup-effect", "--nan"])
def test_an_unknown_effect_is_a_usage_error(tiny: Path, flag: str, capsys) -> None:
    assert main(["train", "solver.prototxt", flag, "explode"]) == 2
    assert "invalid choice: 'explode'" in capsys.readouterr().err


def test_the_gpu_is_named_in_caffes_words(tiny: Path, capsys, monkeypatch) -> None:
    from minicaffe import device

    monkeypatch.setattr(device, "set_device", lambda number, asked: None)
    monkeypatch.setattr(device, "set_mode_gpu", lambda asked: None)
    monkeypatch.setattr(device, "device_names", lambda: ["Card"])
    assert main(["train", "solver.prototxt", "--gpu", "0", "--iters", "1"]) == 0
    said = messages(capsys)
    assert said.index("Using GPUs 0") + 1 == said.index("GPU 0: Card")
