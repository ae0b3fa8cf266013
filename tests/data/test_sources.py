"""LMDB and LevelDB: written whole, read round and round, continued where reading stopped."""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicaffe.data import sources
from minicaffe.data.sources import Source, create_source, open_source
from minicaffe.errors import DataError, MissingDependencyError

ITEMS = [(b"00", b"zero"), (b"01", b""), (b"02", b"two" * 100), (b"10", b"ten")]


@pytest.fixture(params=["LMDB", "LEVELDB"])
def backend(request: pytest.FixtureRequest) -> str:
    pytest.importorskip({"LMDB": "lmdb", "LEVELDB": "plyvel"}[request.param])
    return request.param


@pytest.fixture
def path(tmp_path: Path, backend: str) -> Iterator[Path]:
    with create_source(tmp_path / "db", backend, batch=3) as out:
        for key, value in reversed(ITEMS):
            out.put(key, value)
    yield tmp_path / "db"
    gc.collect()


def take(source: Source, count: int) -> list[tuple[bytes, bytes]]:
    taken = []
    for _ in range(count):
        taken.append((source.key, source.value))
        source.advance()
    return taken


def test_items_come_in_the_order_of_their_keys_again_and_again(path: Path, backend: str) -> None:
    source = open_source(path, backend)
    assert take(source, 10) == (ITEMS * 3)[:10]
    assert source.count == 10
    source.rewind()
    assert source.key == b"00"


def test_two_readers_share_the_database_but_not_the_place(path: Path, backend: str) -> None:
    first, second = open_source(path, backend), open_source(str(path), backend)
    assert take(first, 2) == ITEMS[:2]
    assert take(second, 4) == ITEMS
    assert first.key == b"02"
    assert len([name for name in sources._handles if name.endswith(str(path))]) == 1


def test_the_database_is_closed_with_its_last_reader(path: Path, backend: str) -> None:
    first, second = open_source(path, backend), open_source(path, backend)
    del first
    gc.collect()
    assert take(second, 1) == ITEMS[:1]
    del second
    gc.collect()
    assert not [name for name in sources._handles if name.endswith(str(path))]


@pytest.mark.parametrize("before", range(7))
def test_the_state_continues_exactly(path: Path, backend: str, before: int) -> None:
    source = open_source(path, backend)
    take(source, before)
    state = json.loads(json.dumps(source.get_state()))
    expected = take(source, 6)
    other = open_source(path, backend)
    take(other, 3)
    other.set_state(state)
    assert other.count == before
    assert take(other, 6) == expected


def test_a_state_of_another_database_is_not_obeyed(path: Path, backend: str, caplog: pytest.LogCaptureFixture) -> None:
    source = open_source(path, backend)
    take(source, 2)
    with caplog.at_level(logging.WARNING, "minicaffe"):
        source.set_state({"count": 5, "key": b"015".hex()})
    assert "there is no such item" in caplog.text
    assert take(source, 1) == ITEMS[:1]


def test_a_repeated_key_replaces_its_value(tmp_path: Path, backend: str) -> None:
    with create_source(tmp_path / "db", backend) as out:
        out.put("a", b"1")
        out.put(b"a", b"2")
        assert out.count == 2
    assert take(open_source(tmp_path / "db", backend), 2) == [(b"a", b"2")] * 2


def test_nothing_is_left_of_writing_that_failed(tmp_path: Path, backend: str) -> None:
    with pytest.raises(ZeroDivisionError), create_source(tmp_path / "db", backend, batch=1) as out:
        out.put(b"a", b"1")
        assert not (tmp_path / "db").exists()
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_overwritten(path: Path, backend: str) -> None:
    with pytest.raises(DataError, match="already exists; remove it first"):
        create_source(path, backend)
    assert take(open_source(path, backend), 4) == ITEMS


def test_empty(tmp_path: Path, backend: str) -> None:
    with create_source(tmp_path / "db", backend):
        pass
    with pytest.raises(DataError, match="the database is empty"):
        open_source(tmp_path / "db", backend)


def test_the_other_backend_is_recognised(path: Path, backend: str) -> None:
    other = {"LMDB": "LEVELDB", "LEVELDB": "LMDB"}[backend]
    with pytest.raises(DataError, match=f"this is an? {backend} database: write 'backend: {backend}'"):
        open_source(path, other)


def test_broken(path: Path, backend: str) -> None:
    name = {"LMDB": "data.mdb", "LEVELDB": "CURRENT"}[backend]
    (path / name).write_bytes(b"nonsense\n" * 1000)
    with pytest.raises(DataError, match="cannot be opened as"):
        open_source(path, backend)


def test_missing(tmp_path: Path, backend: str) -> None:
    with pytest.raises(DataError, match="no such database"):
        open_source(tmp_path / "db", backend)
    (tmp_path / "db").mkdir()
    with pytest.raises(DataError, match=r"cannot be opened as LMDB|not a LevelDB: it has no file CURRENT"):
        open_source(tmp_path / "db", backend)


def test_unknown_backend(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="backend 'SQL' is neither of LEVELDB and LMDB"):
        open_source(tmp_path, "SQL")


@pytest.mark.parametrize(("backend", "package", "extra"), [("LMDB", "lmdb", "data"), ("LEVELDB", "plyvel", "leveldb")])
def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf"minicaffe\[{extra}\]"):
        create_source(tmp_path / "db", backend)
    assert list(tmp_path.iterdir()) == []


def test_lmdb_grows_as_it_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lmdb")
    from minicaffe.data import lmdb

    monkeypatch.setattr(lmdb, "_FIRST_MAP_SIZE", 1 << 16)
    values = [bytes([i]) * 50_000 for i in range(9)]
    with create_source(tmp_path / "db", batch=4) as out:
        for i, value in enumerate(values):
            out.put(f"{i}", value)
    assert [value for _, value in take(open_source(tmp_path / "db"), 9)] == values


def test_an_lmdb_in_a_single_file(tmp_path: Path) -> None:
    lmdb = pytest.importorskip("lmdb")
    with (
        lmdb.open(str(tmp_path / "one.mdb"), subdir=False) as environment,
        environment.begin(write=True) as transaction,
    ):
        transaction.put(b"a", b"1")
    assert take(open_source(tmp_path / "one.mdb"), 1) == [(b"a", b"1")]


def test_lmdb_items_too_large_for_their_kind(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    with pytest.raises(DataError, match="cannot write item"), create_source(tmp_path / "db") as out:
        out.put(b"k" * 5000, b"")
    assert list(tmp_path.iterdir()) == []
