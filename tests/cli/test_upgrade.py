from __future__ import annotations

from pathlib import Path

import pytest

from minicaffe.cli.main import main

OLD = '# mine\nlayers { name: "r" type: RELU bottom: "x" top: "y" }\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("old.prototxt").write_text(OLD)
    return tmp_path


def test_says_what_changed(capsys) -> None:
    assert main(["upgrade", "old.prototxt", "new.prototxt"]) == 0
    said, errors = capsys.readouterr()
    assert said.splitlines() == [
        "old.prototxt: a V1 net of 1 layer",
        '  layers { type: CONVOLUTION ... } is now layer { type: "Convolution" ... }: 1 layer',
        "  comments are not carried over: 1 of them",
        "written to new.prototxt",
    ]
    assert not errors
    assert 'type: "ReLU"' in Path("new.prototxt").read_text()


def test_a_file_of_today_is_written_with_a_note(capsys) -> None:
    text = 'layer { name: "r" type: "ReLU" }  # kept'
    Path("now.prototxt").write_text(text)
    assert main(["upgrade", "now.prototxt", "new.prototxt"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "now.prototxt: a net of 1 layer, already in the form of today: copied as it is",
        "written to new.prototxt",
    ]
    assert Path("new.prototxt").read_text() == text


def test_values_that_are_lost_are_an_error_though_the_file_is_written(capsys) -> None:
    Path("v0.prototxt").write_text('layers { layer { name: "r" type: "relu" group: 2 } }')
    assert main(["upgrade", "v0.prototxt", "new.prototxt"]) == 1
    said, errors = capsys.readouterr()
    assert "written to new.prototxt" in said
    assert errors == "minicaffe: v0.prototxt:1: layer 'r' (relu): has no use for group: dropped\n"
    assert Path("new.prototxt").exists()


@pytest.mark.parametrize("name", ["upgrade_net_proto_text", "upgrade_net_proto_binary", "upgrade_solver_proto_text"])
def test_the_names_of_caffes_tools(name: str) -> None:
    Path("s.prototxt").write_text("base_lr: 1 solver_type: ADAM")
    assert main([name, "s.prototxt", "new.prototxt"]) == 0
    assert Path("new.prototxt").read_text() == 'base_lr: 1.0\ntype: "Adam"\n'


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["old.prototxt"], 2, "required: OUT"),
        ([], 2, "required: IN, OUT"),
        (["old.prototxt", "new", "more"], 2, "unknown argument 'more'"),
        (
            ["od.prototxt", "new"],
            1,
            "minicaffe: Could not open file od.prototxt: No such file or directory (did you mean",
        ),
        (["labels", "new"], 1, "minicaffe: labels: defines neither a net nor a solver: its fields are item"),
    ],
)
def test_exit_codes(words: list[str], code: int, message: str, capsys) -> None:
    Path("labels").write_text("item { id: 1 }")
    assert main(["upgrade", *words]) == code
    assert message in capsys.readouterr().err
    assert not Path("new").exists()
