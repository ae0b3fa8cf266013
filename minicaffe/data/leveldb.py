"""LevelDB databases, through the package plyvel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minicaffe.data.sources import Cursor, Database, Writer
from minicaffe.errors import DataError, missing_dependency


def _plyvel() -> Any:
    try:
        import plyvel
    except ImportError:
        raise missing_dependency("plyvel-ci", "leveldb", "reading and writing LevelDB databases") from None
    return plyvel


def open_database(path: Path) -> Database:
    """Open a LevelDB for reading. LevelDB itself locks the folder: no second process can read it meanwhile."""
    return _LevelDatabase(path)


class _LevelDatabase(Database):
    def __init__(self, path: Path):
        super().__init__(path)
        plyvel = _plyvel()
        try:
            self._database = plyvel.DB(str(path), create_if_missing=False)
        except plyvel.Error as error:
            raise DataError(f"{path}: cannot be opened as LevelDB: {error}") from error

    def cursor(self) -> Cursor:
        return _LevelCursor(self._database)


class _LevelCursor(Cursor):
    """plyvel's iterators stand between items; this one remembers the item it passed last."""

    def __init__(self, database: Any):
        self._database = database
        self._iterator = database.iterator()
        self._item = (b"", b"")

    @property
    def key(self) -> bytes:
        return self._item[0]

    @property
    def value(self) -> bytes:
        return self._item[1]

    def first(self) -> bool:
        self._iterator.seek_to_start()
        return self.next()

    def next(self) -> bool:
        item = next(self._iterator, None)
        if item is not None:
            self._item = item
        return item is not None

    def seek(self, key: bytes) -> bool:
        self._iterator.seek(key)
        return self.next() and self.key == key


class NewDatabase(Writer):
    """A new LevelDB."""

    def _open(self, path: Path) -> None:
        self._database = _plyvel().DB(str(path), create_if_missing=True)

    def _commit(self, items: list[tuple[bytes, bytes]]) -> None:
        with self._database.write_batch() as batch:
            for key, value in items:
                batch.put(key, value)

    def _close(self) -> None:
        self._database.close()
