"""Phase: an int and a string at once."""

from __future__ import annotations

import pytest

from minicaffe import TEST, TRAIN
from minicaffe.phase import as_phase


def test_equals_both_spellings() -> None:
    assert TRAIN == 0 == TRAIN
    assert TEST == 1
    assert TRAIN == "TRAIN"
    assert TEST != "TRAIN"
    assert {"TRAIN": 1, "TEST": 2}[str(TEST)] == 2
    assert {0: "a", 1: "b"}[TEST] == "b"
    assert f"{TRAIN}" == "TRAIN"


def test_as_phase() -> None:
    assert as_phase("TEST") is TEST
    assert as_phase(0) is TRAIN
    with pytest.raises(ValueError, match="TRAIN or TEST"):
        as_phase("train")
