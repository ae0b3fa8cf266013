"""Fields of forks: those without effect are named, those that would change the result are refused."""

from __future__ import annotations

from typing import Any

import pytest

from minicaffe.errors import PrototxtError, SolverError
from minicaffe.proto import schema
from minicaffe.solver import forks
from tests.solver.conftest import solver_param

BVLC_NUMBERS = 42  # the highest field number of BVLC's SolverParameter

HONOURED = {
    *("plateau_winsize", "stagelr", "stageiter", "stepearly", "test_offset", "disabled_update"),
    *("rampup_interval", "rampup_lr", "min_lr", "warmup_iter", "warmup_start_lr"),
    *("momentum_policy", "max_momentum", "momentum_power"),
    *("weight_decay_policy", "max_weight_decay", "weight_decay_power"),
    *("larc", "larc_policy", "larc_eta", "local_lr_auto", "local_gw_ratio"),
}


def test_every_fork_field_is_accounted_for() -> None:
    fields = schema.SolverParameter.DESCRIPTOR.fields
    forked = {field.name for field in fields if field.number > BVLC_NUMBERS} - {"origin"}
    assert forked == HONOURED | set(forks.WITHOUT_EFFECT)
    assert not HONOURED & set(forks.WITHOUT_EFFECT)


@pytest.mark.parametrize(
    "text",
    ["solver_data_type: FLOAT16", "store_blobs_in_old_format: true", 'engine: "MKL2017"', 'eval_type: "detection"']
    + ['ap_version: "11point"', "show_per_class_result: true", "test_and_snapshot_last_epochs: 3", "larc_turbo: true"],
)
def test_named_if_set(text: str, lines: Any) -> None:
    forks.check(solver_param(text))
    (line,) = lines()
    assert line.startswith(
        f"<string>:1: solver field '{text.split(':', maxsplit=1)[0]}' of a Caffe fork has no effect here: "
    )


def test_silent_at_the_default_and_for_what_works(lines: Any) -> None:
    forks.check(
        solver_param('solver_data_type: FLOAT eval_type: "classification" warmup_iter: 5 min_lr: 0.1 larc: true')
    )
    assert lines() == []


def test_larc_beyond_sgd_is_named(lines: Any) -> None:
    forks.check(solver_param('larc: true type: "Adam"'))
    assert "larc sets rates by layer for type SGD only; Adam runs without it" in lines()[0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("larc: true larc_turbo: true", "larc_turbo is not supported"),
        ('momentum_policy: "poly" type: "Adam"', "momentum_policy 'poly' is for SGD and Nesterov, not for Adam"),
    ],
)
def test_refused(text: str, complaint: str) -> None:
    with pytest.raises(SolverError, match=complaint):
        forks.check(solver_param(text))


def test_a_field_of_no_fork_is_an_error_unless_asked_otherwise(make: Any, lines: Any) -> None:
    with pytest.raises(PrototxtError, match=r"solver\.prototxt:1:.*iter_step"):
        make("iter_step: 2")
    lines()
    solver = make("iter_step: 2", ignore_unknown=True)
    assert solver.param.iter_size == 1 and any("iter_step" in line for line in lines())


def test_disabled_update(make: Any) -> None:
    solver = make("disabled_update: true")
    before = solver.net.params["ip1"][0].data.copy()
    solver.step(3)
    assert solver.iter == 3 and (solver.net.params["ip1"][0].data == before).all()
    assert solver.net.params["ip1"][0].diff.any(), "the gradients are computed"


def test_test_offset(make: Any, lines: Any) -> None:
    solver = make("test_iter: 1 test_interval: 4 test_offset: 1 test_initialization: false")
    lines()
    solver.step(10)
    tested = [line for line in lines() if "Testing net" in line]
    assert tested == [f"Iteration {N}, Testing net (#0)" for N in (1, 5, 9)]
