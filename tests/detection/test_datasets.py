"""Data sets by one word."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from minicaffe.detection.config import cfg
from minicaffe.detection.datasets import join, open_dataset
from minicaffe.detection.voc import VOC_CLASSES
from minicaffe.errors import DataError
from tests.detection.scenes import dataset, photograph, write_image, write_voc, xml

CAT = ("cat", (3, 4, 20, 30))


def write_json(path: Path, names: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"id": i, "file_name": name, "width": 60, "height": 40} for i, name in enumerate(names)]
    path.write_text(json.dumps({"images": images, "categories": [{"id": 1, "name": "cat"}], "annotations": []}))


class TestVoc:
    def test_folder_and_set(self, tmp_path: Path) -> None:
        root = write_voc(tmp_path, {"a": xml([CAT])})
        assert open_dataset(f"voc:{root}:trainval").listed == ["a"]
        assert open_dataset(f"voc:{root}").listed == ["a"]

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no colons in names")
    def test_colons_in_a_name(self, tmp_path: Path) -> None:
        (tmp_path / "odd").mkdir()
        root = write_voc(tmp_path / "odd:one", {"a": xml([CAT])})
        assert open_dataset(f"voc:{root}:trainval").listed == ["a"]

    def test_several(self, tmp_path: Path) -> None:
        one = write_voc(tmp_path / "one+two", {"b": xml([CAT]), "a": xml([CAT])})
        other = write_voc(tmp_path / "other", {"c": xml([("cat", (5, 5, 5, 5))])})
        found = open_dataset(f"voc:{one}:trainval + voc:{other}:trainval")
        assert (found.listed, len(found), len(found.problems)) == (["b", "a", "c"], 3, 1)
        assert found.name == "one+two_trainval+other_trainval"

    def test_published_name(self, tmp_path: Path) -> None:
        cfg.DATA_DIR = str(tmp_path)
        write_voc(tmp_path / "VOCdevkit2007" / "VOC2007", {"a": xml([CAT])}, "val")
        found = open_dataset("voc_2007_val")
        assert (found.name, found.listed, found.classes[1:]) == ("voc_2007_val", ["a"], VOC_CLASSES)

    def test_classes_of_the_configuration(self, tmp_path: Path) -> None:
        root = write_voc(tmp_path, {"a": xml([CAT])})
        with cfg.overridden({"CLASSES": ["cow", "cat"]}):
            assert open_dataset(f"voc:{root}").photographs[0].classes.tolist() == [2]

    def test_bad_data_stops(self, tmp_path: Path) -> None:
        root = write_voc(tmp_path, {"a": xml([("cat", (5, 5, 5, 5))])})
        cfg.BAD_DATA = "stop"
        with pytest.raises(DataError, match=r"a: object 1 \(cat\)"):
            open_dataset(f"voc:{root}")


class TestCoco:
    def test_file_and_folder(self, tmp_path: Path) -> None:
        write_json(tmp_path / "c.json", ["a.png"])
        write_image(tmp_path / "some" / "a.png", 60, 40)
        found = open_dataset(f"coco:{tmp_path / 'c.json'}:{tmp_path / 'some'}")
        assert found.photographs[0].path == tmp_path / "some" / "a.png"
        assert open_dataset(f"coco:{tmp_path / 'c.json'}").listed == ["0"]

    @pytest.mark.parametrize(
        ("name", "file", "folder"),
        [
            ("coco_2014_train", "instances_train2014.json", "train2014"),
            ("coco_2014_minival", "instances_minival2014.json", "val2014"),
            ("coco_2014_valminusminival", "instances_valminusminival2014.json", "val2014"),
            ("coco_2015_test-dev", "image_info_test-dev2015.json", "test2015"),
        ],
    )
    def test_published_names(self, tmp_path: Path, name: str, file: str, folder: str) -> None:
        cfg.DATA_DIR = str(tmp_path)
        write_json(tmp_path / "coco" / "annotations" / file, ["a.png"])
        write_image(tmp_path / "coco" / "images" / folder / "a.png", 60, 40)
        found = open_dataset(name)
        assert (found.name, found.photographs[0].path.parent.name) == (name, folder)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "is no data set; give one of"),
        ("bccd", "data 'bccd' is no data set"),
        ("voc:{tmp}/dat:train", r"data set '.*dat' does not exist \(did you mean 'data'\?\)"),
        ("coco:{tmp}/data:x", "is not what a COCO JSON should be"),
        ("voc:{tmp}/data:x", "no data set in the layout of VOC"),
        ("voc_2012_train", "voc_2012_train: folder '.*VOCdevkit2012.*' does not exist"),
        ("coco_2014_train", "coco_2014_train: file '.*instances_train2014.json' does not exist"),
    ],
)
def test_no_such_data(tmp_path: Path, spec: str, message: str) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match=message):
        open_dataset(spec.format(tmp=tmp_path))


def test_what_cannot_be_joined() -> None:
    with pytest.raises(DataError, match=r"different classes: cat, dog, cow and cat; say with CLASSES"):
        join([dataset(photograph("a")), dataset(photograph("b"), classes=["cat"])])
    with pytest.raises(DataError, match=r"both have a photograph 'a'"):
        join([dataset(photograph("a")), dataset(photograph("a"))])
