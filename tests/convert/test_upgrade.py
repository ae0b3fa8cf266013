"""Files upgraded: recognised by content, read back as what they were, weights and all; and files that are not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from minicaffe.convert.upgrade import Upgrade, upgrade_file
from minicaffe.errors import PrototxtError, SolverError, WeightsError
from minicaffe.net import Net
from minicaffe.proto import read_net, read_solver, schema
from minicaffe.proto.prototxt import without_origin
from minicaffe.proto.upgrade import needs_upgrade
from minicaffe.proto.wire import read_weights, write_blobproto
from minicaffe.rng import Streams

V1 = """# a net
layers { name: "l#1" type: RELU bottom: "x" top: "y" }  # its layer
"""
V0 = 'layers { bottom: "x" top: "y" layer { name: "r" type: "relu" %s } }'
NOW = '# kept\nlayer {name:"l" type:"ReLU" bottom: "x" top: "y"}\n'


def upgraded(tmp_path: Path, content: str | bytes) -> tuple[Upgrade, bytes]:
    """Upgrade a file of this content; return what was done, and the new file."""
    (tmp_path / "old").write_bytes(content if isinstance(content, bytes) else content.encode())
    done = upgrade_file(tmp_path / "old", tmp_path / "new")
    return done, (tmp_path / "new").read_bytes()


def problem(tmp_path: Path, content: str | bytes, kind: type[Exception] = PrototxtError) -> str:
    """The message with which a file of this content is refused; nothing is written then."""
    with pytest.raises(kind) as caught:
        upgraded(tmp_path, content)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    return str(caught.value).replace(str(tmp_path / "old"), "FILE")


# -- text -------------------------------------------------------------------------------------------------------------


def test_a_net(tmp_path: Path) -> None:
    done, new = upgraded(tmp_path, V1)
    assert done.kind == "a V1 net of 1 layer"
    assert len(done.changes) == 1
    assert (done.lost, done.comments) == ([], 2)
    assert new == b'layer {\n  name: "l#1"\n  type: "ReLU"\n  bottom: "x"\n  top: "y"\n}\n'


def test_a_net_of_today_is_copied(tmp_path: Path) -> None:
    done, new = upgraded(tmp_path, NOW)
    assert new == NOW.encode()
    assert (done.kind, done.changes, done.comments) == ("a net of 1 layer", [], 0)


def test_a_file_may_become_itself(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    for content in (V1, NOW):
        path.write_text(content)
        upgrade_file(path, path)
        assert [layer.type for layer in read_net(path).layer] == ["ReLU"]
        assert not needs_upgrade(read_net(path))
    assert os.listdir(tmp_path) == ["net.prototxt"]


def test_what_means_nothing_is_reported(tmp_path: Path) -> None:
    done, new = upgraded(tmp_path, V0 % "kernelsize: 3 group: 2")
    assert len(done.lost) == 1
    assert done.lost[0].endswith("layer 'r' (relu): has no use for kernelsize, group: dropped")
    assert b"ReLU" in new
    assert upgraded(tmp_path, V0 % "")[0].lost == []


def test_a_solver(tmp_path: Path) -> None:
    done, new = upgraded(tmp_path, 'net: "n.prototxt"\nbase_lr: 0.1\nsolver_type: ADAGRAD # old\n')
    assert done == Upgrade("a solver", ['solver_type: ADAGRAD is now type: "AdaGrad"'], [], 1)
    assert sorted(new.splitlines()) == [b"base_lr: 0.1", b'net: "n.prototxt"', b'type: "AdaGrad"']
    done, _ = upgraded(tmp_path, 'net: "n.prototxt" type: "Adam"')
    assert done == Upgrade("a solver")


def test_nets_inside_a_solver(tmp_path: Path) -> None:
    old = V0 % "group: 2"
    done, new = upgraded(
        tmp_path, f"base_lr: 1 train_net_param {{ {V1} }} test_net_param {{ {NOW} }} test_net_param {{ {old} }}"
    )
    assert [change.partition(":")[0] for change in done.changes] == ["train_net_param", "test_net_param"]
    assert len(done.lost) == 1
    solver = read_solver(tmp_path / "new")
    assert [net.layer[0].type for net in (solver.train_net_param, *solver.test_net_param)] == ["ReLU"] * 3
    assert b"layers" not in new


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('name: "x" layers { name: "base_lr" }', "net"),
        ("lr_policy: name solver_mode: GPU layer { }", "error"),
        ('net_param { layer { name: "l" } input: "x" } base_lr: 1', "solver"),
        ("base_lr: 0.1 test_iter: [1, 2]", "solver"),
        ('input: "x" input_dim: [1, 2, 3, 4]', "net"),
        ("debug_info: true", "error"),
        ("item { name: 'cat' }", "error"),
        ("", "error"),
        ("# nothing\n", "error"),
    ],
)
def test_the_outer_fields_tell_what_it_is(tmp_path: Path, text: str, kind: str) -> None:
    if kind == "error" and text.startswith("lr"):
        assert "field 'lr_policy'" in problem(tmp_path, text)
    elif kind == "error":
        assert any(words in problem(tmp_path, text) for words in ("defines neither a net nor a solver", "is empty"))
    else:
        assert kind in upgraded(tmp_path, text)[0].kind


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('layers { name: "x" typ: RELU }', r"FILE:1:20: V1LayerParameter has no field 'typ' (did you mean 'type'"),
        ('layers { layer { name: "x" type: "rely" } }', "unknown layer type 'rely' (did you mean 'relu'?)"),
        (V1 + NOW, "the net has both 'layers' (old) and 'layer' (new)"),
        ("item { id: 1 }", "FILE: defines neither a net nor a solver: its fields are item"),
        ("", "FILE: the file is empty"),
        (b"\x89PNG\r\n\x1a\n", "FILE: expected a net or a solver, but this is a PNG image"),
        (b"\x89HDF\r\n\x1a\n\0\0", "FILE: expected a net or a solver, but this is an HDF5 file"),
        ("<!DOCTYPE html>", "a web page: a download that went wrong"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    assert message in problem(tmp_path, content)


def test_a_solver_of_two_types(tmp_path: Path) -> None:
    text = 'base_lr: 1 type: "Adam" solver_type: ADAM'
    assert "solver_type and type are both given" in problem(tmp_path, text, SolverError)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").touch()
    with pytest.raises(PrototxtError, match=r"Could not open file .*nett.prototxt: No such .*did you mean 'net.proto"):
        upgrade_file(tmp_path / "nett.prototxt", tmp_path / "new")
    with pytest.raises(PrototxtError, match=r"Could not open file .*: Is a directory"):
        upgrade_file(tmp_path, tmp_path / "new")
    with pytest.raises(PrototxtError, match=r"Could not open file .*: No such file"):
        upgrade_file(tmp_path / "none" / "x", tmp_path / "new")


@pytest.mark.parametrize("content", [V1, NOW])
def test_a_place_that_cannot_be_written(tmp_path: Path, content: str) -> None:
    (tmp_path / "old").write_text(content)
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(PrototxtError, match=r"Could not write file .*folder"):
        upgrade_file(tmp_path / "old", tmp_path / "folder")


def test_text_in_other_encodings(tmp_path: Path) -> None:
    done, new = upgraded(tmp_path, b"\xef\xbb\xbf# caf\xe9\r\n" + V1.replace("\n", "\r\n").encode())
    assert done.comments == 3
    assert b"ReLU" in new


# -- binary -----------------------------------------------------------------------------------------------------------


def test_weights_keep_their_bytes(tmp_path: Path) -> None:
    net = schema.NetParameter(name="n")
    old = net.layers.add(name="ip", type=schema.V1LayerParameter.INNER_PRODUCT, blobs_lr=[1])
    old.blobs.add(num=1, channels=1, height=2, width=3, data=range(6))
    done, new = upgraded(tmp_path, net.SerializeToString())
    assert done.kind == "a V1 net of 1 layer with its weights"
    message = schema.NetParameter.FromString(new)
    assert (message.layer[0].type, message.layer[0].param[0].lr_mult) == ("InnerProduct", 1)
    assert message.layer[0].blobs[0] == old.blobs[0]
    (layer,) = read_weights(tmp_path / "new").layers
    assert (layer.blobs[0].shape, layer.blobs[0].legacy) == ((1, 1, 2, 3), True)
    again = upgrade_file(tmp_path / "new", tmp_path / "again")
    assert again == Upgrade("a net of 1 layer with its weights")
    assert (tmp_path / "again").read_bytes() == new


def test_binary_files_that_are_refused(tmp_path: Path) -> None:
    state = schema.SolverState(iter=1, learned_net="x").SerializeToString()
    assert "FILE: expected a net or a solver, but this is a .solverstate" in problem(tmp_path, state, WeightsError)
    net = schema.NetParameter(name="n")
    net.layers.add(name="ip").blobs.add(data=range(99))
    cut = net.SerializeToString()[:-9]
    assert "FILE: truncated or damaged at byte" in problem(tmp_path, cut, WeightsError)
    write_blobproto(tmp_path / "old", np.zeros((1, 1), np.float32))
    mean = (tmp_path / "old").read_bytes()
    assert "but this is a .binaryproto" in problem(tmp_path, mean, WeightsError)


# -- genuine files ----------------------------------------------------------------------------------------------------


def old_files(shared: Path, words: tuple[bytes, ...]) -> list[Path]:
    files = [path for folder in ("prototxts", "models") for path in (shared / folder).rglob("*.prototxt")]
    files = [path for path in files if "_template" not in path.name]  # those have words where numbers will stand
    return sorted(path for path in files if any(word in path.read_bytes() for word in words))


def test_genuine_old_nets_read_back_as_they_were(shared: Path, tmp_path: Path) -> None:
    kinds = set()
    older = old_files(shared, (b"layers {", b"layers{"))
    with_inputs = [path for path in old_files(shared, (b"input_dim", b"input_shape")) if path not in older]
    assert len(older) > 40
    for path in [*older, *with_inputs[::8]]:
        done = upgrade_file(path, tmp_path / "new")
        if done.kind == "a solver":
            continue
        before, after = read_net(path), read_net(tmp_path / "new")
        assert without_origin(after) == without_origin(before), path
        assert not needs_upgrade(after), path
        assert done.changes, path
        kinds.add(done.kind[:6])
    assert kinds == {"a V0 n", "a V1 n", "a net "}


def test_genuine_nets_of_today_are_copied(shared: Path, tmp_path: Path) -> None:
    for name in ("lenet_train_test", "lenet_solver"):
        path = shared / "prototxts/BVLC_caffe/examples/mnist" / f"{name}.prototxt"
        assert not upgrade_file(path, tmp_path / "new").changes
        assert (tmp_path / "new").read_bytes() == path.read_bytes()


def test_genuine_old_solvers_read_back_as_they_were(shared: Path, tmp_path: Path) -> None:
    files = old_files(shared, (b"\nsolver_type",))
    for path in files:
        done = upgrade_file(path, tmp_path / path.name)
        assert done.kind == "a solver"
        assert done.changes[0].startswith("solver_type: ")
        before, after = read_solver(path), read_solver(tmp_path / path.name)
        before.ClearField("snapshot_prefix")  # completed with the file's own path
        after.ClearField("snapshot_prefix")
        assert without_origin(after) == without_origin(before), path
    assert len(files) > 2


def outputs(definition: Path, weights: Path | None) -> dict[str, np.ndarray]:
    """Build a net and run it on drawn inputs, and drawn weights if there are none; return every blob."""
    net = Net(str(definition), "TEST", weights=weights)
    generator = Streams(7).stream("test")
    for blob in [] if weights else [blob for blobs in net.params.values() for blob in blobs]:
        blob.data[...] = generator.normal(size=blob.shape, scale=0.1)
    for name in net.inputs:
        net.blobs[name].reshape(2, *net.blobs[name].shape[1:])
        net.blobs[name].data[...] = generator.uniform(size=net.blobs[name].shape)
    net.forward()
    return {name: blob.data.copy() for name, blob in net.blobs.items()}


@pytest.mark.parametrize(
    ("definition", "weights"),
    [
        ("models/lenet_mnist_2014/lenet.prototxt", "models/lenet_mnist_2014/lenet_iter_10000.caffemodel"),
        (
            "models/cifar10_full_2014/cifar10_full.prototxt",
            "models/cifar10_full_2014/cifar10_full_iter_70000.caffemodel",
        ),
        ("prototxts/BVLC_caffe@v0.9/examples/lenet/lenet.prototxt", None),
        ("prototxts/BVLC_caffe@v0.999/examples/cifar10/cifar10_quick.prototxt", None),
    ],
)
def test_genuine_old_nets_compute_what_they_computed(
    shared: Path, tmp_path: Path, definition: str, weights: str | None
) -> None:
    assert upgrade_file(shared / definition, tmp_path / "net").changes
    old_weights = new_weights = None
    if weights:
        old_weights, new_weights = shared / weights, tmp_path / "weights"
        assert upgrade_file(old_weights, new_weights).changes
    before = outputs(shared / definition, old_weights)
    for after in (outputs(tmp_path / "net", old_weights), outputs(tmp_path / "net", new_weights)):
        assert list(after) == list(before)
        for name, values in after.items():
            np.testing.assert_array_equal(values, before[name])
            assert np.ptp(values) > 0


@pytest.mark.parametrize("name", ["lenet_mnist_2014/lenet_iter_10000", "cifar10_full_2014/cifar10_full_iter_70000"])
def test_genuine_old_weights_keep_every_number(shared: Path, tmp_path: Path, name: str) -> None:
    path = shared / "models" / f"{name}.caffemodel"
    upgrade_file(path, tmp_path / "new")
    message = schema.NetParameter.FromString((tmp_path / "new").read_bytes())
    assert message.layer
    assert not needs_upgrade(message)
    before, after = read_weights(path), read_weights(tmp_path / "new")
    assert sum(len(layer.blobs) for layer in after.layers) == 8
    for old, new in zip(before.layers, after.layers, strict=True):
        assert (new.name, new.type, len(new.blobs)) == (old.name, old.type, len(old.blobs))
        for x, y in zip(old.blobs, new.blobs, strict=True):
            assert y.legacy == x.legacy
            np.testing.assert_array_equal(y.data, x.data)
