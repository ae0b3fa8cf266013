"""The table in tests/README.md: nothing of Caffe's tests is left out, and every test it names exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TABLES = (TESTS / "README.md").read_text(encoding="utf-8").split("## What Caffe's own tests cover", 1)[1]
NAMED = re.compile(r"`([\w/]+\.py)::([\w:]+)`")


def rows(text: str) -> list[list[str]]:
    """The cells of every table row, headings and rulers left out."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] not in ("Caffe's", "property", "file")]


def functions_in(path: Path) -> set[str]:
    """The names of the tests in a file, those in classes as `Class::test`."""

    def named(body: list[ast.stmt], prefix: str) -> Iterator[str]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from named(node.body, f"{prefix}{node.name}::")
            elif isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                yield prefix + node.name

    return set(named(ast.parse(path.read_text(encoding="utf-8")).body, ""))


@pytest.mark.parametrize("row", rows(TABLES), ids=lambda row: row[0][:40])
def test_every_test_named_exists(row: list[str]) -> None:
    named = NAMED.findall(row[-1])
    assert named, "no test covers this"
    assert NAMED.sub("", row[-1]).strip() == "", "something here is no name of a test"
    missing = [f"{file}::{name}" for file, name in named if not exists(TESTS / file, name)]
    assert not missing


def exists(path: Path, name: str) -> bool:
    return path.is_file() and name in functions_in(path)


def test_no_row_of_the_survey_is_left_out(shared: Path) -> None:
    """The survey of Caffe's tests lists its files in section 2 and its Python tests in section 4."""
    survey = (shared / "spec" / "TESTS.md").read_text(encoding="utf-8")
    listed = [cells[0] for cells in rows(survey.split("## 2.")[1].split("## 3.")[0])]
    python = [part.split(" ")[0] for part in survey.split("## 4. Python tests\n")[1].split("\n")[0].split(" · ")]
    ours = [cells[0] for cells in rows(TABLES)]
    assert len(listed) > 45
    assert [name for name in listed + python if name not in ours] == []
