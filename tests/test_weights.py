"""Weights in and out: matching by name, shared parameters, legacy shapes, the report, bad files."""

from __future__ import annotations

import logging
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicaffe
from minicaffe.errors import WeightsError
from minicaffe.proto import prototxt, schema, wire
from minicaffe.rng import Streams

INPUT = "layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: 2 dim: 3 } } }"


def ip(name: str, bottom: str, top: str, more: str = "", outputs: int = 3) -> str:
    return (
        f"layer {{ name: '{name}' type: 'InnerProduct' bottom: '{bottom}' top: '{top}' {more} inner_product_param {{ "
        f"num_output: {outputs} weight_filler {{ type: 'xavier' }} }} }}"
    )


def net(*layers: str, seed: int = 1) -> minicaffe.Net:
    return minicaffe.Net(
        prototxt.parse("name: 'n'" + INPUT + "".join(layers), schema.NetParameter, file="n.prototxt"),
        phase="TEST",
        streams=Streams(seed),
    )


CHAIN = (ip("a", "x", "h"), ip("b", "h", "y"))
TIED = (
    ip("ro", "x", "h", "param { name: 'w' } param { name: 'b' }"),
    ip("a", "h", "y", "param { name: 'w' } param { name: 'b' }"),
)


@pytest.mark.parametrize("suffix", [".caffemodel", ".caffemodel.h5"])
def test_saved_weights_come_back(tmp_path: Path, suffix: str) -> None:
    one, two = net(*CHAIN, seed=1), net(*CHAIN, seed=2)
    path = tmp_path / f"n{suffix}"
    (one.save_hdf5 if suffix.endswith("h5") else one.save)(path)
    report = two.copy_from(path)
    assert report.loaded == ["a", "b"]
    for name in ("a", "b"):
        for mine, theirs in zip(two.params[name], one.params[name], strict=True):
            np.testing.assert_array_equal(mine.data, theirs.data)
    assert [p.name for p in tmp_path.iterdir()] == [path.name], "nothing is left beside the file"


def test_a_saved_file_is_the_net_as_built(tmp_path: Path) -> None:
    n = net(ip("a", "x", "h"), ip("b", "h", "y"), ip("c", "h", "z", "loss_weight: 2"))
    n.save(tmp_path / "n.caffemodel")
    message = schema.NetParameter.FromString((tmp_path / "n.caffemodel").read_bytes())
    assert message.name == "n"
    assert [layer.name for layer in message.layer] == ["x", "a", "h_a_0_split", "b", "c"]
    assert all(layer.phase == schema.TEST and layer.HasField("phase") for layer in message.layer)
    assert not any(layer.origin for layer in message.layer)
    blob = message.layer[1].blobs[0]
    assert list(blob.shape.dim) == [3, 3]
    assert not blob.HasField("num")
    np.testing.assert_array_equal(np.array(blob.data, "f").reshape(3, 3), n.params["a"][0].data)
    assert not blob.diff


def test_diffs_are_written_on_request(tmp_path: Path) -> None:
    n = net(*CHAIN)
    n.params["a"][1].diff[...] = [1, 2, 3]
    n.save(tmp_path / "n.caffemodel", write_diff=True)
    message = schema.NetParameter.FromString((tmp_path / "n.caffemodel").read_bytes())
    assert list(message.layer[1].blobs[1].diff) == [1, 2, 3]


def test_shared_parameters_are_stored_under_every_sharer_and_fill_through_any(tmp_path: Path) -> None:
    n = net(*TIED)
    n.save(tmp_path / "n.caffemodel")
    assert [layer.name for layer in wire.read_weights(tmp_path / "n.caffemodel").layers if layer.blobs] == ["ro", "a"]
    single = net(ip("a", "x", "y"), seed=9)
    single.save(tmp_path / "single.caffemodel")
    report = n.copy_from(tmp_path / "single.caffemodel")
    np.testing.assert_array_equal(n.params["ro"][0].data, single.params["a"][0].data)
    assert report.missing == {"ro": "filled through the parameters it shares with a loaded layer"}


