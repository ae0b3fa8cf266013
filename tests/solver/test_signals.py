"""Signals: which effect, in which order, and that they reach the loop between two iterations."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest

from minicaffe.errors import SolverError
from minicaffe.solver.signals import NONE, SNAPSHOT, STOP, Request, handled

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP on this system")


def test_poll_serves_sighup_first_and_one_a_time() -> None:
    request = Request()
    request.on_sigint()
    request.on_sighup()
    assert [request.poll() for _ in range(3)] == [SNAPSHOT, STOP, NONE]


@pytest.mark.parametrize("effect", [STOP, SNAPSHOT, NONE])
def test_effects(effect: str) -> None:
    request = Request(sigint=effect, sighup=effect)
    request.on_sigint()
    assert request.poll() == effect
    request.on_sighup()
    assert request.poll() == effect


def test_unknown_effect() -> None:
    with pytest.raises(SolverError, match=r"sigint_effect 'stopp' is not known \(did you mean 'stop'"):
        Request(sigint="stopp")


def test_second_interrupt_does_not_wait() -> None:
    request = Request()
    request.on_sigint()
    with pytest.raises(KeyboardInterrupt):
        request.on_sigint()
    request.poll()
    request.on_sigint()
    patient = Request(sigint=NONE)
    patient.on_sigint()
    patient.on_sigint()


def test_handlers_are_installed_and_put_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGHUP)
    with handled() as request:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGINT)
        assert [request.poll(), request.poll()] == [SNAPSHOT, STOP]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGHUP)) == before


def test_another_thread_gets_a_request_without_handlers() -> None:
    found: list[str] = []

    def work() -> None:
        with handled() as request:
            found.append(request.poll())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [NONE]


class Script:
    """Answers poll after poll from a list."""

    def __init__(self, *actions: str):
        self.actions = list(actions)

    def poll(self) -> str:
        return self.actions.pop(0) if self.actions else NONE


def test_snapshot_on_request(make: Any, folder: Any) -> None:
    solver = make('snapshot_prefix: "s" snapshot_after_train: false')
    solver.request = Script(NONE, SNAPSHOT)
    solver.step(4)
    assert solver.iter == 4 and not solver.stopped
    assert sorted(path.name for path in folder.glob("s_*")) == ["s_iter_2.caffemodel", "s_iter_2.solverstate"]


def test_stop_on_request_saves_and_says_so(make: Any, folder: Any, lines: Any) -> None:
    solver = make('snapshot_prefix: "s" test_iter: 1 test_interval: 100 test_initialization: false')
    solver.request = Script(NONE, NONE, STOP)
    solver.solve()
    assert solver.iter == 3 and solver.stopped
    assert (folder / "s_iter_3.solverstate").exists()
    assert lines()[-1] == "Optimization stopped early."


def test_a_real_interrupt_stops_training(make: Any) -> None:
    solver = make("snapshot_after_train: false")

    class Interrupting:
        def update(self, N: int, max_iter: int, loss: float) -> None:
            assert max_iter == 20 and loss > 0
            if N == 2:
                os.kill(os.getpid(), signal.SIGINT)

    solver.progress = Interrupting()
    with handled() as request:
        solver.request = request
        solver.solve()
    assert solver.iter == 2 and solver.stopped


def test_stop_during_a_test(make: Any, lines: Any) -> None:
    solver = make("test_iter: 5 test_interval: 2 snapshot_after_train: false")
    solver.request = Script(NONE, NONE, STOP)
    solver.solve()
    assert solver.iter == 0 and solver.stopped
    said = lines()
    assert "Test interrupted." in said and not any("Test net output" in line for line in said)


def test_snapshot_during_a_test(make: Any, folder: Any) -> None:
    solver = make('test_iter: 3 test_interval: 50 snapshot_prefix: "s"')
    solver.request = Script(NONE, SNAPSHOT)
    solver.step(1)
    assert (folder / "s_iter_0.caffemodel").exists() and solver.iter == 1
