"""The NaN guard: it names the layer where it began, in each mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minicaffe.errors import SolverError
from minicaffe.solver.guard import SATURATED, Guard, diagnose, statistics


def poison(solver: Any, layer: str, index: int = 0) -> None:
    solver.net.params[layer][index].data.flat[0] = np.nan


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_warns_once_and_names_the_layer(make: Any, lines: Any) -> None:
    solver = make()
    poison(solver, "ip2")
    solver.step(2)
    (warning,) = [line for line in lines() if "first not finite" in line]
    assert warning.startswith("Iteration 0: the loss is nan")
    assert "parameter 0 of net.prototxt:" in warning and "layer 'ip2' (InnerProduct)" in warning
    assert "bottom[0] 'ip1': shape (4, 5), from " in warning and "1 NaN" in warning


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_stop_leaves_the_weights_of_before(make: Any) -> None:
    solver = make(nan="stop")
    solver.step(1)
    before = solver.net.params["ip2"][0].data.copy()
    poison(solver, "ip1", 1)
    with pytest.raises(SolverError, match=r"Iteration 1: the loss is nan.\n  first not finite: parameter 1 of .*'ip1'"):
        solver.step(1)
    np.testing.assert_array_equal(solver.net.params["ip2"][0].data, before)
    assert solver.iter == 1


def test_warns_again_after_recovering_only(make: Any, lines: Any) -> None:
    guard = Guard(make().net)
    lines()
    for N, loss in enumerate([np.nan, np.nan, 1.0, np.inf, np.inf]):
        guard.check_loss(N, loss)
        guard.check_gradient(N, lambda: 1.0)
    assert [line.split(".")[0] for line in lines()] == ["Iteration 0: the loss is nan", "Iteration 3: the loss is inf"]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_ignore(make: Any, lines: Any) -> None:
    solver = make(nan="ignore")
    poison(solver, "ip2")
    solver.step(2)
    assert solver.iter == 2 and not any("finite" in line for line in lines())


def test_a_gradient_that_is_not_finite_is_found(make: Any) -> None:
    solver = make(nan="stop")
    solver.net.after_backward(lambda i: solver.net.params["ip1"][0].diff.fill(np.inf) if i == 1 else None)
    with pytest.raises(SolverError) as caught:
        solver.step(1)
    text = str(caught.value)
    assert "the L2 norm of the gradient is inf" in text and "diff of parameter 0 of" in text and "'ip1'" in text
    assert "30 inf" in text


def test_overflow_of_the_norm_alone(make: Any) -> None:
    solver = make(nan="stop")
    solver.net.after_backward(lambda i: solver.net.params["ip1"][0].diff.fill(1e30) if i == 0 else None)
    with pytest.raises(SolverError, match="the sum of the squares overflows"):
        solver.step(1)


def test_a_bottom_diff_is_found() -> None:
    class Step:
        def __init__(self, bottom: Any, top: Any, name: str):
            self.bottom, self.top, self.propagate_down, self.runs_backward = [bottom], [top], [True], True
            self.param = type("P", (), {"name": name, "type": "ReLU", "origin": "x.prototxt:3"})
            self.layer = type("L", (), {"blobs": []})

    class Blob:
        def __init__(self, name: str, diff: float):
            self.name, self.has_diff, self.gone, self.data, self.diff = name, True, False, np.ones(2), np.full(2, diff)

    a, b, c = Blob("a", np.nan), Blob("b", np.nan), Blob("c", 1.0)
    net = type("N", (), {"steps": [Step(a, b, "low"), Step(b, c, "high")]})
    assert "diff of bottom[0] 'b' of x.prototxt:3: layer 'high'" in diagnose(net)


def test_saturated_softmax_gets_a_hint_once(make: Any, lines: Any) -> None:
    solver = make()
    guard = Guard(solver.net)
    guard.check_loss(7, SATURATED)
    guard.check_loss(8, SATURATED)
    (line,) = [each for each in lines() if "saturated" in each]
    assert line.startswith("Iteration 7: a loss of 87.34")


def test_unknown_mode() -> None:
    with pytest.raises(SolverError, match=r"nan 'wan' is not known \(did you mean 'warn'"):
        Guard(None, "wan")


def test_statistics() -> None:
    x = np.array([1.0, -3.0, np.nan, np.inf, -np.inf])
    assert statistics(x) == "shape (5,), from -3 to 1, mean |x| 2, 1 NaN, 2 inf"
    assert statistics(np.full(2, np.nan)) == "shape (2,), 2 NaN"