def test_hdf5_stores_shared_parameters_once_and_still_loads(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    n = net(*TIED)
    n.save_hdf5(tmp_path / "n.h5")
    with h5py.File(tmp_path / "n.h5") as file:
        assert {name: sorted(group) for name, group in file["data"].items()} == {"x": [], "ro": ["0", "1"], "a": []}
    other = net(*TIED, seed=8)
    other.load_hdf5(tmp_path / "n.h5")
    np.testing.assert_array_equal(other.params["a"][0].data, n.params["ro"][0].data)


def test_hdf5_of_other_number_types_and_without_axes(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    scale = "layer { name: 's' type: 'Scale' bottom: 'x' top: 'y' scale_param { num_axes: 0 } }"
    n = net(ip("a", "x", "h"), scale)
    with h5py.File(tmp_path / "n.h5", "w") as file:
        file["data/a/0"] = np.arange(9).reshape(3, 3)
        file["data/a/1"] = np.array([1, 2, 0.5], np.float64)
        file["data/s/0"] = np.float32(3.5)
    n.load_hdf5(tmp_path / "n.h5")
    assert n.params["a"][0].data.ravel().tolist() == list(range(9))
    assert n.params["a"][1].data.tolist() == [1, 2, 0.5]
    assert n.params["s"][0].data == 3.5


def peak_of(run: Callable[..., Any], *arguments: Any) -> int:
    """Bytes that Python and NumPy hold at most while `run` runs, beside what there was before."""
    run(*arguments)  # what is made once, such as imports, does not count
    tracemalloc.start()
    run(*arguments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("suffix", [".caffemodel", ".caffemodel.h5"])
def test_neither_saving_nor_loading_holds_a_copy_of_a_large_blob(suffix: str, tmp_path: Path) -> None:
    n = net(ip("a", "x", "y", outputs=1 << 20))
    save = n.save_hdf5 if suffix.endswith("h5") else n.save
    blob = n.params["a"][0].data.nbytes
    assert blob == 12 << 20
    assert peak_of(save, tmp_path / f"n{suffix}") < blob / 8
    assert peak_of(n.copy_from, tmp_path / f"n{suffix}") < blob / 8


def test_the_report_names_everything(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    net(*CHAIN).save(tmp_path / "n.caffemodel")
    other = net(ip("a", "x", "h"), ip("new", "h", "y"))
    with caplog.at_level(logging.INFO, logger="minicaffe"):
        report = other.copy_from(tmp_path / "n.caffemodel")
    assert (report.loaded, report.unused) == (["a"], ["b"])
    assert report.missing == {"new": "keeps its filler's values (xavier, constant(0))"}
    assert report.table() in caplog.text


@pytest.mark.parametrize("suffix", [".caffemodel", ".caffemodel.h5"])
def test_only_layers_with_weights_count_as_unused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"n{suffix}"
    one = net(ip("a", "x", "h"), "layer { name: 'r' type: 'ReLU' bottom: 'h' top: 'h' }", ip("b", "h", "y"))
    (one.save_hdf5 if suffix.endswith("h5") else one.save)(path)
    assert net(ip("a", "x", "y")).copy_from(path).unused == ["b"]


def test_a_file_that_fills_nothing_draws_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    net(*CHAIN).save(tmp_path / "n.caffemodel")
    net(ip("a", "x", "y")).copy_from(tmp_path / "n.caffemodel")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    net(ip("fc", "x", "y")).copy_from(tmp_path / "n.caffemodel")
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)
    assert "n.caffemodel fills no layer of the net" in warning


def test_a_mismatch_is_an_error_unless_asked_otherwise(tmp_path: Path) -> None:
    net(*CHAIN).save(tmp_path / "n.caffemodel")
    other = net(ip("a", "x", "h"), ip("b", "h", "y", outputs=2))
    before = other.params["b"][0].data.copy()
    with pytest.raises(
        WeightsError, match=r"layer 'b' .*shape mismatch.*\(3, 3\); target param shape is \(2, 3\)[\s\S]*rename"
    ):
        other.copy_from(tmp_path / "n.caffemodel")
    report = other.copy_from(tmp_path / "n.caffemodel", skip_mismatch=True)
    assert list(report.mismatched) == ["b"]
    np.testing.assert_array_equal(other.params["b"][0].data, before)


def test_a_different_number_of_blobs(tmp_path: Path) -> None:
    net(ip("a", "x", "y")).save(tmp_path / "n.caffemodel")
    text = (
        INPUT + "layer { name: 'a' type: 'InnerProduct' bottom: 'x' top: 'y' inner_product_param { num_output: 3 "
        "bias_term: false } }"
    )
    other = minicaffe.Net(prototxt.parse(text, schema.NetParameter), phase="TEST")
    with pytest.raises(WeightsError, match="Incompatible number of blobs for layer a: the net has 1, file 2"):
        other.copy_from(tmp_path / "n.caffemodel")


def test_legacy_shapes_align_at_the_right(tmp_path: Path) -> None:
    n = net(ip("a", "x", "y"))
    message = schema.NetParameter()
    layer = message.layers.add(name="a")
    for values, dims in ((np.arange(9), (1, 1, 3, 3)), (np.arange(3), (1, 1, 1, 3))):
        blob = layer.blobs.add(num=dims[0], channels=dims[1], height=dims[2], width=dims[3])
        blob.data.extend(values)
    (tmp_path / "v1.caffemodel").write_bytes(message.SerializeToString())
    n.copy_from(tmp_path / "v1.caffemodel")
    np.testing.assert_array_equal(n.params["a"][0].data, np.arange(9).reshape(3, 3))


def test_a_missing_file_and_a_foreign_one(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no such file"):
        net(*CHAIN).copy_from(tmp_path / "no.caffemodel")
    (tmp_path / "text.caffemodel").write_text("name: 'a net, in text'\n")
    with pytest.raises(WeightsError, match=r"text\.caffemodel"):
        net(*CHAIN).copy_from(tmp_path / "text.caffemodel")


def test_double_weights_are_converted(tmp_path: Path) -> None:
    message = schema.NetParameter()
    layer = message.layer.add(name="a")
    for values in (np.arange(9) / 3, np.arange(3) / 7):
        blob = layer.blobs.add()
        blob.double_data.extend(values)
        blob.shape.dim.extend((3, 3) if len(values) == 9 else (3,))
    (tmp_path / "d.caffemodel").write_bytes(message.SerializeToString())
    n = net(ip("a", "x", "y"))
    n.copy_from(tmp_path / "d.caffemodel")
    np.testing.assert_array_equal(n.params["a"][0].data, (np.arange(9) / 3).astype("f").reshape(3, 3))


def test_blobs_inside_a_definition_are_its_first_values() -> None:
    definition = prototxt.parse(INPUT + ip("a", "x", "y", outputs=1), schema.NetParameter)
    for values, dims in (([1, 2, 3], (1, 3)), ([4], (1,))):
        blob = definition.layer[1].blobs.add()
        blob.data.extend(values)
        blob.shape.dim.extend(dims)
    n = minicaffe.Net(definition, phase="TEST")
    assert n.params["a"][0].data.tolist() == [[1, 2, 3]]
    assert n.params["a"][1].data.tolist() == [4]


@pytest.mark.parametrize("suffix", [".caffemodel", ".h5"])
def test_weights_without_a_prototxt(tmp_path: Path, suffix: str) -> None:
    n = net(*CHAIN)
    path = tmp_path / f"n{suffix}"
    (n.save_hdf5 if suffix == ".h5" else n.save)(path)
    found = minicaffe.load_weights(path)
    assert list(found) == ["a", "b"] if suffix != ".h5" else set(found) >= {"a", "b"}
    np.testing.assert_array_equal(found["b"][0], n.params["b"][0].data)
