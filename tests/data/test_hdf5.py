"""HDF5: rows over several files, in order, shuffled, shared among processes; and rows appended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from minicaffe.data.hdf5 import RowReader, append_rows, read_datasets
from minicaffe.errors import DataError

h5py = pytest.importorskip("h5py")
SIZES = (3, 4, 2)
TOTAL = sum(SIZES)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Files whose rows are numbered throughout: `id` [R], `data` [R, 2, 3] = 10 id + (0 … 5)."""
    paths, first = [], 0
    for i, rows in enumerate(SIZES):
        ids = np.arange(first, first + rows)
        paths.append(tmp_path / f"{i}.h5")
        with h5py.File(paths[-1], "w") as file:
            file["id"] = ids.astype(np.int64)
            file["data"] = (10 * ids[:, None, None] + np.arange(6).reshape(2, 3)).astype(np.float64)
        first += rows
    return paths


def read(reader: RowReader, rows: int) -> list[int]:
    data, ids = np.empty((rows, 2, 3), np.float32), np.empty(rows, np.float32)
    reader.fill([data, ids])
    np.testing.assert_array_equal(data, 10 * ids[:, None, None] + np.arange(6).reshape(2, 3))
    return [int(i) for i in ids]


def reader(files: Sequence[Path], seed: int | None = None, rank: int = 0, size: int = 1) -> RowReader:
    generator = None if seed is None else np.random.Generator(np.random.PCG64(seed))
    return RowReader(files, ["data", "id"], generator, rank, size)


@pytest.mark.parametrize("batch", [1, 2, 4, 13, 30])
def test_rows_come_in_order_over_all_files_and_again(files: list[Path], batch: int) -> None:
    rows = reader(files)
    assert rows.shapes == [(2, 3), ()]
    taken = [i for _ in range(5) for i in read(rows, batch)]
    assert taken == [n % TOTAL for n in range(5 * batch)]


def test_a_single_file_goes_round(files: list[Path]) -> None:
    assert read(reader(files[:1]), 8) == [0, 1, 2, 0, 1, 2, 0, 1]


def test_shuffling_permutes_files_and_rows(files: list[Path]) -> None:
    rows = reader(files, seed=3)
    epochs = [read(rows, TOTAL) for _ in range(30)]
    of_file = [0] * 3 + [1] * 4 + [2] * 2
    orders = set()
    for epoch in epochs:
        assert sorted(epoch) == list(range(TOTAL))
        visited = [of_file[i] for i in epoch]
        changes = [a for a, b in zip(visited, visited[1:] + [-1], strict=True) if a != b]
        assert len(changes) == 3  # a file is read to its end before the next
        orders.add(tuple(changes))
    assert len(orders) == 6
    assert len({tuple(epoch) for epoch in epochs}) > 20


def test_the_same_seed_gives_the_same_order(files: list[Path]) -> None:
    assert read(reader(files, seed=5), 40) == read(reader(files, seed=5), 40)
    assert read(reader(files, seed=5), 40) != read(reader(files, seed=6), 40)


@pytest.mark.parametrize("size", [2, 3, 10])
def test_processes_share_the_rows(files: list[Path], size: int) -> None:
    readers = [reader(files, rank=rank, size=size) for rank in range(size)]
    taken = [[i for _ in range(4) for i in read(one, 3)] for one in readers]
    together = [taken[n % size][n // size] for n in range(12 * size)]
    assert together == [n % TOTAL for n in range(12 * size)]


@pytest.mark.parametrize("seed", [None, 4])
@pytest.mark.parametrize("before", [0, 1, 3, 7, 9, 20])
@pytest.mark.parametrize("size", [1, 2])
def test_the_state_continues_exactly(files: list[Path], seed: int | None, before: int, size: int) -> None:
    first = reader(files, seed, size - 1, size)
    if before:
        read(first, before)
    state = json.loads(json.dumps(first.get_state()))
    second = reader(files, None if seed is None else 99, size - 1, size)
    read(second, 2)
    second.set_state(state)
    assert read(second, 50) == read(first, 50)


def test_bad_files(tmp_path: Path, files: list[Path]) -> None:
    (tmp_path / "text").write_text("no")
    with pytest.raises(DataError, match="text: cannot be read as HDF5"):
        read_datasets(tmp_path / "text", ["a"])
    with pytest.raises(DataError, match=r"no dataset 'dta', .* \(did you mean 'data'\?\); the file holds data, id"):
        read_datasets(files[0], ["dta"])
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file["three"], file["two"], file["none"] = np.zeros(3), np.zeros(2), np.zeros((0, 4))
        file["scalar"], file["words"] = 1.0, [b"a", b"b"]
        file.create_group("group")
    for names, message in [
        (["three", "two"], r"differ in their number of rows: \{'three': 3, 'two': 2\}"),
        (["none"], "have no rows"),
        (["scalar"], "dataset 'scalar' is float64, 0 axes"),
        (["words"], "dataset 'words' is .*numbers of at least 1 axis are needed"),
        (["group"], "no dataset 'group'"),
    ]:
        with pytest.raises(DataError, match=message):
            read_datasets(tmp_path / "odd.h5", names)


def test_files_with_rows_of_another_shape(tmp_path: Path, files: list[Path]) -> None:
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file["id"], file["data"] = np.zeros(3), np.zeros((3, 2, 4))
    rows = reader([files[0], tmp_path / "odd.h5"])
    assert read(rows, 3) == [0, 1, 2]
    with pytest.raises(DataError, match=r"odd\.h5: the rows of data, id have shapes \[\(2, 4\), \(\)\]; in .*0\.h5"):
        read(rows, 1)


def test_rows_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "out.h5"
    path.write_text("something old")
    x = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    append_rows(path, {"x": x[:1]}, create=True)
    append_rows(path, {"x": x[1:]})
    np.testing.assert_array_equal(read_datasets(path, ["x"])[0], x)
    with pytest.raises(DataError, match=r"rows of 'x' had the shape \(3, 2\), now they have \(6,\)"):
        append_rows(path, {"x": np.zeros((1, 6))})
    with pytest.raises(DataError, match="cannot be written as HDF5"):
        append_rows(tmp_path / "no" / "out.h5", {"x": x}, create=True)
