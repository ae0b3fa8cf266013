from __future__ import annotations

import subprocess
import sys

import pytest

from minicaffe import device
from minicaffe.cli import flags
from minicaffe.cli.main import verb_parser
from minicaffe.errors import DeviceError


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("--gpu 0", "--gpu 0"),
        ("-gpu 0", "--gpu 0"),
        ("-gpu=0", "--gpu=0"),
        ("--gpu=0", "--gpu=0"),
        ("-sigint_effect=none", "--sigint-effect=none"),
        ("--sighup_effect stop", "--sighup-effect stop"),
        ("-weights=a_b.caffemodel", "--weights=a_b.caffemodel"),
        ("my_solver.prototxt -h", "my_solver.prototxt -h"),
        ("--level -1", "--level -1"),
        ("-iterations 5 -- -odd_name", "--iterations 5 -- -odd_name"),
    ],
)
def test_normalise_spells_every_flag_alike(written: str, read: str) -> None:
    assert flags.normalise(written.split()) == read.split()


@pytest.fixture
def train():
    from minicaffe.cli import train

    return verb_parser("train", train)


@pytest.mark.parametrize(
    "line",
    ["s.prototxt --level 3", "--level 3 s.prototxt", "--solver s.prototxt --level 3", "--level 3 --solver=s.prototxt"],
)
def test_the_solver_may_stand_anywhere(train, line: str) -> None:
    args = train.parse(line.split())
    assert flags.file(args, "solver") == "s.prototxt"
    assert args.level == 3


@pytest.mark.parametrize(
    ("line", "complaint"),
    [("", "missing"), ("a.prototxt --solver b.prototxt", "given twice"), ("a b", "unknown argument 'b'")],
)
def test_none_or_two_solvers_are_a_usage_error(train, line: str, complaint: str, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        flags.file(train.parse(line.split()), "solver")
    assert stop.value.code == 2
    assert complaint in capsys.readouterr().err


def test_an_unknown_flag_names_the_nearest(train, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        train.parse(["s.prototxt", "--wieghts=a.caffemodel"])
    assert stop.value.code == 2
    assert "unknown flag '--wieghts' (did you mean '--weights'" in capsys.readouterr().err


def test_no_abbreviations(train, capsys) -> None:
    with pytest.raises(SystemExit):
        train.parse(["s.prototxt", "--snap", "auto"])
    assert "unknown flag '--snap'" in capsys.readouterr().err


def test_pieces_of_a_comma_list() -> None:
    assert flags.pieces(" a, b,,c ") == ["a", "b", "c"]
    assert flags.pieces("") == []


def test_a_gpu_is_never_replaced_silently(train, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(DeviceError, match="add --cpu"):
        flags.use_device(train.parse(["s", "--gpu", "0"]))
    with pytest.raises(DeviceError, match=r"s\.prototxt: solver_mode: GPU asks for a GPU"):
        flags.use_device(train.parse(["s"]), asked_by_file="s.prototxt: solver_mode: GPU")
    assert flags.use_device(train.parse(["s", "--cpu"]), asked_by_file="s.prototxt: solver_mode: GPU") is None


@pytest.mark.parametrize(("given", "said"), [("0,1", "one GPU at a time"), ("0, 1", "raise iter_size")])
def test_several_gpus_are_refused(train, given: str, said: str) -> None:
    with pytest.raises(DeviceError, match=said):
        flags.use_device(train.parse(["s", "--gpu", given]))


def test_the_file_names_a_gpu_where_the_flag_does_not(train, monkeypatch) -> None:
    chosen = []
    monkeypatch.setattr(device, "set_device", lambda number, asked: chosen.append((number, asked)))
    monkeypatch.setattr(device, "set_mode_gpu", lambda asked: None)
    assert flags.use_device(train.parse(["s"]), "s.prototxt: solver_mode: GPU", 3) == 3
    assert flags.use_device(train.parse(["s", "--gpu=1"]), "s.prototxt: solver_mode: GPU", 3) == 1
    assert chosen == [(3, "s.prototxt: solver_mode: GPU"), (1, "--gpu 1")]
    assert flags.device_line(1) == "Use GPU with device ID 1"
    assert flags.device_line(None) == "Use CPU."


def test_a_gpu_has_a_number(train, capsys) -> None:
    with pytest.raises(SystemExit):
        flags.use_device(train.parse(["s", "--gpu=first"]))
    assert "give the number of a GPU, or all" in capsys.readouterr().err


def test_gpu_and_cpu_exclude_each_other(train, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        flags.use_device(train.parse(["s", "--cpu", "--gpu", "0"]))
    assert stop.value.code == 2
    assert "not both" in capsys.readouterr().err


def test_threads_hold_what_is_loaded_and_what_will_be() -> None:
    script = """
import numpy, threadpoolctl
from minicaffe.cli.flags import limit_threads
limit_threads(1)
import numba, scipy.linalg
print(numba.get_num_threads(), {each["num_threads"] for each in threadpoolctl.threadpool_info()})
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "1 {1}\n"


@pytest.mark.parametrize("count", ["0", "-2", "many"])
def test_threads_must_be_a_count(train, count: str, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        train.parse(["s", f"--threads={count}"])
    assert stop.value.code == 2
    assert "--threads" in capsys.readouterr().err
