"""models/lenet as its README tells: its scripts, training on digits, and the genuine weights on the genuine data."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from minicaffe.cli.main import main

LENET = Path(__file__).resolve().parents[2] / "models" / "lenet"


def run_script(name: str, *arguments: str) -> str:
    command = [sys.executable, str(LENET / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_learns_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lmdb")
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    assert "1437 images" in run_script("digits.py", "runs/digits")
    text = (LENET / "digits_solver.prototxt").read_text()
    text = text.replace("models/lenet/train_test.prototxt", str(LENET / "train_test.prototxt"))
    Path("solver.prototxt").write_text(text.replace("max_iter: 200", "max_iter: 100"))
    assert main(["train", "solver.prototxt", "--log-json", "runs/digits/log.jsonl"]) == 0
    tests = [json.loads(line) for line in Path("runs/digits/log.jsonl").read_text().splitlines()]
    accuracies = [line["outputs"]["accuracy"] for line in tests if line["kind"] == "test"]
    assert accuracies[0] < 0.3
    assert accuracies[-1] > 0.95
    report = run_script("digits.py", "runs/digits", "--report")
    assert f"after training:  {accuracies[-1]:.1%} right" in report


def test_genuine_weights_score_as_they_do_in_caffe(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    pytest.importorskip("lmdb")
    genuine = shared / "models" / "lenet_mnist_2014"
    monkeypatch.chdir(tmp_path)
    run_script("mnist.py", str(shared / "datasets" / "mnist"), "mnist")
    Path("examples/mnist").mkdir(parents=True)
    Path("mnist/test_lmdb").rename("examples/mnist/mnist_test_lmdb")
    command = f"test -model={genuine / 'lenet_train_test.prototxt'} -weights={genuine / 'lenet_iter_10000.caffemodel'}"
    assert main([*command.split(), "-iterations=100"]) == 0
    assert re.search(r"\] accuracy = 0\.9905$", capsys.readouterr().err, re.MULTILINE)


def test_mnist_says_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, str(LENET / "mnist.py"), str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr == f"mnist.py: {tmp_path} holds neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz\n"
