"""The loop: its order, what it displays and tests when, and pycaffe's surface."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicaffe as caffe
from minicaffe.rng import set_random_seed
from minicaffe.solver import Solver, get_solver
from tests.solver.conftest import BASE, NET, weights_of


def displayed(lines: list[str]) -> list[float]:
    return [float(line.rpartition("loss = ")[2]) for line in lines if " iters), loss = " in line]


def test_order_of_an_iteration(make: Any, lines: Any) -> None:
    solver = make('display: 1 test_iter: 1 test_interval: 1 snapshot: 1 snapshot_prefix: "s" clip_gradients: 1e-6')
    events: list[str] = []
    solver.add_callback(lambda: events.append("start"), lambda: events.append("ready"))
    solver.net.after_forward(lambda i: events.append("forward") if i == 0 else None)
    solver.net.before_backward(lambda i: events.append("backward") if i == 0 else None)
    lines()
    solver.step(2)
    assert events == ["start", "forward", "backward", "ready"] * 2
    kinds = ["Testing", "Test net", "Test net", "iters)", "Train net", "lr =", "clipping", "Snapshotting to", "state"]
    said = lines()
    assert len(said) == 2 * len(kinds)
    for i, line in enumerate(said):
        assert kinds[i % len(kinds)] in line, (i, line)


def test_callbacks_see_zeroed_then_accumulated_gradients(make: Any) -> None:
    solver = make("iter_size: 2 test_iter: 1 test_interval: 1")
    sums: list[float] = []
    solver.add_callback(
        lambda: sums.append(float(np.abs(solver.net.flat_diff).sum())),
        lambda: sums.append(float(np.abs(solver.net.flat_diff).sum())),
    )
    solver.step(2)
    assert sums[0] == sums[2] == 0 and sums[1] > 0 and sums[3] > 0


def test_a_callback_may_replace_the_gradient(make: Any) -> None:
    solver = make()
    solver.add_callback(lambda: None, lambda: solver.net.flat_diff.fill(0))
    before = weights_of(solver)
    solver.step(3)
    for now, was in zip(weights_of(solver), before, strict=True):
        np.testing.assert_array_equal(now, was)


def test_average_loss_is_what_is_displayed(make: Any, lines: Any) -> None:
    solver = make("display: 1 average_loss: 3")
    raw: list[float] = []
    solver.add_callback(lambda: None, lambda: raw.append(solver.net.blobs["loss"].data.item()))
    solver.step(8)
    means = [np.mean(raw[max(0, i - 2) : i + 1]) for i in range(8)]
    np.testing.assert_allclose(displayed(lines()), means, rtol=1e-4)


def test_iter_size_displays_the_mean_and_outputs_the_last(make: Any, lines: Any) -> None:
    solver = make("display: 1 iter_size: 2")
    raw: list[float] = []
    last = len(solver.net.layers) - 1
    solver.net.after_forward(lambda i: raw.append(solver.net.blobs["loss"].data.item()) if i == last else None)
    solver.step(1)
    said = lines()
    assert displayed(said) == pytest.approx([np.mean(raw)], rel=1e-4) and len(raw) == 2
    (output,) = [line for line in said if "Train net output" in line]
    assert float(output.split("= ")[1].split()[0]) == pytest.approx(raw[1], rel=1e-4)


def test_display_counts_iterations_and_seconds(make: Any, lines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    solver = make("display: 4")
    clock = iter(range(0, 10_000, 2))
    monkeypatch.setattr("minicaffe.solver.solver.time.monotonic", lambda: float(next(clock)))
    lines()
    solver.step(9)
    shown = [line.split(", loss")[0] for line in lines() if " iters)" in line]
    # The clock ticks by 2 at every look: at the start, and twice a line.
    assert shown == ["Iteration 0 (0 iter/s, 2s/4 iters)", *(f"Iteration {N} (2 iter/s, 2s/4 iters)" for N in (4, 8))]


def test_debug_info_on_display_iterations_only(make: Any, lines: Any) -> None:
    solver = make("display: 3 debug_info: true")
    lines()
    solver.step(5)
    said = lines()
    assert sum("[Forward] Layer ip1, top blob ip1 data" in line for line in said) == 2
    assert sum("[Backward] All net params" in line for line in said) == 2


def test_test_initialization(make: Any, lines: Any) -> None:
    for first, iterations in (("true", [0, 3, 6]), ("false", [3, 6])):
        solver = make(f"test_iter: 1 test_interval: 3 test_initialization: {first}")
        lines()
        solver.step(7)
        tested = [int(re.findall(r"\d+", line)[0]) for line in lines() if "Testing net" in line]
        assert tested == iterations


def test_test_averages_every_output(make: Any, lines: Any) -> None:
    solver = make("test_iter: 4 test_interval: 100 test_compute_loss: true")
    net = solver.test_nets[0]
    seen: list[tuple[float, float]] = []
    last = len(net.layers) - 1
    net.after_forward(
        lambda i: seen.append((net.blobs["accuracy"].data.item(), net.blobs["loss"].data.item())) if i == last else None
    )
    lines()
    means = solver.test()
    assert len(seen) == 4
    accuracy, loss = np.mean(seen, axis=0)
    assert means == [("accuracy", 0.0, [pytest.approx(accuracy)]), ("loss", 1.0, [pytest.approx(loss)])]
    said = lines()
    assert said[0] == "Iteration 0, Testing net (#0)"
    assert said[1] == f"Test loss: {loss:g}"
    assert said[2:] == [
        f"    Test net output #0: accuracy = {accuracy:g}",
        f"    Test net output #1: loss = {loss:g} (* 1 = {loss:g} loss)",
    ]


def test_several_test_nets(make: Any, lines: Any) -> None:
    solver = make("test_iter: 1 test_iter: 2 test_interval: 5")
    lines()
    solver.test_all()
    assert [line for line in lines() if "Testing" in line] == [f"Iteration 0, Testing net (#{k})" for k in (0, 1)]


def test_stepearly_listens_to_the_tests(make: Any, monkeypatch: pytest.MonkeyPatch, lines: Any) -> None:
    base = (
        'net: "net.prototxt" base_lr: 0.1 gamma: 0.5 lr_policy: "stepearly" stepearly: 2 test_iter: 1 test_interval: 1 '
    )
    solver = make(base=base)
    scores = iter([0.5, 0.5, 0.4, 0.6, 0.6])

    def fixed_accuracy(i: int) -> None:
        if i == len(solver.test_nets[0].layers) - 1:
            solver.test_nets[0].blobs["accuracy"].data[...] = next(scores)

    solver.test_nets[0].after_forward(fixed_accuracy)
    rates = []
    for _ in range(5):
        solver.step(1)
        rates.append(solver.lr)
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.05])
    assert "StepEarly Status: Iteration 2, step = 1" in lines()


def test_end_of_solve(make: Any, lines: Any) -> None:
    base = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 4 display: 2 test_iter: 1 test_interval: 4 '
    make("snapshot_after_train: false", base=base).solve()
    said = [line.split(" = ")[0] for line in lines()]
    assert said[-5:] == [
        "Iteration 4, loss",
        "Iteration 4, Testing net (#0)",
        "    Test net output #0: accuracy",
        "    Test net output #1: loss",
        "Optimization Done.",
    ]


def test_lr_and_param(make: Any) -> None:
    solver = make(
        "", base='net: "net.prototxt" base_lr: 0.1 lr_policy: "multistep" gamma: 0.1 stepvalue: 2 max_iter: 9 '
    )
    assert (solver.param.max_iter, solver.param.display, solver.param.layer_wise_reduce) == (9, 0, True)
    rates = []
    for _ in range(4):
        rates.append(solver.lr)
        assert solver.lr == rates[-1], "looking changes nothing"
        solver.step(1)
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01])
    solver.param.base_lr = 0.5
    assert solver.lr == pytest.approx(0.05)


def test_apply_update_by_hand(make: Any) -> None:
    """py-faster-rcnn's and others' way: forward, backward, apply_update."""
    one, other = make(), make()
    one.step(3)
    for _ in range(3):
        other.net.clear_param_diffs()
        other.net.forward()
        other.net.backward()
        other.apply_update()
    assert one.iter == other.iter == 3
    for mine, theirs in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_progress_hook(make: Any) -> None:
    solver = make()
    seen: list[tuple[int, int]] = []
    solver.progress = type("Bar", (), {"update": lambda self, N, most, loss: seen.append((N, most))})()
    solver.step(3)
    assert seen == [(1, 20), (2, 20), (3, 20)]


def test_training_learns(make: Any) -> None:
    solver = make("test_iter: 5 test_interval: 1000 snapshot_after_train: false", base=BASE.replace("20", "150"))
    solver.solve()
    accuracy = solver.test()[0][2][0]
    assert accuracy > 0.9


def test_random_seed_repeats_a_run(make: Any) -> None:
    net = NET.replace(
        'layer { name: "tanh"', 'layer { name: "d" type: "Dropout" bottom: "ip1" top: "ip1" } layer { name: "tanh"'
    )
    runs = [make(net=net, base=BASE.replace("random_seed: 5", f"random_seed: {seed}")) for seed in (5, 5, 6)]
    for run in runs:
        run.step(4)
    one, two, three = (weights_of(run)[0] for run in runs)
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)


def test_ranks_differ_and_only_the_first_talks(make: Any, lines: Any) -> None:
    text = "display: 1 test_iter: 1 test_interval: 1"
    first, second = make(text, rank=0, size=2), make(text, rank=1, size=2)
    assert (first.net.streams.seed, second.net.streams.seed) == (5, 6)
    assert len(first.test_nets) == 1 and second.test_nets == []
    lines()
    second.step(2)
    assert [line for line in lines() if "Iteration" in line] == []


def test_set_random_seed_counts_without_random_seed(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minicaffe.rng._default_seed", None)
    set_random_seed(1701)
    solver = make(base='net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" ')
    assert solver.net.streams.seed == 1701


def test_float64(make: Any) -> None:
    solver = make("", dtype=np.float64)
    solver.step(2)
    assert all(h.dtype == np.float64 for h in solver.updater.histories())


def test_the_names_of_pycaffe(folder: Path) -> None:
    (folder / "solver.prototxt").write_text(BASE + 'snapshot_prefix: "s"')
    solver = caffe.SGDSolver("solver.prototxt")
    assert isinstance(solver, Solver) and isinstance(caffe.get_solver("solver.prototxt"), caffe.SGDSolver)
    solver.net.forward()
    assert solver.iter == 0
    solver.step(2)
    solver.snapshot()
    again = caffe.get_solver(str(folder / "solver.prototxt"))
    again.solve(str(folder / "s_iter_2.solverstate"))
    assert again.iter == 20
    for each in (solver, again):
        each.close()


def test_get_solver_of_a_message(make: Any) -> None:
    param = make().param
    other = get_solver(param, folder=".")
    other.step(1)
    other.close()
    assert other.param == param
