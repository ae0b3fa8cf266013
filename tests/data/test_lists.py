"""Lists of images and files, and finding what they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from minicaffe.data.lists import numbered_lines, read_image_list
from minicaffe.data.paths import resolve
from minicaffe.errors import DataError


def test_the_label_follows_the_last_space(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfcat.jpg 3\r\n\n  my cat (1).jpg -7  \r\nd.jpg 0")
    entries = read_image_list(path)
    assert [(entry.path, entry.label) for entry in entries] == [("cat.jpg", 3), ("  my cat (1).jpg", -7), ("d.jpg", 0)]
    assert [entry.place for entry in entries] == [f"{path}:{number}" for number in (1, 3, 4)]


@pytest.mark.parametrize("line", ["cat.jpg", "cat.jpg 1.5", "cat.jpg x", " 7", "cat.jpg\t7"])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(f"good.jpg 1\n{line}\n")
    with pytest.raises(DataError, match=r"list\.txt:2: expected an image's path, a space and a whole number"):
        read_image_list(path)


def test_empty_and_missing_lists(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\n \n")
    with pytest.raises(DataError, match="the list is empty"):
        numbered_lines(tmp_path / "list.txt")
    with pytest.raises(DataError, match="cannot be read"):
        numbered_lines(tmp_path / "none.txt")


def test_the_working_directory_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "both").touch()
    (tmp_path / "there" / "only").touch()
    monkeypatch.chdir(tmp_path / "here")
    there = tmp_path / "there"
    assert resolve("both", [there]) == Path("both")
    assert resolve("only", [None, there]) == there / "only"
    assert resolve(str(there / "only"), [tmp_path]) == there / "only"


def test_what_is_not_found_is_told_with_places_and_the_nearest_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "train_lmdb").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        resolve("trian_lmdb", [tmp_path / "sub"], "data_param.source")
    message = str(caught.value)
    assert "data_param.source 'trian_lmdb' does not exist (did you mean 'train_lmdb'?)" in message
    assert f"tried: {tmp_path / 'trian_lmdb'}" in message
    assert f"tried: {tmp_path / 'sub' / 'trian_lmdb'}" in message
    with pytest.raises(DataError, match=r"data_param\.source is empty"):
        resolve("", [], "data_param.source")
