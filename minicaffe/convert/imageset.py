"""Images into a database that a Data layer reads. Source: Caffe's convert_imageset."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe.data import images
from minicaffe.data.datum import encoded_datum, image_datum
from minicaffe.data.lists import Entry
from minicaffe.data.parallel import in_parallel
from minicaffe.data.sources import create_source
from minicaffe.errors import DataError
from minicaffe.rng import Streams

log = logging.getLogger("minicaffe")

_AT_ONCE = 64  # images in memory together
_REPORT = 1000
_LONGEST_KEY = 511  # LMDB's own limit
_LABELS = range(-(2**31), 2**31)

Shape = tuple[int, int, int]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ImageForm:
    """What becomes of each image on its way into the database.

    color: three planes in the order B, G, R, or one of grey.
    height, width: the size all are resized to; 0 leaves them as they are.
    encoded: store image files, to be decoded by whoever reads the database, instead of planes.
    encoding: extension of their format; "" for JPEG where the file is one, and otherwise PNG.
        A file that decodes to the very image wanted is stored byte for byte, if it is of the format named, or none is.
    """

    color: bool = True
    height: int = 0
    width: int = 0
    encoded: bool = False
    encoding: str = ""

    def check(self) -> None:
        """Raise DataError where the parts of the form contradict each other or name an unknown format."""
        if (self.height > 0) != (self.width > 0) or min(self.height, self.width) < 0:
            raise DataError(f"cannot resize to height {self.height} and width {self.width}: give both, or neither")
        if self.encoding:
            probe = np.zeros((8, 8, 3) if self.color else (8, 8), np.uint8)
            try:
                stored = images.decode(images.encode(probe, self.encoding), None)
            except DataError as error:
                raise DataError(f"cannot store images as {self.encoding!r}: try 'jpg' or 'png'") from error
            if stored.shape != probe.shape:
                raise DataError(
                    f"cannot store grey images as {self.encoding!r}: they come back with colours; try 'png'"
                )

    def datum(self, content: bytes, label: int, suffix: str, name: str) -> tuple[Any, Shape]:
        """Return the Datum of an image file's `content`, and the shape (C, H, W) of the image in it.

        UnreadableError, beginning with `name`, for content that is no image.
        """
        image = _decode(content, self.color, name)
        if self.height:
            image = images.resize(image, self.height, self.width)
        channels, height, width = images.planes(image).shape
        shape = (channels, height, width)
        if not self.encoded:
            return image_datum(image, label), shape
        if not self._fits(content, image, suffix):
            content = images.encode(image, self.encoding or ("jpg" if _format(suffix) == "jpeg" else "png"))
        return encoded_datum(content, label), shape

    def _fits(self, content: bytes, image: np.ndarray, suffix: str) -> bool:
        """Tell whether `content` is of the format wanted and a reader will decode it to this very `image`."""
        if self.encoding and _format(suffix) != _format(self.encoding):
            return False
        stored = images.decode(content, None)
        return stored.dtype == image.dtype and np.array_equal(stored, image)


class UnreadableError(DataError):
    """An image that is missing or damaged; it is left out."""


def _decode(content: bytes, color: bool, name: str) -> np.ndarray:
    try:
        return images.decode(content, color, name)
    except DataError as error:
        raise UnreadableError(str(error)) from error


@dataclass
class Converted:
    """What `convert_images` did: how many images are in the database, and the paths of those that are not."""

    count: int
    skipped: list[str]


def convert_images(
    entries: Sequence[Entry],
    root: str,
    target: str | os.PathLike[str],
    form: ImageForm,
    backend: str = "LMDB",
    same_size: bool = False,
    progress: Progress | None = None,
) -> Converted:
    """Write the images of `entries`, files in the folder `root`, to a new database at `target`, in this order.

    Keys are `%08d_PATH`, the number that of the entry. An image that cannot be read is named in the log and left out.
    Raises DataError if none can be read, if `same_size` is asked for and an image differs, if `target` exists, and for
    a path or label that a database cannot hold; then nothing is left at `target`.
    """
    form.check()
    if root and not os.path.isdir(root):
        raise DataError(f"{root}: {'not a folder' if os.path.exists(root) else 'no such folder'}")
    root = root if root.endswith("/") or not root else f"{root}/"  # a path of the list may begin with a slash
    keys = [_key(index, entry, backend) for index, entry in enumerate(entries)]
    shapes: dict[Shape, None] = {}
    skipped = []
    log.info("A total of %d images.", len(entries))
    with create_source(target, backend, _REPORT) as out:
        for key, (entry, result) in zip(keys, _converted(entries, root, form, progress), strict=True):
            if isinstance(result, UnreadableError):
                log.warning("%s; skipped", result)
                skipped.append(entry.path)
                continue
            datum, shape = result
            if same_size and shapes and shape not in shapes:
                raise _differs(entry, shape, next(iter(shapes)))
            shapes[shape] = None
            out.put(key, datum)
            if out.count % _REPORT == 0:
                log.info("Processed %d files.", out.count)
        if not shapes:
            raise DataError(f"none of the {len(entries)} images can be read; the first is {root + entries[0].path!r}")
    if out.count % _REPORT:
        log.info("Processed %d files.", out.count)
    _warn_of_sizes(list(shapes))
    return Converted(out.count, skipped)


def _converted(
    entries: Sequence[Entry], root: str, form: ImageForm, progress: Progress | None
) -> Iterator[tuple[Entry, tuple[bytes, Shape] | UnreadableError]]:
    """Yield every entry with what became of its image."""
    for begin in range(0, len(entries), _AT_ONCE):
        chunk = entries[begin : begin + _AT_ONCE]
        yield from zip(chunk, in_parallel(lambda entry: _convert(entry, root, form), chunk), strict=True)
        if progress:
            progress(begin + len(chunk), len(entries))


def _convert(entry: Entry, root: str, form: ImageForm) -> tuple[bytes, Shape] | UnreadableError:
    path = root + entry.path
    try:
        content = Path(path).read_bytes()
        datum, shape = form.datum(content, entry.label, Path(path).suffix, f"{entry.place}: image {path!r}")
    except OSError as error:
        return UnreadableError(f"{entry.place}: image {path!r} cannot be read: {error.strerror or error}")
    except UnreadableError as error:
        return error
    except DataError as error:
        raise DataError(f"{entry.place}: image {path!r}: {error}") from error
    return datum.SerializeToString(), shape


def _key(index: int, entry: Entry, backend: str) -> bytes:
    key = os.fsencode(f"{index:08d}_{entry.path}")
    if backend == "LMDB" and len(key) > _LONGEST_KEY:
        raise DataError(
            f"{entry.place}: the path has {len(key) - 9} bytes, and keys of LMDB have {_LONGEST_KEY} with their "
            f"number: move the folders that all paths share to the root folder, or use LevelDB"
        )
    if entry.label not in _LABELS:
        raise DataError(f"{entry.place}: the label {entry.label} is no 32-bit number")
    return key


def _differs(entry: Entry, shape: Shape, first: Shape) -> DataError:
    return DataError(
        f"{entry.place}: image {entry.path!r} is {_size(shape)}, and the first one {_size(first)}: all of one "
        "size were asked for; resize them, or do not check"
    )


def _warn_of_sizes(shapes: list[Shape]) -> None:
    if len(shapes) > 1:
        log.warning(
            "The images are of %d sizes, such as %s and %s: a Data layer needs a crop_size that fits into all of them, "
            "or resize them here",
            len(shapes),
            *map(_size, shapes[:2]),
        )


def _size(shape: Shape) -> str:
    return f"{shape[1]} x {shape[2]} ({shape[0]} channel{'s' * (shape[0] != 1)})"


def _format(extension: str) -> str:
    name = extension.lower().removeprefix(".")
    return {"jpg": "jpeg", "jpe": "jpeg", "tif": "tiff"}.get(name, name)


def shuffled(entries: Sequence[Entry], seed: int | None = None) -> tuple[list[Entry], int]:
    """Return `entries` in an order drawn from `seed`, and the seed, which is drawn itself if None is given."""
    if seed is None:
        seed = int(Streams().stream("convert/seed").integers(2**31))
    order = Streams(seed).stream("convert/shuffle").permutation(len(entries))
    return [entries[i] for i in order], seed
