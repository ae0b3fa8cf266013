"""What a net computes, batch after batch, kept in files: databases of Datum, HDF5 or npz.

Source: Caffe's extract_features; HDF5 and npz are ours.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minicaffe.data.hdf5 import append_rows
from minicaffe.data.sources import Writer, create_source
from minicaffe.errors import DataError, NetError, did_you_mean
from minicaffe.files import written_aside
from minicaffe.io import array_to_datum

if TYPE_CHECKING:
    from minicaffe.net import Net

HDF5_SUFFIXES = (".h5", ".hdf5")
NPZ_SUFFIX = ".npz"


class Sink(ABC):
    """Where the features of one or more blobs go."""

    @abstractmethod
    def add(self, name: str, items: np.ndarray) -> None:
        """Take the next items of blob `name`, [N, ...]."""


class DatumSink(Sink):
    """A database with one Datum an item: float_data of channels x height x width, under the key `%010d`."""

    def __init__(self, out: Writer):
        self._out = out

    def add(self, name: str, items: np.ndarray) -> None:
        if items.ndim > 4:
            raise DataError(
                f"{self._out.path}: an item of a database has three axes, and those of blob {name!r} have "
                f"{items.ndim - 1}, {items.shape[1:]}: write to a .h5 or .npz"
            )
        for item in items.reshape(*items.shape, *[1] * (4 - items.ndim)):
            self._out.put(f"{self._out.count:010d}", array_to_datum(item).SerializeToString())


class Hdf5Sink(Sink):
    """An HDF5 file with a dataset [R, ...] for each blob, as HDF5Data reads it."""

    def __init__(self, path: Path):
        self._path = path
        self._begun = False

    def add(self, name: str, items: np.ndarray) -> None:
        append_rows(self._path, {name: items}, create=not self._begun)
        self._begun = True


class NpzSink(Sink):
    """An .npz with an array [R, ...] for each blob, written when all are there."""

    def __init__(self) -> None:
        self._items: dict[str, list[np.ndarray]] = {}

    def add(self, name: str, items: np.ndarray) -> None:
        before = self._items.setdefault(name, [])
        if before and before[0].shape[1:] != items.shape[1:]:
            raise DataError(f"items of {name!r} had the shape {before[0].shape[1:]}, now they have {items.shape[1:]}")
        before.append(items.copy())

    def save(self, path: Path) -> None:
        """Write the file."""
        arrays = {name: np.concatenate(items) for name, items in self._items.items()}
        with open(path, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]


@contextmanager
def open_sink(path: Path, backend: str) -> Iterator[Sink]:
    """Yield the sink that writes to `path`: HDF5 or npz by its suffix, else a new database; there when all is well."""
    if path.suffix in HDF5_SUFFIXES:
        with written_aside(path) as aside:
            yield Hdf5Sink(aside)
    elif path.suffix == NPZ_SUFFIX:
        with written_aside(path) as aside:
            sink = NpzSink()
            yield sink
            sink.save(aside)
    else:
        with create_source(path, backend) as out:
            yield DatumSink(out)


def extract_features(
    net: Net,
    blobs: Sequence[str],
    targets: Sequence[str | os.PathLike[str]],
    batches: int,
    backend: str = "LMDB",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Run `net` forward `batches` times; write each of `blobs` to the target beside it, return how many items of each.

    A target is a .h5 or .npz, which may take several blobs, or a new database, which takes one; a single .h5 or .npz
    takes them all. Raises NetError for a blob the net lacks and for a net whose inputs nobody fills, DataError where
    blobs and targets do not match or cannot be written; then no target is there.
    """
    pairs = _pairs(net, blobs, [Path(target) for target in targets])
    counts = dict.fromkeys(blobs, 0)
    with ExitStack() as stack:
        sinks = {path: stack.enter_context(open_sink(path, backend)) for path in dict.fromkeys(p for _, p in pairs)}
        for batch in range(batches):
            net.forward_loss()
            for name, path in pairs:
                items = np.atleast_1d(net.blobs[name].data)
                sinks[path].add(name, items)
                counts[name] += len(items)
            if progress:
                progress(batch + 1, batches)
    return counts


def _pairs(net: Net, blobs: Sequence[str], targets: Sequence[Path]) -> list[tuple[str, Path]]:
    """Return each blob with its target, after making sure that they go together and that the net can run."""
    for name in blobs:
        if name not in net.blobs:
            where = f" in the network {net.name}" if net.name else ""
            raise NetError(f"Unknown feature blob name {name}{where}{did_you_mean(name, net.blobs)}")
    if net.inputs:
        raise NetError(
            f"nobody fills the inputs of the net ({', '.join(net.inputs)}): to extract features, put data layers in "
            "the place of its Input layers"
        )
    if len(targets) == 1 and _takes_many(targets[0]):
        targets = [targets[0]] * len(blobs)
    if len(targets) != len(blobs) or not blobs:
        raise DataError(
            f"{len(blobs)} blobs ({', '.join(blobs)}) need as many places to be written to, or a single .h5 or .npz "
            f"for all; given are {len(targets)}: {', '.join(map(str, targets))}"
        )
    pairs = list(dict.fromkeys(zip(blobs, targets, strict=True)))
    for path in dict.fromkeys(targets):
        names = [name for name, place in pairs if place == path]
        if len(names) > 1 and not _takes_many(path):
            raise DataError(f"{path}: a database takes one blob, and {', '.join(names)} are all meant for it")
    return pairs


def _takes_many(path: Path) -> bool:
    return path.suffix in (*HDF5_SUFFIXES, NPZ_SUFFIX)
