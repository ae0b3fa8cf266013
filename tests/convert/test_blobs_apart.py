"""Weights files taken apart and put together: every blob stays the bytes it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError

from minicaffe.convert.blobs_apart import read_apart, write_joined
from minicaffe.errors import WeightsError
from minicaffe.proto import schema
from minicaffe.proto.prototxt import without_origin
from minicaffe.proto.upgrade import upgrade_net
from minicaffe.proto.wire import write_blobproto


def blobs() -> list[Any]:
    """One blob of each form there is."""
    return [
        schema.BlobProto(num=1, channels=1, height=2, width=3, data=range(6)),
        schema.BlobProto(shape={"dim": [2]}, data=[1.5, float("nan")], diff=[3, 4]),
        schema.BlobProto(shape={"dim": [1, 2]}, double_data=[1e-300, 2]),
        schema.BlobProto(shape={"dim": [2]}, raw_data_type=2, raw_data=np.float16([1, 2]).tobytes()),
        schema.BlobProto(),
    ]


def v2() -> Any:
    net = schema.NetParameter(name="n", force_backward=True)
    net.layer.add(name="a", type="Convolution", blobs=blobs())
    net.layer.add(name="b", type="ReLU")
    net.layer.add(name="c", type="InnerProduct", blobs=blobs()[:2])
    return net


def v1() -> Any:
    net = schema.NetParameter(name="n")
    net.layers.add(name="a", type=schema.V1LayerParameter.CONVOLUTION, blobs=blobs(), blobs_lr=[1, 2])
    net.layers.add(name="b", type=schema.V1LayerParameter.RELU)
    net.layers.add(name="c", type=schema.V1LayerParameter.INNER_PRODUCT, blobs=blobs()[:2])
    return net


def v0() -> Any:
    net = schema.NetParameter(name="n", input=["x"], input_dim=[1, 2, 3, 4])
    net.layers.add(bottom=["x"], top=["p"]).layer.MergeFrom(schema.V0LayerParameter(name="p", type="padding", pad=1))
    conv = schema.V0LayerParameter(name="a", type="conv", num_output=2, kernelsize=3, blobs=blobs())
    net.layers.add(bottom=["p"], top=["a"]).layer.MergeFrom(conv)
    net.layers.add(bottom=["a"], top=["a"]).layer.MergeFrom(schema.V0LayerParameter(name="b", type="relu"))
    full = schema.V0LayerParameter(name="c", type="innerproduct", num_output=2, blobs=blobs()[:2])
    net.layers.add(bottom=["a"], top=["c"]).layer.MergeFrom(full)
    return net


@pytest.mark.parametrize("make", [v0, v1, v2])
def test_upgraded_weights_are_what_upgrading_the_whole_message_gives(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "w.caffemodel"
    path.write_bytes(make().SerializeToString())
    net, raw = read_apart(path)
    assert not any(layer.blobs for layer in net.layer)
    assert not any(layer.blobs or layer.layer.blobs for layer in net.layers)
    write_joined(tmp_path / "new.caffemodel", upgrade_net(net), raw)
    written = schema.NetParameter.FromString((tmp_path / "new.caffemodel").read_bytes())
    expected = without_origin(upgrade_net(make()))
    assert written.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)
    assert [layer.name for layer in written.layer if layer.blobs] == ["a", "c"]


def test_every_layer_is_called_by_its_place_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "w.caffemodel"
    path.write_bytes(v2().SerializeToString())
    net, raw = read_apart(path)
    assert [layer.origin for layer in net.layer] == [f"{path}, layer {i}" for i in range(3)]
    assert [len(raw[layer.origin]) for layer in net.layer] == [5, 0, 2]


@pytest.mark.parametrize("make", [v0, v1, v2])
def test_files_cut_short_fail_where_protobuf_fails(tmp_path: Path, make: Any) -> None:
    content = make().SerializeToString()
    path = tmp_path / "cut.caffemodel"
    failed = 0
    for end in range(1, len(content)):
        path.write_bytes(content[:end])
        try:
            expected = schema.NetParameter.FromString(content[:end])
        except DecodeError:
            failed += 1
            with pytest.raises(WeightsError, match=r"cut.caffemodel"):
                read_apart(path)
        else:
            net, raw = read_apart(path)
            assert len(net.layer) + len(net.layers) == len(raw) == len(expected.layer) + len(expected.layers)
    assert failed > len(content) / 2


def test_files_of_other_kinds(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(schema.SolverState(iter=3, learned_net="x").SerializeToString())
    with pytest.raises(WeightsError, match=r"expected a net or a solver, but this is a .solverstate"):
        read_apart(path)
    write_blobproto(path, np.zeros((1, 3, 2, 2), np.float32))
    with pytest.raises(WeightsError, match=r"but this is a .binaryproto, one array"):
        read_apart(path)
    path.write_bytes(b"\xff\xff\xff")
    with pytest.raises(WeightsError, match=r"but this is something else"):
        read_apart(path)
    path.write_bytes(v1().SerializeToString() + b"\xa2\x06\x04\xd2\x06\x01\xff")  # a convolution_param of rubbish
    with pytest.raises(WeightsError, match=r"file: damaged: its definition is no NetParameter"):
        read_apart(path)
