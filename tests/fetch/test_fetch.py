from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from minicaffe.errors import DataError
from minicaffe.fetch import Checksum, Item, Source, fetch, unpack
from tests.fetch.server import Server

FILES = {"kit/Main/test.txt": b"000001\n", "kit/readme": b"read me"}


def tar(files: dict[str, bytes], mode: str = "w") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return content.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return content.getvalue()


def item(server: Server, name: str, content: bytes, unpack: bool = True) -> Item:
    server.files[f"/{name}"] = content
    checksum = Checksum("sha256", hashlib.sha256(content).hexdigest())
    return Item("kit", "a kit", "", (Source(name, (f"{server.url}/{name}",), len(content), checksum, unpack),))


@pytest.mark.parametrize("name", ["kit.tar", "kit.tgz", "kit.zip"])
def test_archives_are_unpacked_once(server: Server, tmp_path: Path, name: str) -> None:
    content = zipped(FILES) if name == "kit.zip" else tar(FILES, "w:gz" if name == "kit.tgz" else "w")
    kit = item(server, name, content)
    assert fetch(kit, tmp_path) == [tmp_path / name]
    for inside, body in FILES.items():
        assert (tmp_path / inside).read_bytes() == body
    (tmp_path / "kit/readme").write_bytes(b"mine now")
    fetch(kit, tmp_path)
    assert (tmp_path / "kit/readme").read_bytes() == b"mine now"
    assert len(server.requests) == 1


def test_an_archive_may_go_once_it_is_unpacked(server: Server, tmp_path: Path) -> None:
    kit = item(server, "kit.tar", tar(FILES))
    fetch(kit, tmp_path, keep=False)
    assert not (tmp_path / "kit.tar").exists()
    fetch(kit, tmp_path, keep=False)
    assert len(server.requests) == 1


def test_what_is_no_archive_stays_as_it_is(server: Server, tmp_path: Path) -> None:
    (path,) = fetch(item(server, "net.caffemodel", b"weights", unpack=False), tmp_path)
    assert path.read_bytes() == b"weights"
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.caffemodel"]


def test_a_file_already_there_is_unpacked_without_asking_anyone(server: Server, tmp_path: Path) -> None:
    content = tar(FILES)
    kit = item(server, "kit.tar", content)
    (tmp_path / "kit.tar").write_bytes(content)
    fetch(kit, tmp_path)
    assert (tmp_path / "kit/readme").read_bytes() == b"read me"
    assert server.requests == []


@pytest.mark.parametrize("content", [b"no archive", tar(FILES, "w:gz")[:60]], ids=["foreign", "cut short"])
def test_a_damaged_archive_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "kit.tgz").write_bytes(content)
    with pytest.raises(DataError, match=r"kit\.tgz is"):
        unpack(tmp_path / "kit.tgz", tmp_path)


def test_nothing_is_written_outside_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "kit.tar").write_bytes(tar({"../outside": b"!"}))
    with pytest.raises(DataError):
        unpack(tmp_path / "kit.tar", tmp_path / "in" / "here")
    assert not (tmp_path / "in" / "outside").exists()
