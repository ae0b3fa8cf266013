"""Every case of every registered layer through every check of `minicaffe.testing`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import minicaffe.layers  # noqa: F401  (registers them all)
from minicaffe import layer
from minicaffe.testing import Case, checks_for
from minicaffe.testing.cases import all_cases

CASES = all_cases()
CHECKS = [
    pytest.param(case, one, id=f"{case.id}-{one.__name__.removeprefix('check_')}")
    for case in CASES
    for one in checks_for(case)
]


@pytest.mark.parametrize(("case", "one"), CHECKS)
def test_layer(case: Case, one: Callable[[Case], None], tmp_path: Path) -> None:
    one(case.prepared(tmp_path))


def test_every_registered_layer_has_a_case() -> None:
    ours = {name for name in layer.layer_type_list() if _module(name).startswith("minicaffe.")}
    assert ours - {case.type for case in CASES} == set()


def test_every_case_is_of_a_registered_layer_and_has_a_name_of_its_own() -> None:
    assert {case.type for case in CASES} - set(layer.layer_type_list()) == set()
    names = [case.id for case in CASES]
    assert [name for name in dict.fromkeys(names) if names.count(name) > 1] == []


def _module(name: str) -> str:
    return layer._registry[name].__module__
