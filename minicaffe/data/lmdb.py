"""LMDB databases, through the package lmdb."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minicaffe.data.sources import Cursor, Database, Writer
from minicaffe.errors import DataError, missing_dependency

_FIRST_MAP_SIZE = 1 << 26


def _lmdb() -> Any:
    try:
        import lmdb
    except ImportError:
        raise missing_dependency("lmdb", "data", "reading and writing LMDB databases") from None
    return lmdb


def open_database(path: Path) -> Database:
    """Open an LMDB, a folder or a single file, for reading.

    Nothing is written, not even a lock, so it may lie on a read-only disk; but nobody may write to it meanwhile.
    """
    return _LmdbDatabase(path)


class _LmdbDatabase(Database):
    def __init__(self, path: Path):
        super().__init__(path)
        lmdb = _lmdb()
        try:
            self._environment = lmdb.open(str(path), subdir=path.is_dir(), readonly=True, lock=False, create=False)
        except lmdb.Error as error:
            raise DataError(f"{path}: cannot be opened as LMDB: {error}") from error

    def cursor(self) -> Cursor:
        return _LmdbCursor(self._environment.begin())


class _LmdbCursor(Cursor):
    def __init__(self, transaction: Any):
        self._transaction = transaction
        self._cursor = transaction.cursor()

    @property
    def key(self) -> bytes:
        return self._cursor.key()

    @property
    def value(self) -> bytes:
        return self._cursor.value()

    def first(self) -> bool:
        return self._cursor.first()

    def next(self) -> bool:
        return self._cursor.next()

    def seek(self, key: bytes) -> bool:
        return self._cursor.set_key(key)


class NewDatabase(Writer):
    """A new LMDB; its map doubles as often as needed."""

    def _open(self, path: Path) -> None:
        self._environment = _lmdb().open(str(path), map_size=_FIRST_MAP_SIZE)

    def _commit(self, items: list[tuple[bytes, bytes]]) -> None:
        lmdb = _lmdb()
        while True:
            try:
                with self._environment.begin(write=True) as transaction:
                    for key, value in items:
                        transaction.put(key, value)
                return
            except lmdb.MapFullError:
                self._environment.set_mapsize(2 * self._environment.info()["map_size"])
            except lmdb.Error as error:
                raise DataError(
                    f"{self.path}: cannot write item {items[0][0]!r} or one of its successors: {error}"
                ) from error

    def _close(self) -> None:
        self._environment.close()
