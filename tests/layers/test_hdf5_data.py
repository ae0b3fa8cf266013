"""HDF5Data: tops from datasets of their names, resuming, what goes wrong. The order: tests/data/test_hdf5.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minicaffe.errors import DataError, NetError
from minicaffe.phase import TEST

h5py = pytest.importorskip("h5py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files beside `list.txt`, five rows in all, numbered: data [2, 3], label [], third [1, 1, 1, 1, 2]."""
    for name, ids in (("a.h5", np.arange(3)), ("b.h5", np.arange(3, 5))):
        with h5py.File(tmp_path / name, "w") as file:
            file["data"] = (ids[:, None, None] + np.arange(6).reshape(2, 3) / 10).astype(np.float32)
            file["label"] = ids.astype(np.uint8)
            file["third"] = np.stack([ids, -ids], axis=1).reshape(-1, 1, 1, 1, 1, 2)
    (tmp_path / "list.txt").write_text("a.h5\n\nb.h5\n")
    return tmp_path


def text(folder: Path, batch: int = 2, more: str = "") -> str:
    source = (folder / "list.txt").as_posix()
    return f'type: "HDF5Data" hdf5_data_param {{ source: "{source}" batch_size: {batch} {more} }}'


def test_each_top_is_its_dataset(folder: Path, feeder: Callable[..., Any]) -> None:
    data = feeder(text(folder), tops=3)
    assert data.shapes == [(2, 2, 3), (2,), (2, 1, 1, 1, 1, 2)]
    for batch in range(5):
        x, label, third = data.next()
        ids = (2 * batch + np.arange(2)) % 5
        np.testing.assert_array_equal(label, ids)
        np.testing.assert_array_equal(x, (ids[:, None, None] + np.arange(6).reshape(2, 3) / 10).astype(np.float32))
        np.testing.assert_array_equal(third.reshape(2, 2), np.stack([ids, -ids], axis=1))


def test_processes_share_the_rows_in_train_only(folder: Path, feeder: Callable[..., Any]) -> None:
    assert feeder(text(folder), rank=1, size=2).labels(3) == [1, 3, 0, 2, 4, 1]
    assert feeder(text(folder), rank=1, size=2, phase=TEST).labels(3) == [0, 1, 2, 3, 4, 0]


@pytest.mark.parametrize("before", [0, 1, 4])
def test_resuming_is_exact(folder: Path, feeder: Callable[..., Any], before: int) -> None:
    first = feeder(text(folder, more="shuffle: true"))
    first.labels(before)
    state = json.loads(json.dumps(first.layer.get_state()))
    expected = first.labels(12)
    assert expected != list(range(24))
    second = feeder(text(folder, more="shuffle: true"), seed=9)
    second.next()
    second.layer.set_state(state)
    assert second.labels(12) == expected


def test_paths_are_found_from_three_places(
    folder: Path, feeder: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "list.txt").write_text("a.h5\n")
    with pytest.raises(DataError, match=r"list\.txt:1: file 'a\.h5' does not exist"):
        feeder(text(folder / "sub"))
    assert feeder(text(folder / "sub"), folder=folder).labels(2) == [0, 1, 2, 0]
    monkeypatch.chdir(folder)
    assert feeder(text(folder / "sub")).labels(2) == [0, 1, 2, 0]


def test_a_top_without_a_dataset(folder: Path, feeder: Callable[..., Any]) -> None:
    with h5py.File(folder / "a.h5", "a") as file:
        file.move("label", "labels")
    with pytest.raises(DataError, match=r"layer 'data' \(HDF5Data\): .*no dataset 'label', .*did you mean 'labels'"):
        feeder(text(folder))


def test_data_cannot_be_transformed(folder: Path, feeder: Callable[..., Any]) -> None:
    with pytest.raises(NetError, match="transform_param cannot be applied to HDF5 data"):
        feeder(text(folder) + " transform_param { scale: 2 }")


def test_no_batch_size(folder: Path, feeder: Callable[..., Any]) -> None:
    with pytest.raises(NetError, match="hdf5_data_param needs batch_size > 0"):
        feeder(text(folder, batch=0))
