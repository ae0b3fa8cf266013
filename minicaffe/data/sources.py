"""Databases of items in the order of their keys: LMDB and LevelDB behind one door, read round and round, written whole.

A database handle is opened once in a process however many layers read it, and closed when the last of them is gone.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import weakref
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any

from minicaffe.errors import DataError

log = logging.getLogger("minicaffe")

BACKENDS = ("LEVELDB", "LMDB")  # by the number that `data_param.backend` gives them
_MARKS = {"LMDB": "data.mdb", "LEVELDB": "CURRENT"}

_handles: weakref.WeakValueDictionary[str, Database] = weakref.WeakValueDictionary()
_handles_lock = threading.Lock()


class Database(ABC):
    """An open database; `minicaffe.data.lmdb` and `minicaffe.data.leveldb` say how each kind is read."""

    def __init__(self, path: Path):
        self.path = path

    @abstractmethod
    def cursor(self) -> Cursor:
        """Return a cursor of its own, standing before the first item."""


class Cursor(ABC):
    """A place in a database: the item it stands on."""

    @property
    @abstractmethod
    def key(self) -> bytes: ...

    @property
    @abstractmethod
    def value(self) -> bytes: ...

    @abstractmethod
    def first(self) -> bool:
        """Go to the first item; False if there is none."""

    @abstractmethod
    def next(self) -> bool:
        """Go to the next item; False past the last one."""

    @abstractmethod
    def seek(self, key: bytes) -> bool:
        """Go to the item with this key; False if there is none."""


class Source:
    """The items of a database, one after the other and again from the first: never at its end.

    `key` and `value` belong to the item at hand; `count` tells how many items were passed so far.
    """

    def __init__(self, database: Database):
        self.path = database.path
        self._database = database  # the handle lives as long as somebody reads through it
        self._cursor = database.cursor()
        self.count = 0
        self.rewind()

    @property
    def key(self) -> bytes:
        return self._cursor.key

    @property
    def value(self) -> bytes:
        return self._cursor.value

    def rewind(self) -> None:
        """Go to the first item; DataError if there is none."""
        if not self._cursor.first():
            raise DataError(f"{self.path}: the database is empty")

    def advance(self) -> None:
        """Go to the next item, from the last one to the first."""
        self.count += 1
        if not self._cursor.next():
            self.rewind()

    def get_state(self) -> dict[str, Any]:
        """Return where the source stands, JSON-able."""
        return {"count": self.count, "key": self.key.hex()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to where `get_state` was called; to the first item, with a warning, if that one is not there."""
        self.count = int(state["count"])
        key = bytes.fromhex(state["key"])
        if not self._cursor.seek(key):
            self.rewind()
            log.warning(
                "%s: reading stopped before the item with the key %r, but there is no such item: this is another "
                "database; it is read from its first item",
                self.path,
                key,
            )


def open_source(path: str | os.PathLike[str], backend: str = "LMDB") -> Source:
    """Open the LMDB or LevelDB at `path`, read-only, standing on its first item.

    DataError if it is missing, empty, broken or of the other kind; MissingDependencyError without the package that
    reads it.
    """
    path = Path(path)
    _check_kind(path, backend)
    with _handles_lock:
        name = f"{backend}:{path.resolve()}"
        database = _handles.get(name)
        if database is None:
            database = _handles[name] = _module(backend).open_database(path)
    return Source(database)


def _module(backend: str) -> Any:
    if backend == "LMDB":
        from minicaffe.data import lmdb

        return lmdb
    if backend == "LEVELDB":
        from minicaffe.data import leveldb

        return leveldb
    raise DataError(f"backend {backend!r} is neither of {' and '.join(BACKENDS)}")


def _check_kind(path: Path, backend: str) -> None:
    if not path.exists():
        raise DataError(f"{path}: no such database")
    other = next((kind for kind in BACKENDS if kind != backend and (path / _MARKS[kind]).exists()), None)
    if other and not (path / _MARKS[backend]).exists():
        raise DataError(f"{path}: holds {_MARKS[other]}, so this is an {other} database: write 'backend: {other}'")
    if backend == "LEVELDB" and not (path / _MARKS[backend]).exists():
        raise DataError(f"{path}: not a LevelDB: it has no file {_MARKS[backend]}")


# -- writing ----------------------------------------------------------------------------------------------------------


class Writer(ABC):
    """Writes a new database, in batches, aside; leaving the `with` block puts it in place, an exception removes it.

    `batch` is the number of items that reach the disk together.
    """

    def __init__(self, path: str | os.PathLike[str], batch: int = 1000):
        self.path = Path(path)
        if self.path.exists():
            raise DataError(f"{path}: already exists; remove it first, or choose another name")
        self.count = 0
        self._batch = batch
        self._pending: list[tuple[bytes, bytes]] = []
        self._aside = self.path.with_name(f"{self.path.name}.{os.getpid()}.partial")
        shutil.rmtree(self._aside, ignore_errors=True)
        self._aside.mkdir(parents=True)
        try:
            self._open(self._aside)
        except BaseException:
            shutil.rmtree(self._aside, ignore_errors=True)
            raise

    def put(self, key: bytes | str, value: bytes) -> None:
        """Add an item. Keys are read back in the order of their bytes; a repeated key replaces its value."""
        self._pending.append((key.encode() if isinstance(key, str) else key, value))
        self.count += 1
        if len(self._pending) >= self._batch:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self._commit(self._pending)
            self._pending = []

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
            self._close()
            if kind is None:
                self._aside.replace(self.path)
        finally:
            shutil.rmtree(self._aside, ignore_errors=True)

    @abstractmethod
    def _open(self, path: Path) -> None: ...

    @abstractmethod
    def _commit(self, items: list[tuple[bytes, bytes]]) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...


def create_source(path: str | os.PathLike[str], backend: str = "LMDB", batch: int = 1000) -> Writer:
    """Return a writer for a new LMDB or LevelDB at `path`: `with create_source(path) as out: out.put(key, value)`.

    DataError if something is there already; MissingDependencyError without the package that writes it.
    """
    return _module(backend).NewDatabase(path, batch)
