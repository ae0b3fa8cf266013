from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minicaffe.cli.main import main
from minicaffe.data import images
from minicaffe.data.datum import datum_planes, parse_datum
from minicaffe.data.sources import open_source

CLASSES = ["ape", "cat"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with three pictures in each of img/ape and img/cat, and a list of the apes."""
    pytest.importorskip("lmdb")
    monkeypatch.chdir(tmp_path)
    for c, name in enumerate(CLASSES):
        (tmp_path / "img" / name).mkdir(parents=True)
        for i in range(3):
            picture = np.full((6, 8, 3), [100 * c + 10 * i, 40, 200], np.uint8)
            (tmp_path / "img" / name / f"{i}.png").write_bytes(images.encode(picture, "png"))
    (tmp_path / "list.txt").write_text("".join(f"ape/{i}.png {7 - i}\n" for i in range(3)))
    return tmp_path


def items(path: str = "db", backend: str = "LMDB") -> dict[str, Any]:
    source, found = open_source(path, backend), {}
    while source.key.decode() not in found:
        found[source.key.decode()] = parse_datum(source.value)
        source.advance()
    return found


def labels(path: str = "db") -> dict[str, int]:
    return {key[9:]: datum.label for key, datum in items(path).items()}


def test_a_list(capsys) -> None:
    assert main(["convert-imageset", "img", "list.txt", "db"]) == 0
    said, log = capsys.readouterr()
    assert said == "db: 3 of 3 images\n"
    assert "A total of 3 images." in log
    assert "Processed 3 files." in log
    assert [(key, datum.label) for key, datum in items().items()] == [
        ("00000000_ape/0.png", 7),
        ("00000001_ape/1.png", 6),
        ("00000002_ape/2.png", 5),
    ]
    assert sorted(path.name for path in Path("db").iterdir()) == ["data.mdb", "lock.mdb"]


@pytest.mark.parametrize(
    "flags",
    [
        ["-gray", "-resize_width=4", "-resize_height", "3", "-backend=lmdb", "-check_size"],
        ["--gray=true", "--resize_width=4", "--resize_height=3", "--check_size=true", "--encoded=false"],
        ["--gray", "--resize-width", "4", "--resize-height", "3", "--check-size", "--encoded", "--noencoded"],
    ],
)
def test_every_spelling_of_the_flags(flags: list[str]) -> None:
    assert main(["convert_imageset", *flags[:1], "img/", *flags[1:], "list.txt", "db"]) == 0
    assert {datum_planes(datum).shape for datum in items().values()} == {(1, 3, 4)}
    assert not any(datum.encoded for datum in items().values())


def test_switches_left_off() -> None:
    assert main(["convert-imageset", "img", "list.txt", "db", "-nogray", "--encoded=true", "--shuffle=false"]) == 0
    assert {datum_planes(datum).shape for datum in items().values()} == {(3, 6, 8)}
    assert all(datum.encoded for datum in items().values())
    assert list(labels()) == ["ape/0.png", "ape/1.png", "ape/2.png"]


def test_a_format_means_encoded() -> None:
    assert main(["convert-imageset", "-encode_type", "jpg", "img", "list.txt", "db"]) == 0
    assert all(datum.encoded and datum.data[:2] == b"\xff\xd8" for datum in items().values())


def test_leveldb() -> None:
    pytest.importorskip("plyvel")
    assert main(["convert-imageset", "-backend", "leveldb", "img", "list.txt", "db"]) == 0
    assert len(items(backend="LEVELDB")) == 3


def test_folders_are_classes(capsys) -> None:
    assert main(["convert-imageset", "img", "db"]) == 0
    said, log = capsys.readouterr()
    assert said == "db: 6 of 6 images\ndb/labels.txt: the names of 2 classes, that of label 0 first\n"
    assert "class by class, and Data layers never shuffle: --shuffle mixes them" in log
    assert Path("db/labels.txt").read_text() == "ape\ncat\n"
    assert labels() == {f"{name}/{i}.png": c for c, name in enumerate(CLASSES) for i in range(3)}
    assert list(labels()) == sorted(labels())


def test_folders_numbered_by_the_names_of_another_database() -> None:
    Path("names.txt").write_text("zebra\ncat\nape\n")
    assert main(["convert-imageset", "--labels", "names.txt", "img", "db"]) == 0
    assert set(labels().items()) == {(f"{name}/{i}.png", 2 - c) for c, name in enumerate(CLASSES) for i in range(3)}
    assert Path("db/labels.txt").read_text() == "zebra\ncat\nape\n"


def test_shuffling_repeats_with_its_seed(capsys) -> None:
    assert main(["convert-imageset", "--shuffle", "img", "db"]) == 0
    log = capsys.readouterr().err
    assert "never shuffle" not in log
    seed = log.partition("--seed ")[2].split()[0]
    assert main(["convert-imageset", "--shuffle", "--seed", seed, "img", "again"]) == 0
    assert list(items("again")) == list(items())
    assert labels("again") == labels()
    orders = set()
    for other in range(5):
        assert main(["convert-imageset", "--shuffle", f"--seed={other}", "img", f"db{other}"]) == 0
        orders.add(tuple(labels(f"db{other}")))
    assert len(orders) > 1


def test_unreadable_images_are_named(capsys) -> None:
    Path("img/ape/1.png").write_bytes(b"x")
    assert main(["convert-imageset", "img", "list.txt", "db"]) == 0
    said, log = capsys.readouterr()
    assert said == "db: 2 of 3 images\n"
    assert "list.txt:2: image 'img/ape/1.png' cannot be decoded" in log


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["img"], 2, "required: DB"),
        (["img", "list.txt"], 2, "list.txt is a file: is it the LIST? Then the DB to write is missing"),
        (["img", "list.txt", "db", "--seed", "3"], 2, "--seed repeats the order of --shuffle, which is missing"),
        (["img", "list.txt", "db", "--labels", "x"], 2, "--labels numbers the folders of ROOT"),
        (["img", "list.txt", "db", "-backend", "sqlite"], 2, "invalid choice: 'sqlite'"),
        (["img", "list.txt", "db", "-grey"], 2, "unknown flag '--grey' (did you mean '--gray'"),
        (["imgs", "list.txt", "db"], 1, "imgs: no such folder"),
        (["img", "lst.txt", "db"], 1, "lst.txt: cannot be read"),
        (["img", "list.txt", "img"], 1, "img: already exists"),
        (["img", "list.txt", "db", "-resize_width=3"], 1, "give both, or neither"),
        (["img", "list.txt", "db", "-encode_type=jpgg"], 1, "cannot store images as 'jpgg'"),
        (["img/ape", "db"], 1, "img/ape: has no folders"),
    ],
)
def test_exit_codes(words: list[str], code: int, message: str, capsys) -> None:
    assert main(["convert-imageset", *words]) == code
    assert message in capsys.readouterr().err
    assert not Path("db").exists()
