from __future__ import annotations

import io
import sys

import pytest

from minicaffe.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_draws_loss_and_count_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("iter") as progress:
        for i in range(41, 51):
            progress.update(i, 100, loss=0.25)
        progress._bar.refresh()
    shown = terminal.getvalue()
    assert "50/100" in shown
    assert "loss 0.25" in shown
    assert "iter" in shown


def test_draws_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    with Progress("iter") as progress:
        progress.update(1, 2, loss=0.5)
    assert file.getvalue() == ""
