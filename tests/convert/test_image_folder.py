"""Folders as classes: labels, order, what is left out."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from minicaffe.convert.image_folder import list_images, read_class_names, write_class_names
from minicaffe.errors import DataError

FILES = ["cat/b.jpg", "cat/a.PNG", "ape/deep/er/x.jpeg", "ape/z.png", "dog/one.webp"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def paths(folder: Path, names: list[str] | None = None) -> list[tuple[str, int]]:
    return [(entry.path, entry.label) for entry in list_images(folder, names)[0]]


def test_classes_are_numbered_in_the_order_of_the_alphabet(folder: Path) -> None:
    assert list_images(folder)[1] == ["ape", "cat", "dog"]
    assert paths(folder) == [
        ("ape/z.png", 0),
        ("ape/deep/er/x.jpeg", 0),
        ("cat/a.PNG", 1),
        ("cat/b.jpg", 1),
        ("dog/one.webp", 2),
    ]


def test_given_names_number_the_classes(folder: Path) -> None:
    names = ["zebra", "dog", "cat", "ape"]
    assert paths(folder, names) == [
        ("dog/one.webp", 1),
        ("cat/a.PNG", 2),
        ("cat/b.jpg", 2),
        ("ape/z.png", 3),
        ("ape/deep/er/x.jpeg", 3),
    ]
    assert list_images(folder, names)[1] == names
    with pytest.raises(DataError, match=r"dog: not among the class names \(did you mean 'dogs'\?\)"):
        list_images(folder, ["ape", "cat", "dogs"])


def test_what_is_no_image_is_left_out_and_named(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("cat/Thumbs.db", "cat/.hidden.png", "cat/.dir/x.png", "readme.txt", ".git/x.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (folder / "void").mkdir()
    with caplog.at_level(logging.WARNING, "minicaffe"):
        entries, names = list_images(folder)
    assert sorted(entry.path for entry in entries) == sorted(FILES)
    assert names == ["ape", "cat", "dog", "void"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder}: files that lie beside the folders of the classes are left out: 1, such as readme.txt",
        f"{folder}: files that are not named like images are left out: 1, such as cat/Thumbs.db",
        f"{folder / 'void'}: no images in it",
    ]


def test_folders_without_classes_or_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nope: no such folder"):
        list_images(tmp_path / "nope")
    (tmp_path / "file.png").touch()
    with pytest.raises(DataError, match=r"file.png: not a folder"):
        list_images(tmp_path / "file.png")
    with pytest.raises(DataError, match=r"has no folders; without a list, every folder inside it is a class"):
        list_images(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match=r"no images in its folders \(cat\); names of images end in .bmp"):
        list_images(tmp_path)


def test_class_names_read_back(tmp_path: Path) -> None:
    write_class_names(tmp_path, ["ape", "house cat", "Bär"])
    assert (tmp_path / "labels.txt").read_bytes() == "ape\nhouse cat\nBär\n".encode()
    assert read_class_names(tmp_path / "labels.txt") == ["ape", "house cat", "Bär"]
    (tmp_path / "twice.txt").write_text("ape\ncat\nape\n")
    with pytest.raises(DataError, match=r"twice.txt: the class 'ape' is named twice"):
        read_class_names(tmp_path / "twice.txt")
