"""Data sets in VOC's layout: what is read, and everything that can be wrong with them, named."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minicaffe.detection.dataset import Dataset
from minicaffe.detection.voc import VOC_CLASSES, read_voc
from minicaffe.errors import DataError
from tests.detection.scenes import write_image, write_voc, xml

CAT, DOG = ("cat", (3, 4, 20, 30)), ("dog", (10, 10, 40, 25))


def read(root: Path, **annotations: str) -> Dataset:
    return read_voc(write_voc(root, annotations), "trainval")


class TestWhatIsRead:
    def test_boxes_classes_sizes(self, tmp_path: Path) -> None:
        found = read(tmp_path, a=xml([CAT, ("zebra", (0, 0, 59, 39))]), b=xml([DOG]))
        assert found.classes == ("__background__", "cat", "dog", "zebra")
        assert found.problems == []
        assert [p.name for p in found] == found.listed == ["a", "b"]
        a, b = found
        assert a.boxes.dtype == np.float32
        assert a.boxes.tolist() == [[3, 4, 20, 30], [0, 0, 59, 39]]
        assert (a.classes.tolist(), b.classes.tolist()) == ([1, 3], [2])
        assert (a.size, a.path) == ((60, 40), tmp_path / "JPEGImages" / "a.png")
        assert found.name == f"{tmp_path.name}_trainval"

    def test_voc_classes(self, tmp_path: Path) -> None:
        found = read(tmp_path, a=xml([CAT]))
        assert found.classes[1:] == VOC_CLASSES
        assert found.photographs[0].classes.tolist() == [VOC_CLASSES.index("cat") + 1]

    def test_classes_of_every_image_set_count(self, tmp_path: Path) -> None:
        write_voc(tmp_path, {"t": xml([("Zebra ", (1, 1, 20, 20))])}, "test")
        assert read(tmp_path, a=xml([CAT])).classes[1:] == ("cat", "zebra")

    def test_classes_given(self, tmp_path: Path) -> None:
        root = write_voc(tmp_path, {"a": xml([CAT, DOG, CAT])})
        found = read_voc(root, "trainval", ["__background__", "Dog", "cow"])
        assert found.classes[1:] == ("Dog", "cow")
        assert found.photographs[0].classes.tolist() == [1]
        assert found.problems == ["2 object(s) of class 'cat', which is none of Dog, cow: left out"]

    def test_difficult_and_parts(self, tmp_path: Path) -> None:
        text = xml([DOG, CAT]).replace("<difficult>0", "<difficult>1", 1)
        part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part>"
        found = read(tmp_path, a=text.replace("</object>", part + "</object>", 1))
        assert found.photographs[0].difficult.tolist() == [True, False]
        assert len(found.photographs[0].boxes) == 2

    def test_coordinates_with_fractions(self, tmp_path: Path) -> None:
        found = read(tmp_path, a=xml([("cat", (3.5, 4.25, 20, 30))]))
        assert found.photographs[0].boxes.tolist() == [[3.5, 4.25, 20, 30]]

    @pytest.mark.parametrize(
        "size", ["", "<size><width>0</width><height>0</height></size>", "<size><width>x</width></size>"]
    )
    def test_without_size_the_header_says_it(self, tmp_path: Path, size: str) -> None:
        found = read(tmp_path, a=xml([CAT], size=None, more=size))
        assert (found.photographs[0].size, found.problems) == ((60, 40), [])

    def test_a_turned_photograph(self, tmp_path: Path) -> None:
        root = write_voc(tmp_path, {"a": xml([CAT], size=None)}, extension="jpg")
        turned = Image.Exif()
        turned[0x0112] = 6
        with Image.open(root / "JPEGImages" / "a.jpg") as image:
            image.save(root / "JPEGImages" / "a.jpg", exif=turned)
        assert read_voc(root, "trainval").photographs[0].size == (40, 60)

    def test_other_formats_and_what_the_xml_calls_them(self, tmp_path: Path) -> None:
        found = read(tmp_path, a=xml([CAT], more="<filename>a.tif</filename>"))
        assert found.photographs[0].path.name == "a.png"
        write_image(tmp_path / "JPEGImages" / "a.jpg", 60, 40)
        assert read_voc(tmp_path, "trainval").photographs[0].path.name == "a.jpg"

    def test_image_sets_of_one_class(self, tmp_path: Path) -> None:
        write_voc(tmp_path, {"a": xml([CAT]), "b": xml([DOG])})
        (tmp_path / "ImageSets" / "Main" / "cat_val.txt").write_text("\ufeffb -1\r\n\r\na  1\r\n")
        assert read_voc(tmp_path, "cat_val").listed == ["b", "a"]

    def test_without_an_image_set_every_annotation(self, tmp_path: Path) -> None:
        write_voc(tmp_path, {"b": xml([CAT]), "a": xml([DOG])}, "x")
        assert read_voc(tmp_path).listed == ["a", "b"]

    def test_without_annotations(self, tmp_path: Path) -> None:
        write_image(tmp_path / "JPEGImages" / "a.png", 30, 20)
        found = read_voc(tmp_path)
        assert [(p.name, p.size, len(p.boxes)) for p in found] == [("a", (30, 20), 0)]
        assert found.problems == []


class TestProblems:
    def only(self, found: Dataset) -> str:
        assert len(found.problems) == 1
        return found.problems[0]

    @pytest.mark.parametrize(
        ("box", "expected", "left"),
        [
            ((5, 5, 5, 5), "a: object 2 (dog), box (5, 5, 5, 5), is at most a pixel wide or high: left out", None),
            ((5, 5, 5, 30), "a: object 2 (dog), box (5, 5, 5, 30), is at most a pixel wide or high: left out", None),
            ((5, 5, 30, 5), "a: object 2 (dog), box (5, 5, 30, 5), is at most a pixel wide or high: left out", None),
            ((9, 5, 7, 30), "a: object 2 (dog), box (9, 5, 7, 30), is at most a pixel wide or high: left out", None),
            ((float("nan"), 5, 7, 30), "box (nan, 5, 7, 30), is at most a pixel wide or high: left out", None),
            ((60, 5, 70, 30), "box (60, 5, 70, 30), lies outside of the image (60 x 40): left out", None),
            ((-9, 5, -2, 30), "box (-9, 5, -2, 30), lies outside of the image (60 x 40): left out", None),
            ((-1, 5, 60, 30), "reaches out of the image (60 x 40): cut to (0, 5, 59, 30)", [0, 5, 59, 30]),
            ((4, 5, 50, 99), "reaches out of the image (60 x 40): cut to (4, 5, 50, 39)", [4, 5, 50, 39]),
        ],
    )
    def test_boxes(self, tmp_path: Path, box: tuple, expected: str, left: list | None) -> None:
        found = read(tmp_path, a=xml([CAT, ("dog", box)]))
        assert expected in self.only(found)
        boxes = found.photographs[0].boxes.tolist()
        assert boxes == [[3, 4, 20, 30]] + ([left] if left else [])

    def test_less_than_half_a_pixel_is_rounding(self, tmp_path: Path) -> None:
        found = read(tmp_path, a=xml([("cat", (-0.25, 0, 59.25, 39))]))
        assert (found.photographs[0].boxes.tolist(), found.problems) == ([[0, 0, 59, 39]], [])

    def test_objects_that_say_too_little(self, tmp_path: Path) -> None:
        text = xml([CAT, DOG]).replace("<xmin>11</xmin>", "<xmin>left</xmin>")
        nameless, boxless = "<object><name> </name></object>", "<object><name>cow</name></object>"
        found = read(tmp_path, a=text.replace("</annotation>", nameless + boxless + "</annotation>"))
        assert found.problems == [
            "a: object 2 (dog) has a bndbox without four numbers: ['left', '11', '41', '26']: left out",
            "a: object 3 has no name: left out",
            "a: object 4 (cow) has a bndbox without four numbers: [None, None, None, None]: left out",
        ]
        assert len(found.photographs[0].boxes) == 1

    def test_a_missing_image(self, tmp_path: Path) -> None:
        write_voc(tmp_path, {"frame1": xml([CAT]), "frame2": xml([CAT])})
        (tmp_path / "JPEGImages" / "frame2.png").unlink()
        found = read_voc(tmp_path, "trainval")
        assert "frame2: there is no such image in JPEGImages (did you mean 'frame1'?): left out" in self.only(found)
        assert ([p.name for p in found], found.listed) == (["frame1"], ["frame1", "frame2"])

    @pytest.mark.parametrize(
        ("text", "expected"), [("<annotation>", "is no XML"), (None, "cannot be read: No such file")]
    )
    def test_a_broken_annotation(self, tmp_path: Path, text: str | None, expected: str) -> None:
        write_voc(tmp_path, {"a": xml([CAT]), "b": xml([CAT])})
        path = tmp_path / "Annotations" / "b.xml"
        path.write_text(text) if text else path.unlink()
        found = read_voc(tmp_path, "trainval")
        assert self.only(found).startswith(f"b: annotation {path} {expected}")
        assert [p.name for p in found] == ["a"]

    def test_no_size_anywhere(self, tmp_path: Path) -> None:
        write_voc(tmp_path, {"a": xml([CAT]), "b": xml([CAT], size=None)})
        (tmp_path / "JPEGImages" / "b.png").write_bytes(b"no image")
        assert "b: image" in self.only(read_voc(tmp_path, "trainval"))

    def test_listed_twice(self, tmp_path: Path) -> None:
        write_voc(tmp_path, {"a": xml([CAT])})
        (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("a\na\n")
        found = read_voc(tmp_path, "val")
        assert self.only(found).startswith("a: stands 2 times in")
        assert len(found) == 1


class TestNoSuchData:
    def test_image_set(self, tmp_path: Path) -> None:
        write_voc(tmp_path, {"a": xml([CAT])})
        with pytest.raises(DataError, match=r"no image set 'trainva' \(did you mean 'trainval'\?\); it has trainval"):
            read_voc(tmp_path, "trainva")
        (tmp_path / "ImageSets" / "Main" / "empty.txt").write_text("\n")
        with pytest.raises(DataError, match=r"empty\.txt: the image set is empty"):
            read_voc(tmp_path, "empty")

    def test_the_folder_above(self, tmp_path: Path) -> None:
        write_voc(tmp_path / "VOC2007", {"a": xml([CAT])})
        with pytest.raises(DataError, match=r"has no folder JPEGImages; .*VOC2007 has one"):
            read_voc(tmp_path, "trainval")


class TestReporting:
    def test_skip_warns_once(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        found = read(tmp_path, a=xml([("cat", (5, 5, 5, 5))]))
        with caplog.at_level(logging.WARNING, "minicaffe"):
            found.report("skip")
            found.report("skip")
        assert [r.message for r in caplog.records] == [f"{found.name}: {found.problems[0]}"]

    def test_stop_names_everything(self, tmp_path: Path) -> None:
        found = read(tmp_path, a=xml([("cat", (5, 5, 5, 5)), ("cat", (7, 5, 7, 5))]))
        with pytest.raises(DataError, match=r"2 thing\(s\) wrong with the data:\n  a: object 1 .*\n  a: object 2 "):
            found.report("stop")

    def test_long_lists_are_cut(self, caplog: pytest.LogCaptureFixture) -> None:
        found = Dataset("many", ("__background__",), [], [f"p{i}" for i in range(30)])
        with caplog.at_level(logging.WARNING, "minicaffe"):
            found.report("skip")
        assert len(caplog.records) == 21
        assert "and 10 more" in caplog.records[-1].message

    def test_other_words(self) -> None:
        with pytest.raises(DataError, match="'skip' or 'stop', not 'ignore'"):
            Dataset("x", ("__background__",), []).report("ignore")

    def test_background_comes_first(self) -> None:
        with pytest.raises(DataError, match="must begin with '__background__'"):
            Dataset("x", ("cat",), [])


class TestBloodCells:
    def test_all_are_read(self, bccd: Path) -> None:
        found = read_voc(bccd)
        assert found.classes[1:] == ("platelets", "rbc", "wbc")
        assert len(found) == 364
        assert {p.size for p in found} == {(640, 480)}
        assert np.bincount(np.concatenate([p.classes for p in found])).tolist() == [0, 361, 4153, 372]

    def test_the_two_degenerate_boxes(self, bccd: Path) -> None:
        assert read_voc(bccd).problems == [
            f"BloodImage_{name}, box {box}, is at most a pixel wide or high: left out"
            for name, box in (
                ("00338: object 13 (rbc)", "(503, 336, 503, 336)"),
                ("00343: object 4 (rbc)", "(180, 328, 180, 328)"),
            )
        ]

    @pytest.mark.parametrize(("image_set", "count"), [("train", 205), ("val", 87), ("trainval", 292), ("test", 72)])
    def test_image_sets(self, bccd: Path, image_set: str, count: int) -> None:
        assert len(read_voc(bccd, image_set)) == count
