from __future__ import annotations

import re
from pathlib import Path

import pytest

from minicaffe.cli.main import main

GLOG = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ \w+\.py:\d+\] ")


@pytest.fixture
def weights(tiny: Path) -> str:
    from minicaffe.net import Net

    Net("net.prototxt", "TRAIN").save("w.caffemodel")
    return "w.caffemodel"


def test_scores_every_batch_and_the_mean(weights: str, capsys) -> None:
    assert main(["test", "net.prototxt", f"-weights={weights}", "-iterations=3"]) == 0
    said = [GLOG.sub("", line) for line in capsys.readouterr().err.splitlines() if GLOG.match(line)]
    assert "Use CPU." in said
    assert "Running for 3 iterations." in said
    batches = [re.fullmatch(r"Batch (\d), loss = (\S+)", line) for line in said]
    values = [float(match[2]) for match in batches if match]
    assert len(values) == 3
    total = next(line for line in said if line.startswith("Loss: "))
    mean = next(line for line in said if line.startswith("loss = "))
    assert float(total[6:]) == pytest.approx(2 * sum(values) / 3, rel=1e-4)
    match = re.fullmatch(r"loss = (\S+) \(\* 2 = (\S+) loss\)", mean)
    assert match is not None
    assert float(match[1]) == pytest.approx(sum(values) / 3, rel=1e-4)
    assert float(match[2]) == pytest.approx(2 * sum(values) / 3, rel=1e-4)


def test_needs_weights(tiny: Path, capsys) -> None:
    assert main(["test", "--model", "net.prototxt"]) == 2
    assert "--weights" in capsys.readouterr().err


def test_weights_that_are_not_there(tiny: Path, capsys) -> None:
    assert main(["test", "--model", "net.prototxt", "--weights", "none.caffemodel"]) == 1
    assert "none.caffemodel" in capsys.readouterr().err
