"""Data: order, shapes, transformation, sharing among processes, resuming, and what goes wrong."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minicaffe.data import images
from minicaffe.data.datum import encoded_datum, image_datum
from minicaffe.data.sources import create_source
from minicaffe.errors import DataError, NetError
from minicaffe.phase import TEST

pytest.importorskip("lmdb")

COUNT = 5


def picture(i: int, height: int = 6, width: int = 8) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(i)).integers(0, 256, (height, width, 3), np.uint8)


def write(path: Path, datums: list[Any], backend: str = "LMDB") -> str:
    with create_source(path, backend) as out:
        for i, datum in enumerate(datums):
            out.put(f"{i:08d}", datum.SerializeToString())
    return path.as_posix()


@pytest.fixture
def source(tmp_path: Path) -> str:
    """Five pictures, labelled 0 to 4."""
    return write(tmp_path / "db", [image_datum(picture(i), i) for i in range(COUNT)])


def text(source: str, batch: int = 3, more: str = "", transform: str = "") -> str:
    return (
        f'type: "Data" data_param {{ source: "{source}" backend: LMDB batch_size: {batch} {more} }} '
        f"transform_param {{ {transform} }}"
    )


@pytest.mark.parametrize("backend", ["LMDB", "LEVELDB"])
def test_items_come_in_order_and_again(tmp_path: Path, feeder: Callable[..., Any], backend: str) -> None:
    pytest.importorskip({"LMDB": "lmdb", "LEVELDB": "plyvel"}[backend])
    source = write(tmp_path / "db", [image_datum(picture(i), i) for i in range(COUNT)], backend)
    data = feeder(text(source).replace("LMDB", backend))
    assert data.shapes == [(3, 3, 6, 8), (3,)]
    seen = [data.next() for _ in range(4)]
    assert np.concatenate([label for _, label in seen]).tolist() == [n % COUNT for n in range(12)]
    expected = np.stack([picture(n % COUNT).transpose(2, 0, 1) for n in range(12)]).astype(np.float32)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in seen]), expected)


def test_one_top_means_no_labels(source: str, feeder: Callable[..., Any]) -> None:
    data = feeder(text(source), tops=1)
    assert data.shapes == [(3, 3, 6, 8)]
    assert len(data.next()) == 1


def test_float64(source: str, feeder: Callable[..., Any]) -> None:
    data = feeder(text(source, transform="scale: 0.1 mean_value: 7"), dtype=np.float64)
    x, _ = data.next()
    assert x.dtype == np.float64
    np.testing.assert_allclose(x[0], (picture(0).transpose(2, 0, 1) - 7.0) * np.float32(0.1), rtol=1e-15)


def test_each_batch_takes_the_shape_of_its_first_item(tmp_path: Path, feeder: Callable[..., Any]) -> None:
    sizes = [(4, 5), (4, 5), (7, 2), (7, 2)]
    source = write(tmp_path / "db", [image_datum(picture(i, *size)) for i, size in enumerate(sizes)])
    data = feeder(text(source, batch=2), tops=1)
    assert [data.next()[0].shape for _ in range(3)] == [(2, 3, 4, 5), (2, 3, 7, 2), (2, 3, 4, 5)]


def test_a_batch_of_several_shapes_names_the_item(tmp_path: Path, feeder: Callable[..., Any]) -> None:
    sizes = [(4, 5), (4, 5), (7, 2)]
    source = write(tmp_path / "db", [image_datum(picture(i, *size)) for i, size in enumerate(sizes)])
    data = feeder(text(source))
    with pytest.raises(
        DataError, match=r"net\.prototxt:1: layer 'data' \(Data\): .*item '00000002' has shape \(3, 7, 2\)"
    ):
        data.next()


def test_encoded_images(tmp_path: Path, feeder: Callable[..., Any]) -> None:
    grey = picture(9)[..., 0]
    datums = [encoded_datum(images.encode(picture(i), "png"), i) for i in range(2)]
    x, _ = feeder(text(write(tmp_path / "colour", datums), batch=2)).next()
    np.testing.assert_array_equal(x[1], picture(1).transpose(2, 0, 1))
    source = write(tmp_path / "grey", [encoded_datum(images.encode(grey, "png"))])
    assert feeder(text(source, batch=1)).next()[0].shape == (1, 1, 6, 8)
    x, _ = feeder(text(source, batch=1, transform="force_color: true")).next()
    np.testing.assert_array_equal(x[0], np.stack([grey] * 3))
    source = write(tmp_path / "forced", datums)
    assert feeder(text(source, batch=2, transform="force_gray: true")).next()[0].shape == (2, 1, 6, 8)


def test_crops_are_random_in_train_and_central_in_test(source: str, feeder: Callable[..., Any]) -> None:
    crops = text(source, batch=COUNT, transform="crop_size: 4")
    central, _ = feeder(crops, phase=TEST).next()
    np.testing.assert_array_equal(central, [picture(i).transpose(2, 0, 1)[:, 1:5, 2:6] for i in range(COUNT)])
    train = feeder(crops)
    assert train.shapes[0] == (COUNT, 3, 4, 4)
    batches = [train.next()[0] for _ in range(4)]
    assert len({x.tobytes() for x in batches}) == 4


def test_crops_repeat_with_the_seed_alone(source: str, feeder: Callable[..., Any]) -> None:
    crops = text(source, transform="crop_size: 4 mirror: true")

    def run(seed: int, more: str = "") -> bytes:
        data = feeder(crops.replace("batch_size", f"{more} batch_size"), seed=seed)
        return b"".join(data.next()[0].tobytes() for _ in range(6))

    assert run(1) == run(1) == run(1, "prefetch: 0") == run(1, "prefetch: 9")
    assert run(1) != run(2)


@pytest.mark.parametrize("size", [2, 3, 7])
def test_processes_share_the_items_in_train_only(source: str, feeder: Callable[..., Any], size: int) -> None:
    for rank in range(size):
        taken = feeder(text(source), rank=rank, size=size).labels(5)
        assert taken == [(rank + n * size) % COUNT for n in range(15)]
        assert feeder(text(source), rank=rank, size=size, phase=TEST).labels(2) == [0, 1, 2, 3, 4, 0]


@pytest.mark.parametrize("prefetch", [0, 1, 4])
@pytest.mark.parametrize("before", [0, 1, 4])
def test_resuming_is_exact(source: str, feeder: Callable[..., Any], prefetch: int, before: int) -> None:
    description = text(source, 3, f"prefetch: {prefetch}", "crop_size: 4 mirror: true scale: 0.5")
    first = feeder(description, rank=1, size=2)
    for _ in range(before):
        first.next()
    state = json.loads(json.dumps(first.layer.get_state()))
    expected = [first.next() for _ in range(4)]
    second = feeder(description, rank=1, size=2, seed=8)
    second.next()
    second.layer.set_state(state)
    for wanted in expected:
        for ours, theirs in zip(second.next(), wanted, strict=True):
            assert ours.tobytes() == theirs.tobytes()


def test_two_layers_read_the_same_database(source: str, feeder: Callable[..., Any]) -> None:
    train, test = feeder(text(source)), feeder(text(source, batch=2), phase=TEST)
    assert (train.labels(2), test.labels(2), train.labels(1)) == ([0, 1, 2, 3, 4, 0], [0, 1, 2, 3], [1, 2, 3])


def test_reading_ahead_begins_with_the_first_forward_and_ends_with_close(
    source: str, feeder: Callable[..., Any]
) -> None:
    def threads() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name == "prefetch data"]

    data = feeder(text(source))
    assert threads() == []
    data.next()
    assert threads() == ["prefetch data"]
    data.layer.close()
    assert threads() == []
    assert data.labels(1) == [3, 4, 0]


def test_a_relative_source_is_also_looked_for_beside_the_prototxt(
    source: str, feeder: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert feeder(text("db"), folder=tmp_path).labels(1) == [0, 1, 2]
    monkeypatch.chdir(tmp_path)
    assert feeder(text("db")).labels(1) == [0, 1, 2]


def test_a_missing_source_is_told_with_the_line_and_the_places(
    source: str, feeder: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(DataError) as caught:
        feeder(text("dbb"), folder=tmp_path)
    message = str(caught.value)
    assert message.startswith("net.prototxt:1: layer 'data' (Data): data_param.source 'dbb' does not exist")
    assert "(did you mean 'db'?)" in message
    assert f"tried: {tmp_path / 'elsewhere' / 'dbb'}" in message
    assert f"tried: {tmp_path / 'dbb'}" in message


def test_the_wrong_backend(source: str, feeder: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match=r"layer 'data' .Data.: .* this is an LMDB database: write 'backend: LMDB'"):
        feeder(f'type: "Data" data_param {{ source: "{source}" batch_size: 2 }}')


def test_no_batch_size(source: str, feeder: Callable[..., Any]) -> None:
    with pytest.raises(NetError, match="data_param needs batch_size > 0; 0 is given"):
        feeder(f'type: "Data" data_param {{ source: "{source}" backend: LMDB }}')


def test_contradicting_transformations(source: str, feeder: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match=r"layer 'data' \(Data\): transform_param has both mean_file and mean_value"):
        feeder(text(source, transform='mean_file: "m" mean_value: 3'))


def test_a_crop_larger_than_the_images(source: str, feeder: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match=r"item '00000000' is 6 x 8: too small for transform_param.crop_size 7"):
        feeder(text(source, transform="crop_size: 7"))


def test_fields_without_effect_are_named_with_their_new_place(
    source: str, feeder: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "minicaffe"):
        data = feeder(text(source, more="scale: 0.5 rand_skip: 2", transform="force_gray: true"))
        x, label = data.next()
    assert [record.getMessage().partition(": data_param.")[2] for record in caplog.records][:2] == [
        "scale has no effect: write it as transform_param { scale: ... }",
        "rand_skip has no effect",
    ]
    assert "force_color and force_gray have no effect" in caplog.records[2].getMessage()
    assert len(caplog.records) == 3
    assert label[0] == 0
    np.testing.assert_array_equal(x[0], picture(0).transpose(2, 0, 1))


def test_a_broken_item_stops_the_run_where_it_is(tmp_path: Path, feeder: Callable[..., Any]) -> None:
    datums = [image_datum(picture(i), i) for i in range(COUNT)]
    datums[3].data = b"short"
    data = feeder(text(write(tmp_path / "db", datums), batch=1))
    assert data.labels(3) == [0, 1, 2]
    for _ in range(2):
        with pytest.raises(DataError, match=r"layer 'data' \(Data\): .*item '00000003': holds 5 numbers"):
            data.next()
