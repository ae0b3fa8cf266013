from __future__ import annotations

import re
from pathlib import Path

import pytest

from minicaffe.errors import DataError
from minicaffe.fetch import Checksum, find, read_registry

DIGITS = {"sha256": 64, "sha1": 40, "md5": 32}


def test_what_ships_is_whole() -> None:
    items = read_registry()
    assert {"voc2007", "voc2012", "vgg16", "squeezenet_v1.0", "bccd"} <= set(items)
    for item in items.values():
        assert item.about and item.files
        for source in item.files:
            assert source.urls and all(re.match("https?://", url) for url in source.urls)
            if source.checksum:
                assert re.fullmatch(rf"[0-9a-f]{{{DIGITS[source.checksum.algorithm]}}}", source.checksum.value)
    assert [source.unpack for source in items["voc2007"].files] == [True, True]
    assert items["vgg16"].files[0].size == 553432081


def test_the_nearest_name_is_offered() -> None:
    items = read_registry()
    assert find("vgg16", items) is items["vgg16"]
    with pytest.raises(DataError, match=r"nothing is known as 'VGG-16' \(did you mean 'vgg16'") as caught:
        find("VGG-16", items)
    assert "known: alexnet, bccd" in str(caught.value)


def test_a_registry_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("x:\n  about: mine\n  files:\n    - {name: f, urls: [http://a/f], sha1: ABC, md5: d}\n")
    (source,) = read_registry(path)["x"].files
    assert source.checksum == Checksum("sha1", "abc")
    assert (source.size, source.unpack) == (0, False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b", "is no registry: expected names"),
        ("x: [", "is no registry"),
        ("x: {about: mine}", "x: the key 'files' is missing"),
        ("x: {about: mine, files: [], term: MIT}", r"x: unknown key 'term' \(did you mean 'terms'"),
        ("x: {about: mine, files: [{name: f, url: [a]}]}", r"x: file 1: unknown key 'url' \(did you mean 'urls'"),
        ("x: {about: mine, files: [f]}", "x: file 1: expected the keys"),
        ("x: {about: mine, files: [{name: ../f, urls: [a]}]}", "must be a plain file name"),
    ],
)
def test_a_mistake_in_a_registry_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_registry(path)


def test_a_registry_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no registry"):
        read_registry(tmp_path / "gone.yml")
