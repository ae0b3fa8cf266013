"""Lifetimes in a sequence of events."""

from __future__ import annotations

from minicaffe.graph.lifetimes import find_lifetimes


def test_a_piece_lives_from_its_first_use_to_its_last() -> None:
    found = find_lifetimes([["a"], ["a", "b"], ["b", "c"], [], ["b"]])
    assert found.first == [["a"], ["b"], ["c"], [], []]
    assert found.last == [[], ["a"], ["c"], [], ["b"]]


def test_what_is_kept_neither_comes_nor_goes() -> None:
    found = find_lifetimes([["a", "b"], ["b"]], kept={"b"})
    assert (found.first, found.last) == ([["a"], []], [["a"], []])
    assert find_lifetimes([]).first == []
