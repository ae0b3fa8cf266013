from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL")

from minicaffe.cli.main import main
from minicaffe.detection.config import cfg
from tests.cli.detector import write_data, write_detector
from tests.detection.detector import BLUE, EMPTY, GREEN

COMMAND = ["evaluate", "net.prototxt", "--weights", "net.caffemodel", "--cfg", "config.yml"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_detector(tmp_path)
    write_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_prints_precisions_and_writes_detections(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = np.array([BLUE, EMPTY, GREEN], np.float32)
    np.savez(folder / "boxes.npz", **{"1": shown, "2": shown[:2]})
    data = ["--data", "coco:data.json:images", "--proposals", "boxes.npz"]
    assert main([*COMMAND, *data, "--metric", "07", "--det-thresh", "0.5"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "VOC07 metric? Yes"
    half = 6 / 11  # one green object of two is found
    assert said[1:] == [
        "AP for blue = 1.0000",
        f"AP for green = {half:.4f}",
        f"Mean AP = {(1 + half) / 2:.4f}",
        "Wrote detections to net_data",
    ]
    precisions = json.loads((folder / "net_data" / "ap.json").read_text())
    assert precisions == pytest.approx({"blue": 1.0, "green": half, "mean": (1 + half) / 2})
    names = {path.name for path in (folder / "net_data").iterdir()}
    assert names == {"ap.json", "comp4_det_data_blue.txt", "comp4_det_data_green.txt", "detections.json"}
    rows = json.loads((folder / "net_data" / "detections.json").read_text())
    lines = (folder / "net_data" / "comp4_det_data_blue.txt").read_text().splitlines()
    assert len(lines) == sum(row["category_id"] == 1 for row in rows) == 2
    assert lines[0].split()[2:] == ["11.0", "11.0", "21.0", "21.0"]


def test_flags_reach_the_detector(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--num-dets", "1", "--det_thresh", "0.5", "--rounds", "2", "--voting", "--out", "found"]
    assert main([*COMMAND, "--data", "coco:data.json:images", *flags]) == 0
    rows = json.loads((folder / "found" / "detections.json").read_text())
    assert {row["image_id"] for row in rows} == {1, 2}
    assert all(row["score"] > 0.5 for row in rows)
    surest = {row["score"] for row in rows}
    assert len(surest) == 1  # the limit keeps only ties with the surest


def test_the_data_may_stand_in_the_configuration_which_is_put_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = cfg.to_dict()
    assert main([*COMMAND, "--set", "TEST.DATA", "coco:data.json:images", "TEST.NMS", "0.5"]) == 0
    assert "Mean AP" in capsys.readouterr().out
    assert repr(cfg.to_dict()) == repr(before)


def test_proposals_from_a_file_of_another_set_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(folder / "boxes.npz", elsewhere=np.zeros((1, 4), np.float32))
    assert main([*COMMAND, "--data", "coco:data.json:images", "--proposals", "boxes.npz"]) == 1
    assert "another set" in capsys.readouterr().err


def test_without_data_it_says_what_to_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(COMMAND) == 2
    assert "give --data voc:FOLDER:SET, or TEST.DATA" in capsys.readouterr().err


def test_a_key_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--data", "coco:data.json:images", "--set", "TEST.NMSS", "0.5"]) == 1
    assert "did you mean 'NMS'" in capsys.readouterr().err
