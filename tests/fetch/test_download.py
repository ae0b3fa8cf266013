from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import numpy as np
import pytest

from minicaffe.errors import DataError
from minicaffe.fetch.download import TRIES, Checksum, digest, download
from tests.fetch.server import Server

CONTENT = np.random.default_rng(5).bytes(300_000)
SHA256 = Checksum("sha256", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def url(server: Server) -> str:
    server.files["/file"] = CONTENT
    return server.url + "/file"


def bring(url: str, path: Path, size: int = len(CONTENT), checksum: Checksum | None = SHA256, **options) -> Path:
    return download([url], path, size, checksum, pause=0, **options)


def test_brings_a_file_to_a_new_folder_and_leaves_nothing_else(url: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = bring(url, tmp_path / "new" / "file.bin", progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == ["file.bin"]
    assert seen[0] == (0, len(CONTENT)) and seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_file_already_there_is_verified_and_not_fetched(url: str, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    assert bring(url, path) == path
    assert server.requests == []


@pytest.mark.parametrize(
    ("content", "message"), [(CONTENT[:-1], "299,999 bytes, expected 300,000"), (bytes(300_000), "its sha256 is")]
)
def test_another_file_of_that_name_is_neither_used_nor_lost(
    url: str, server: Server, tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        bring(url, path)
    assert path.read_bytes() == content
    assert server.requests == []


def test_a_broken_line_is_taken_up_where_it_broke(url: str, server: Server, tmp_path: Path) -> None:
    server.cut = [100_000, 50_000]
    assert bring(url, tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.requests == [("/file", ""), ("/file", "bytes=100000-"), ("/file", "bytes=150000-")]


def test_a_later_call_takes_up_what_an_earlier_one_left(url: str, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    server.cut = [70_000, *[0] * TRIES]
    with pytest.raises(DataError, match=r"the connection ended at 70,000 of 300,000 bytes .* 70,000 bytes are kept"):
        bring(url, path)
    assert not path.exists()
    server.cut, server.requests = [], []
    assert bring(url, path).read_bytes() == CONTENT
    assert server.requests == [("/file", "bytes=70000-")]


def test_a_server_without_ranges_begins_again(url: str, server: Server, tmp_path: Path) -> None:
    server.cut, server.ranges = [100_000], False
    assert bring(url, tmp_path / "file.bin").read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_what_was_begun_is_not_mixed_with_a_file_that_changed(url: str, server: Server, tmp_path: Path) -> None:
    server.cut = [100_000, *[0] * TRIES]
    with pytest.raises(DataError):
        bring(url, tmp_path / "file.bin", checksum=None)
    server.cut, server.tag = [], '"two"'
    server.files["/file"] = CONTENT[::-1]
    assert bring(url, tmp_path / "file.bin", checksum=None).read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("tag", ["", 'W/"weak"'])
def test_without_a_way_to_tell_files_apart_it_begins_again(url: str, server: Server, tmp_path: Path, tag: str) -> None:
    server.cut, server.tag = [100_000], tag
    assert bring(url, tmp_path / "file.bin").read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == ["", ""]


def test_a_part_that_is_whole_is_only_verified(url: str, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    (tmp_path / "file.bin.part.from").write_text('"one"')
    assert bring(url, tmp_path / "file.bin", size=0).read_bytes() == CONTENT
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.bin"]


def test_a_part_longer_than_the_file_is_thrown_away(url: str, server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT + b"more")
    (tmp_path / "file.bin.part.from").write_text('"one"')
    assert bring(url, tmp_path / "file.bin", size=0).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == ["bytes=300004-", ""]


def test_bytes_of_another_file_never_get_the_name(url: str, server: Server, tmp_path: Path) -> None:
    server.files["/file"] = bytes(300_000)
    with pytest.raises(DataError, match="what came is not the file expected: its sha256 is"):
        bring(url, tmp_path / "file.bin")
    assert list(tmp_path.iterdir()) == []


def test_the_next_address_is_tried(url: str, server: Server, tmp_path: Path) -> None:
    path = download([server.url + "/gone", url], tmp_path / "file.bin", 0, SHA256, pause=0)
    assert path.read_bytes() == CONTENT


def test_every_address_and_its_problem_is_named(server: Server, tmp_path: Path) -> None:
    with socket.socket() as nobody:  # bound, but nobody listens
        nobody.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{nobody.getsockname()[1]}/file"
        with pytest.raises(DataError) as caught:
            download([server.url + "/gone", dead], tmp_path / "file.bin", pause=0)
    message = str(caught.value)
    assert message.startswith("file.bin could not be fetched:")
    assert f"\n  {server.url}/gone: the server answers 404" in message
    assert f"\n  {dead}: cannot be reached" in message


def test_a_server_in_trouble_is_asked_again_but_not_for_ever(url: str, server: Server, tmp_path: Path) -> None:
    server.failures = [503, 500]
    assert bring(url, tmp_path / "file.bin").read_bytes() == CONTENT
    server.failures, server.requests = [503] * 99, []
    with pytest.raises(DataError, match="503"):
        bring(url, tmp_path / "again.bin")
    assert len(server.requests) == TRIES


def test_without_a_checksum_the_digest_is_told(url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bring(url, tmp_path / "file.bin", checksum=None)
    assert f"no checksum of file.bin is known; the sha256 of what came is {SHA256.value}" in caplog.text


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
def test_digests(tmp_path: Path, algorithm: str) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    assert digest(tmp_path / "file", algorithm) == hashlib.new(algorithm, CONTENT).hexdigest()
