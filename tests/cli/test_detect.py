from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("PIL")

from minicaffe.cli.main import main
from minicaffe.data import images
from minicaffe.detection.draw import colour
from tests.cli.detector import write_data, write_detector

COMMAND = ["detect", "net.prototxt", "--weights", "net.caffemodel", "--cfg", "config.yml", "--det-thresh", "0.99"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_detector(tmp_path)
    write_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_picture_of_every_image(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "other").mkdir()
    (folder / "images" / "2.png").rename(folder / "other" / "1.png")
    assert main([*COMMAND, "images/1.png", "other/1.png", "--classes", "sea,wood", "--format", "png"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("images/1.png: ") and first.endswith(" sea -> detections/1.png")
    assert second.endswith("-> detections/1_2.png")
    picture, plain = images.read(folder / "detections" / "1.png"), images.read(folder / "images" / "1.png")
    assert picture.shape == plain.shape
    assert (picture == colour(1)[::-1]).all(axis=2).any()


def test_nothing_found_is_said_and_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "images/1.png", "--det-thresh", "0.9999", "--out", "new", "--format", "png"]) == 0
    assert "nothing found -> new/1.png" in capsys.readouterr().out
    assert (images.read(folder / "new" / "1.png") == images.read(folder / "images" / "1.png")).all()


def test_classes_without_names_are_numbered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "images/1.png"]) == 0
    assert " class 1 -> detections/1.jpg" in capsys.readouterr().out


def test_names_come_from_the_configuration(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (folder / "config.yml").open("a") as file:
        file.write("CLASSES: [sea, wood]\n")
    assert main([*COMMAND, "images/1.png"]) == 0
    assert " sea -> " in capsys.readouterr().out


def test_too_few_names_are_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "images/1.png", "--classes", "sea"]) == 2
    assert "the net tells 2 classes apart, 1 names are given: sea" in capsys.readouterr().err


def test_an_image_that_is_none_is_named_and_the_others_go_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.png").write_bytes(b"no image")
    assert main([*COMMAND, "broken.png", "images/1.png"]) == 0
    said = capsys.readouterr()
    assert "broken.png" in said.err
    assert said.out.count("->") == 1
    assert main([*COMMAND, "broken.png", "images/1.png", "--set", "BAD_DATA", "stop"]) == 1
