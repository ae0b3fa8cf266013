"""Definitions in files: text or binary, old or new, missing or foreign."""

from __future__ import annotations

import pytest

from minicaffe import errors
from minicaffe.proto import read_net, read_solver, schema, to_text, write_text
from minicaffe.proto.prototxt import parse, without_origin

TEXT = 'name: "n" layers { name: "a" type: RELU bottom: "x" top: "y" }'


def test_text_and_binary_give_the_same_net(tmp_path):
    text, binary = tmp_path / "net.prototxt", tmp_path / "net.anything"
    text.write_text(TEXT)
    binary.write_bytes(without_origin(parse(TEXT, schema.NetParameter)).SerializeToString())
    assert read_net(text).layer[0].origin == f"{text}:1"
    assert without_origin(read_net(text)) == read_net(binary)
    assert read_net(binary).layer[0].type == "ReLU"


def test_weights_in_a_binary_definition_stay(tmp_path):
    net = schema.NetParameter()
    net.layer.add(name="a").blobs.add(data=[1, 2, 3])
    (tmp_path / "x.caffemodel").write_bytes(net.SerializeToString())
    assert list(read_net(str(tmp_path / "x.caffemodel")).layer[0].blobs[0].data) == [1, 2, 3]


def test_byte_order_mark_and_foreign_comments(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_bytes(b"\xef\xbb\xbf# caf\xe9\n" + b'name: "a"')
    assert read_net(path).name == "a"


def test_errors_name_the_file(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text('name: "n"\nlayre { }\n')
    with pytest.raises(
        errors.PrototxtError, match=r"net.prototxt:2:1: NetParameter has no field 'layre' \(did you mean"
    ):
        read_net(path)


def test_unknown_fields_may_be_ignored(tmp_path, caplog):
    path = tmp_path / "x.prototxt"
    path.write_text('name: "n" novelty: 1')
    assert read_net(path, ignore_unknown=True).name == "n"
    path.write_text("base_lr: 1 novelty { a: 1 }")
    assert read_solver(path, ignore_unknown=True).base_lr == 1
    assert [record.getMessage().split(": ", 1)[1] for record in caplog.records] == [
        "1 unknown field(s) ignored: NetParameter.novelty (line 1)",
        "1 unknown field(s) ignored: SolverParameter.novelty (line 1)",
    ]


@pytest.mark.parametrize("read", [read_net, read_solver])
def test_missing_files(tmp_path, read):
    (tmp_path / "train_val.prototxt").touch()
    with pytest.raises(errors.PrototxtError, match=r"Could not open file .*\(did you mean 'train_val.prototxt'\?\)"):
        read(tmp_path / "trainval.prototxt")
    with pytest.raises(errors.PrototxtError, match="there is no folder"):
        read(tmp_path / "nowhere" / "x.prototxt")
    with pytest.raises(errors.PrototxtError, match=r"Could not open file .*: Is a directory$"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x89HDF\r\n\x1a\n\x00\x00", "this is an HDF5 file"),
        (b"\xff\xfen\x00a\x00", "this is a text file in UTF-16: save it as UTF-8"),
        (schema.SolverState(iter=3, learned_net="x").SerializeToString(), "this is a SolverState"),
        (bytes(range(256)), "something else"),
        (schema.NetParameter(name="abc" * 40, layer=[{"name": "d" * 99}]).SerializeToString()[:-5], "Failed to parse"),
    ],
)
def test_foreign_files(tmp_path, content, what):
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(errors.PrototxtError, match=what):
        read_net(path)


def test_a_binary_solver_is_refused(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"\x00\x01")
    with pytest.raises(errors.PrototxtError, match="expected the definition of a solver, but this is a binary file"):
        read_solver(path)


def test_solvers_are_upgraded(tmp_path):
    path = tmp_path / "adam.prototxt"
    path.write_text("base_lr: 0.1\nsolver_type: ADAM\n")
    solver = read_solver(path)
    assert (solver.type, solver.snapshot_prefix, solver.origin) == ("Adam", str(tmp_path / "adam"), f"{path}:1")


def test_written_text_reads_back(tmp_path):
    path = tmp_path / "out" / "net.prototxt"
    net = schema.NetParameter(name="ü", layer=[{"name": "a", "origin": "f:1"}])
    write_text(net, path)
    assert path.read_text(encoding="utf-8") == to_text(net)
    assert without_origin(read_net(path)) == without_origin(net)
    assert [each.name for each in path.parent.iterdir()] == ["net.prototxt"]
    with pytest.raises(errors.PrototxtError, match="Could not write file"):
        write_text(net, path / "below-a-file")
