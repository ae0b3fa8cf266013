from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from minicaffe.cli.main import main
from minicaffe.data.datum import image_datum
from minicaffe.data.sources import create_source
from minicaffe.data.transformer import read_mean

GLOG = re.compile(r"I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ \w+\.py:\d+\] ")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a database of two images, blue 3 and 4, green 10 and 20, red 0 and 1."""
    pytest.importorskip("lmdb")
    monkeypatch.chdir(tmp_path)
    write("db", "LMDB")
    return tmp_path


def write(path: str, backend: str) -> None:
    with create_source(path, backend) as out:
        for i in range(2):
            out.put(str(i), image_datum(np.full((4, 5, 3), [3 + i, 10 + 10 * i, i], np.uint8)).SerializeToString())


@pytest.mark.parametrize("name", ["compute-mean", "compute_image_mean"])
def test_logs_what_caffe_logs_and_writes_the_image(name: str, capsys) -> None:
    assert main([name, "-backend", "lmdb", "db", "mean.binaryproto"]) == 0
    said, log = capsys.readouterr()
    assert [GLOG.sub("", line) for line in log.splitlines() if GLOG.match(line)] == [
        "Starting iteration",
        "Processed 2 files.",
        "Write to mean.binaryproto",
        "Number of channels: 3",
        "mean_value channel [0]: 3.5",
        "mean_value channel [1]: 15",
        "mean_value channel [2]: 0.5",
    ]
    assert said == "transform_param { mean_value: 3.5 mean_value: 15 mean_value: 0.5 }\n"
    mean = read_mean(Path("mean.binaryproto"))
    assert mean.shape == (3, 4, 5)
    np.testing.assert_array_equal(mean, np.broadcast_to(np.array([3.5, 15, 0.5]).reshape(3, 1, 1), (3, 4, 5)))


def test_without_a_file_only_the_numbers(capsys) -> None:
    assert main(["compute-mean", "db"]) == 0
    assert "Write to" not in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["db"]


def test_the_kind_of_database_is_found_out(capsys) -> None:
    pytest.importorskip("plyvel")
    write("level", "LEVELDB")
    assert main(["compute-mean", "level"]) == 0
    assert "mean_value: 3.5 mean_value: 15" in capsys.readouterr().out
    assert main(["compute-mean", "-backend=lmdb", "level"]) == 1
    assert "this is an LEVELDB database" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "required: DB"),
        (["db", "out", "more"], 2, "unknown argument 'more'"),
        (["none"], 1, "none: no such database"),
        (["odd", "out"], 1, "item '1' has shape (3, 2, 2), but item '0' has (3, 1, 1)"),
        (["db", "db/data.mdb/x"], 1, "db/data.mdb"),
    ],
)
def test_exit_codes(words: list[str], code: int, message: str, capsys) -> None:
    with create_source("odd") as out:
        for i in range(2):
            out.put(str(i), image_datum(np.zeros((i + 1, i + 1, 3), np.uint8)).SerializeToString())
    assert main(["compute-mean", *words]) == code
    assert message in capsys.readouterr().err
    assert not Path("out").exists()
