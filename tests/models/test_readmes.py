"""Commands in the READMEs: every verb, flag and file they name exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from minicaffe.cli.main import find_verbs, verb_parser

ROOT = Path(__file__).resolve().parents[2]
READMES = [ROOT / "README.md", *sorted(ROOT.glob("models/*/README.md"))]
OURS = re.compile(r"(?:models|benchmarks)/[\w./-]+\.(?:py|prototxt|yml)")


def commands(path: Path) -> list[str]:
    """The commands in the code blocks of a README, each on one line, without what a shell does with them."""
    blocks = re.findall(r"^```\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.partition("#")[0] for line in lines if re.match(r"minicaffe |python |[A-Z]+=", line)]


def readme_id(path: Path) -> str:
    return path.parent.name


@pytest.mark.parametrize("path", READMES, ids=readme_id)
def test_every_command_is_one(path: Path) -> None:
    found = commands(path)
    if path.parent != ROOT:
        assert found
    verbs, variables = find_verbs(), {}
    for command in found:
        if assigned := re.match(r"([A-Z]+)=(.*)", command):
            variables[assigned[1]] = assigned[2].strip("\"' ")
            continue
        whole = re.sub(r"\$([A-Z]+)", lambda name: variables[name[1]], command)
        program, first, *rest = shlex.split(whole)
        if program == "minicaffe":
            verb_parser(first, verbs[first]).parse(rest)  # ends the test if a flag is unknown
        else:
            text = (ROOT / first).read_text(encoding="utf-8")
            assert [word for word in rest if word.startswith("--") and f'"{word}"' not in text] == []


@pytest.mark.parametrize("path", READMES, ids=readme_id)
def test_every_file_of_ours_that_is_named_exists(path: Path) -> None:
    named = set(OURS.findall(path.read_text(encoding="utf-8")))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", READMES[1:], ids=readme_id)
def test_the_table_of_files_is_whole(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for file in path.parent.iterdir():
        if file.suffix in (".py", ".prototxt", ".yml", ".png"):
            assert file.name in text
