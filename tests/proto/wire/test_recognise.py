"""What a file is, told from its head or its fields."""

from __future__ import annotations

import pytest

from minicaffe.proto import schema
from minicaffe.proto.wire.cursor import Store
from minicaffe.proto.wire.recognise import BLOB, NET, STATE, foreign_kind, message_kinds


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89HDF\r\n\x1a\n\x00", "HDF5"),
        (b"\x89PNG\r\n\x1a\n\x00", "PNG"),
        (b"\xff\xd8\xff\xe0\x00", "JPEG"),
        (b"PK\x03\x04\x00", "zip"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x93NUMPY\x01\x00", "NumPy"),
        (b"\x80\x04\x95\x00", "pickle"),
        (b'\x40\x00\x00\x00\x00\x00\x00\x00{"a":', "safetensors"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\n<html>", "web page"),
        (b"<?xml version='1.0'?>", "XML"),
        (b'# a net\nname: "LeNet"\nlayer {\n', "net definition"),
        (b'input: "data"\n', "net definition"),
        (b'net: "train.prototxt"\nbase_lr: 0.01', "solver definition"),
        (b"once upon a time", "a text file"),
        ("# größe".encode("latin-1"), "a text file"),
    ],
)
def test_foreign_files(head, kind):
    assert kind in foreign_kind(head)


MESSAGES = {
    NET: [
        schema.NetParameter(name="LeNet", layer=[{"name": "a"}]),
        schema.NetParameter(layer=[{"name": "a"}]),
        schema.NetParameter(layers=[{"name": "a"}]),
        schema.NetParameter(name="a", default_backward_math=2, layer=[{"name": "a"}]),
        schema.NetParameter(name="a", input=["x"], input_dim=[1, 2, 3, 4], force_backward=True),
    ],
    STATE: [
        schema.SolverState(iter=7, learned_net="x", history=[{"data": [1]}], current_step=0),
        schema.SolverState(iter=7, minimum_loss=1, minicaffe_state=b"s"),
    ],
    BLOB: [
        schema.BlobProto(num=1, channels=3, height=2, width=2, data=range(12)),
        schema.BlobProto(shape={"dim": [2]}, data=[1, 2]),
        schema.BlobProto(double_data=[1]),
        schema.BlobProto(raw_data=b"12", raw_data_type=2),
    ],
}


@pytest.mark.parametrize(("kind", "message"), [(kind, each) for kind, all_of in MESSAGES.items() for each in all_of])
def test_messages(kind, message):
    content = message.SerializeToString()
    assert foreign_kind(content) is None
    for end in range(2, len(content) + 1):
        assert kind in message_kinds(Store(content[:end], "f"))


@pytest.mark.parametrize("kind", MESSAGES)
def test_whole_messages_are_told_apart(kind):
    assert message_kinds(Store(MESSAGES[kind][0].SerializeToString(), "f")) == [kind]


def test_unpacked_values_do_not_take_forever():
    content = b"\x08\x01" + b"\x2d\x00\x00\x00\x00" * 100000
    assert BLOB in message_kinds(Store(content, "f"))


@pytest.mark.parametrize(
    "content", [b"\x00", b"\x07abc", b"\xff" * 20, bytes(range(100)), b"\x08\x08\x12\x01a\x3a\x00\x42\x00"]
)
def test_other_bytes_are_nothing_of_ours(content):
    assert message_kinds(Store(content, "f")) == []
