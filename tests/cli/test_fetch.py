from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicaffe.cli.main import main
from tests.fetch.server import Server, serving

CONTENT = b"weights" * 1000


@pytest.fixture(autouse=True)
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.chdir(tmp_path)
    with serving() as running:
        running.files["/net.caffemodel"] = CONTENT
        Path("mine.yml").write_text(
            f"net:\n  about: a net\n  terms: free\n  files:\n    - name: net.caffemodel\n      size: {len(CONTENT)}\n"
            f"      urls: [{running.url}/net.caffemodel]\n      sha256: {hashlib.sha256(CONTENT).hexdigest()}\n"
        )
        yield running


def test_fetches_by_name_and_uses_again_what_is_there(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["fetch", "net", "--registry", "mine.yml"]
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines() == ["net: a net; terms: free", "data/net.caffemodel"]
    assert Path("data/net.caffemodel").read_bytes() == CONTENT
    assert main([*command, "--out", "data"]) == 0
    assert "data/net.caffemodel is here already, verified" in capsys.readouterr().err
    assert len(server.requests) == 1


def test_a_damaged_file_is_not_used(capsys: pytest.CaptureFixture[str]) -> None:
    Path("data").mkdir()
    Path("data/net.caffemodel").write_bytes(CONTENT[:-1] + b"!")
    assert main(["fetch", "net", "--registry", "mine.yml"]) == 1
    assert "its sha256 is" in capsys.readouterr().err


def test_without_a_name_it_lists_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("vgg16 ") and "553 MB" in line for line in lines)


def test_an_unknown_name_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "voc2008"]) == 1
    assert "did you mean 'voc2007' or 'voc2012'" in capsys.readouterr().err
