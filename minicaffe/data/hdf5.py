"""HDF5 files as training data: rows read in batches over a list of files, and rows written as they are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe.data.order import Order
from minicaffe.errors import DataError, did_you_mean, missing_dependency


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise missing_dependency("h5py", "data", "reading and writing HDF5 files") from None
    return h5py


def read_datasets(path: Path, names: Sequence[str]) -> list[np.ndarray]:
    """Return the datasets called `names`, whole, each [R, …] with the same R > 0 and of any numeric type.

    DataError for a file that is no HDF5, a dataset that is missing, not numeric or without axes, or unequal R.
    """
    try:
        with _h5py().File(path, "r") as file:
            arrays = [_read(file, path, name) for name in names]
    except OSError as error:
        raise DataError(f"{path}: cannot be read as HDF5: {error}") from error
    rows = {name: len(array) for name, array in zip(names, arrays, strict=True)}
    if len(set(rows.values())) > 1:
        raise DataError(f"{path}: the datasets differ in their number of rows: {rows}")
    if 0 in rows.values():
        raise DataError(f"{path}: the datasets have no rows")
    return arrays


def _read(file: Any, path: Path, name: str) -> np.ndarray:
    dataset = file.get(name)
    if not isinstance(dataset, _h5py().Dataset):
        raise DataError(
            f"{path}: no dataset {name!r}, which the top of that name is read from{did_you_mean(name, file)}; "
            f"the file holds {', '.join(sorted(file)) or 'nothing'}"
        )
    if dataset.dtype.kind not in "fiub" or not dataset.ndim:
        raise DataError(
            f"{path}: dataset {name!r} is {dataset.dtype}, {dataset.ndim} axes: numbers of at least 1 axis are needed"
        )
    return dataset[()]


class RowReader:
    """Reads rows of the datasets called `names` from `files`, one file after the other, round and round.

    With a `generator` the files are shuffled in each epoch and the rows each time a file is read. Of all rows passed,
    in that order, those whose number leaves `rank` when divided by `size` are kept. One file at a time is in memory.
    """

    def __init__(
        self,
        files: Sequence[Path],
        names: Sequence[str],
        generator: np.random.Generator | None = None,
        rank: int = 0,
        size: int = 1,
    ):
        self._paths = files
        self._names = names
        self._rank, self._size = rank, size
        self._count = 0
        self._loaded: Path | None = None
        self._arrays: list[np.ndarray] = []
        self._files = Order(len(files), generator)
        self._files.take(1)
        self._load()
        self.shapes = [array.shape[1:] for array in self._arrays]
        self._rows = Order(len(self._arrays[0]), generator)

    def _load(self) -> None:
        path = self._paths[self._files.last]
        if path == self._loaded:
            return
        arrays = read_datasets(path, self._names)
        shapes = [array.shape[1:] for array in arrays]
        if self._loaded is not None and shapes != self.shapes:
            raise DataError(
                f"{path}: the rows of {', '.join(self._names)} have shapes {shapes}; in {self._loaded}, {self.shapes}"
            )
        self._arrays, self._loaded = arrays, path

    def fill(self, outs: Sequence[np.ndarray]) -> None:
        """Put the next B rows into `outs`, one array [B, …] for each dataset."""
        filled, batch = 0, len(outs[0])
        while filled < batch:
            if self._rows.finished:
                self._next_file()
            skip = (self._rank - self._count) % self._size
            rows = self._rows.take(skip + (batch - filled - 1) * self._size + 1)
            self._count += len(rows)
            kept = rows[skip :: self._size]
            for out, array in zip(outs, self._arrays, strict=True):
                out[filled : filled + len(kept)] = array[kept]
            filled += len(kept)

    def _next_file(self) -> None:
        if self._files.finished:
            self._files.begin(len(self._paths))
        self._files.take(1)
        self._load()
        self._rows.begin(len(self._arrays[0]))

    def get_state(self) -> dict[str, Any]:
        """Return where the reader stands, JSON-able."""
        return {"count": self._count, "files": self._files.get_state(), "rows": self._rows.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to where `get_state` was called."""
        self._count = int(state["count"])
        self._files.set_state(state["files"], len(self._paths))
        self._load()
        self._rows.set_state(state["rows"], len(self._arrays[0]))


def append_rows(path: Path, datasets: Mapping[str, np.ndarray], create: bool = False) -> None:
    """Append each array [R, …] to the dataset of its name; with `create`, begin a new file in place of what was there.

    DataError if the file cannot be written, or the rows have another shape than those before.
    """
    try:
        with _h5py().File(path, "w" if create else "a") as file:
            for name, array in datasets.items():
                _append(file, path, name, array)
    except OSError as error:
        raise DataError(f"{path}: cannot be written as HDF5: {error}") from error


def _append(file: Any, path: Path, name: str, array: np.ndarray) -> None:
    if name not in file:
        file.create_dataset(name, data=array, maxshape=(None, *array.shape[1:]), chunks=True)
        return
    dataset = file[name]
    if dataset.shape[1:] != array.shape[1:]:
        raise DataError(f"{path}: rows of {name!r} had the shape {dataset.shape[1:]}, now they have {array.shape[1:]}")
    dataset.resize(len(dataset) + len(array), axis=0)
    dataset[-len(array) :] = array
