"""What layers that bring data into a net share: finding files, saying where an error lies, reading ahead, resuming."""

from __future__ import annotations

import copy
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe.blob import Blob
from minicaffe.data.lists import numbered_lines
from minicaffe.data.paths import resolve
from minicaffe.data.prefetch import Feed, Prefetcher
from minicaffe.data.staging import batches
from minicaffe.data.transformer import Transformer
from minicaffe.errors import DataError
from minicaffe.layer import Layer
from minicaffe.phase import TEST

log = logging.getLogger("minicaffe")

_MOVED = ("scale", "mean_file", "crop_size", "mirror")


class BaseDataLayer(Layer):
    """A layer without bottoms whose tops come from outside. Its state says where it stands in its source."""

    bottoms = 0

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Nothing: the tops have the shape of the batch they hold."""

    def get_state(self) -> dict[str, Any]:
        """Return all that decides what the following batches hold, as plain JSON-able values."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to where `get_state` was called."""

    # -- what the layers are made with --------------------------------------------------------------------------------

    @contextmanager
    def located(self) -> Iterator[None]:
        """Put `FILE:LINE: layer 'NAME' (TYPE)` before the message of a DataError."""
        try:
            yield
        except DataError as error:
            raise DataError(f"{self.where}: {error}") from error

    def find(self, name: str, what: str) -> Path:
        """Return where a file lies: seen from the working directory, or else from the folder of the prototxt."""
        return resolve(name, [self.setting.folder], what)

    def positive(self, message: str, *names: str) -> tuple[int, ...]:
        """Return these fields of a parameter message; fail unless each is greater than 0."""
        param = getattr(self.param, message)
        for name in names:
            self.check(getattr(param, name) > 0, f"{message} needs {name} > 0; {getattr(param, name)} is given")
        return tuple(getattr(param, name) for name in names)

    def generator(self, purpose: str) -> np.random.Generator:
        """Return a generator like the layer's stream for `purpose`, but the layer's own.

        Batches filled ahead take numbers from it before the net gets there, which the stream's state must not show.
        """
        return copy.deepcopy(self.stream(purpose))

    def transformer(self) -> Transformer:
        """Return what the layer's transform_param asks for."""
        return Transformer(self.param.transform_param, self.phase, self.generator("transform"), self.setting.folder)

    @property
    def shard(self) -> tuple[int, int]:
        """Return (rank, size): in TRAIN item i is for the process i % size; in TEST every process sees every item."""
        return (0, 1) if self.phase == TEST else (self.setting.rank, self.setting.size)

    def warn_unused(self, message: str, used: str, home: str = "transform_param") -> None:
        """Log the fields of a parameter message that are set but not among those `used`; some belong to `home`."""
        for field, _ in getattr(self.param, message).ListFields():
            if field.name in used.split() or field.name == "origin":
                continue
            advice = f": write it as {home} {{ {field.name}: ... }}" if field.name in _MOVED else ""
            log.warning("%s: %s.%s has no effect%s", self.where, message, field.name, advice)


class PrefetchedLayer(BaseDataLayer, ABC):
    """A layer that fills its batches ahead in the background, `data_param.prefetch` of them. It defines `open_feed`."""

    @abstractmethod
    def open_feed(self, tops: int) -> tuple[Feed, list[tuple[int, ...]]]:
        """Open the source; return what fills the batches, and the shapes of the first one."""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        with self.located():
            feed, shapes = self.open_feed(len(top))
        depth = self.param.data_param.prefetch
        self.prefetcher = Prefetcher(feed, depth, batches(self.ops, self.setting.dtype), f"prefetch {self.name}")
        for blob, shape in zip(top, shapes, strict=True):
            blob.reshape(*shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        with self.located():
            batch = self.prefetcher.next()
        batch.deliver(top)

    def get_state(self) -> dict[str, Any]:
        return self.prefetcher.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        self.prefetcher.set_state(state)

    def close(self) -> None:
        """Stop reading ahead; a later forward begins again where the last one ended."""
        self.prefetcher.close()


def list_folders(list_path: Path, folder: Path | None) -> list[Path | None]:
    """Return where the files that a list names are looked for, after the working directory."""
    return [list_path.parent, folder]


def listed_files(list_path: Path, folder: Path | None) -> list[Path]:
    """Return the files that a text file names, one a line; DataError with FILE:LINE for one that does not exist."""
    return [
        resolve(line.strip(), list_folders(list_path, folder), f"{list_path}:{number}: file")
        for number, line in numbered_lines(list_path)
    ]
