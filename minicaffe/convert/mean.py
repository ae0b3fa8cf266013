"""The mean of a database's images. Source: Caffe's compute_image_mean."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from minicaffe.data.datum import datum_planes, parse_datum
from minicaffe.data.sources import open_source
from minicaffe.errors import DataError
from minicaffe.proto.wire import write_blobproto

log = logging.getLogger("minicaffe")

_REPORT = 10000


def backend_of(path: str | os.PathLike[str]) -> str:
    """Return the kind of database at `path`: LEVELDB where its folder has LevelDB's CURRENT, otherwise LMDB."""
    return "LEVELDB" if (Path(path) / "CURRENT").exists() else "LMDB"


def image_mean(path: str | os.PathLike[str], backend: str | None = None) -> np.ndarray:
    """Return the mean of all items of the database at `path`, float32 [C, H, W]; encoded images are decoded as stored.

    The sum is kept in float64. DataError, naming the key, for an item of another shape than the first one's or that
    cannot be decoded.
    """
    total: np.ndarray | None = None
    count = 0
    for name, planes in _items(path, backend or backend_of(path)):
        if total is None:
            total, first = np.zeros(planes.shape), name
        if planes.shape != total.shape:
            raise DataError(
                f"{path}: {name} has shape {planes.shape}, but {first} has {total.shape}: a mean image needs images of "
                "one size, so resize them when converting them"
            )
        total += planes
        count += 1
        if count % _REPORT == 0:
            log.info("Processed %d files.", count)
    assert total is not None  # a source is never empty
    if count % _REPORT:
        log.info("Processed %d files.", count)
    return (total / count).astype(np.float32)


def _items(path: str | os.PathLike[str], backend: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield a name for each item of a database, once, with what it holds."""
    source = open_source(path, backend)
    first = source.key
    while True:
        name = f"item {source.key.decode(errors='replace')!r}"
        yield name, datum_planes(parse_datum(source.value, f"{path}: {name}"), name=f"{path}: {name}")
        source.advance()
        if source.key == first:
            return


def write_mean(path: str | os.PathLike[str], mean: np.ndarray) -> None:
    """Write a mean [C, H, W] as `transform_param { mean_file }` reads it: a BlobProto of shape 1 x C x H x W."""
    write_blobproto(Path(path), mean[np.newaxis], legacy=True)
