"""`minicaffe train` with the flags that make the net a detector."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("PIL")

from minicaffe import load_weights
from minicaffe.cli.main import main
from minicaffe.detection.config import cfg
from tests.cli.detector import CONFIG, write_data
from tests.detection.test_training import NET, SOLVER

MINING = """
CACHE_DIR: roidbs
TRAIN:
  PROPOSAL_METHOD: grid
  SCALES: [40]
  IMS_PER_BATCH: 1
  BATCH_SIZE: 16
  USE_OHEM: True
  BG_THRESH_LO: 0.0
  ASPECT_GROUPING: False
"""
COMMAND = ["train", "solver.prototxt", "--cfg", "config.yml", "--data", "coco:data.json:images"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_data(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    (tmp_path / "config.yml").write_text(CONFIG.replace("STEP: 0.1", "STEP: 0.5") + MINING)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_trains_snapshots_and_resumes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = repr(cfg.to_dict())
    assert main([*COMMAND, "--iters", "2"]) == 0
    assert "Loaded dataset `data` for training" in capsys.readouterr().err
    assert {path.name for path in folder.glob("small*")} == {"small_iter_2.caffemodel", "small_iter_2.solverstate"}
    assert main([*COMMAND, "--iters", "4", "--snapshot", "auto", "--weights", "not_needed.caffemodel"]) == 0
    assert "Resuming from small_iter_2.solverstate" in capsys.readouterr().err
    assert repr(cfg.to_dict()) == before

    first = (folder / "small_iter_4.caffemodel").read_bytes()
    assert main([*COMMAND, "--iters", "4"]) == 0
    assert (folder / "small_iter_4.caffemodel").read_bytes() == first
    assert {"bbox_pred", "bbox_pred_readonly"} <= set(load_weights(folder / "small_iter_4.caffemodel"))


def test_the_data_may_stand_in_the_configuration(folder: Path) -> None:
    command = [word for word in COMMAND if word not in ("--data", "coco:data.json:images")]
    assert (
        main([*command, "--iters", "1", "--set", "TRAIN.DATA", "coco:data.json:images", "TRAIN.SNAPSHOT_INFIX", "x"])
        == 0
    )
    assert (folder / "small_x_iter_1.caffemodel").exists()


def test_a_configuration_without_data_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "solver.prototxt", "--cfg", "config.yml"]) == 1
    assert "name the data with --data, or TRAIN.DATA" in capsys.readouterr().err


def test_data_with_other_classes_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes = {
        "'num_classes': 3": "'num_classes': 4",
        "num_output: 3 ": "num_output: 4 ",
        "num_output: 12": "num_output: 16",
    }
    text = NET
    for old, new in changes.items():
        text = text.replace(old, new)
    (folder / "net.prototxt").write_text(text)
    assert main([*COMMAND, "--iters", "1"]) == 1
    assert "classes: __background__, blue, green" in capsys.readouterr().err
