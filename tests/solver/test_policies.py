"""Every rate policy against its formula, what advances its step, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import pytest

from minicaffe.errors import SolverError
from minicaffe.solver.policies import POLICIES, Schedule
from tests.solver.conftest import solver_param

FORMULAS = {
    'lr_policy: "fixed"': lambda N: 0.1,
    'lr_policy: "step" gamma: 0.5 stepsize: 7': lambda N: 0.1 * 0.5 ** math.floor(N / 7),
    'lr_policy: "exp" gamma: 0.98': lambda N: 0.1 * 0.98**N,
    'lr_policy: "inv" gamma: 0.01 power: 0.75': lambda N: 0.1 * (1 + 0.01 * N) ** -0.75,
    'lr_policy: "multistep" gamma: 0.1 stepvalue: 8 stepvalue: 15': lambda N: 0.1 * 0.1 ** ((N >= 8) + (N >= 15)),
    'lr_policy: "poly" power: 1.5 max_iter: 30': lambda N: 0.1 * (1 - N / 30) ** 1.5,
    'lr_policy: "sigmoid" gamma: 0.3 stepsize: 12': lambda N: 0.1 / (1 + math.exp(-0.3 * (N - 12))),
    'lr_policy: "multifixed" stagelr: 0.3 stageiter: 4 stagelr: 0.2 stageiter: 9': lambda N: 0.3 if N <= 4 else 0.2,
    'lr_policy: "fixed" warmup_iter: 10 warmup_start_lr: 0.02': lambda N: 0.02 + 0.08 * min(N, 10) / 10,
    'lr_policy: "fixed" rampup_interval: 8 rampup_lr: 0.01': lambda N: 0.01 + 0.09 * min(1, N / 8) ** 2,
    'lr_policy: "exp" gamma: 0.5 min_lr: 0.03': lambda N: max(0.03, 0.1 * 0.5**N),
    'lr_policy: "poly" power: 2 max_iter: 30 min_lr: 0.02': lambda N: 0.08 * (1 - N / 30) ** 2 + 0.02,
}


def schedule(text: str) -> Schedule:
    return Schedule(solver_param(f"base_lr: 0.1 {text}"))


@pytest.mark.parametrize("text", FORMULAS)
def test_formula(text: str) -> None:
    made = schedule(text)
    for N in range(30):
        assert made.rate(N) == pytest.approx(FORMULAS[text](N), rel=1e-5), N


def test_every_policy_is_covered() -> None:
    tested = {text.split('"')[1] for text in FORMULAS} | {"plateau", "stepearly"}
    assert tested == set(POLICIES)


def test_step_counts_its_steps() -> None:
    made = schedule('lr_policy: "step" gamma: 0.5 stepsize: 7')
    made.rate(22)
    assert made.progress.current_step == 3


def test_multistep_takes_one_step_an_iteration(lines: Any) -> None:
    made = schedule('lr_policy: "multistep" gamma: 0.1 stepvalue: 3 stepvalue: 3 stepvalue: 5')
    rates = [made.rate(N) for N in (6, 7, 8, 9)]
    assert rates == pytest.approx([1e-2, 1e-3, 1e-4, 1e-4], rel=1e-5)
    assert lines() == [f"MultiStep Status: Iteration {N}, step = {k}" for N, k in ((6, 1), (7, 2), (8, 3))]


def test_multistep_in_unsorted_order_waits_for_the_larger_value() -> None:
    made = schedule('lr_policy: "multistep" gamma: 0.1 stepvalue: 9 stepvalue: 2')
    assert [made.rate(N) for N in (2, 8, 9, 10)] == pytest.approx([0.1, 0.1, 0.01, 0.001], rel=1e-5)


def test_peek_leaves_the_schedule_alone(lines: Any) -> None:
    made = schedule('lr_policy: "multistep" gamma: 0.1 stepvalue: 3')
    assert made.peek(3) == made.peek(3) == pytest.approx(0.01, rel=1e-5)
    assert made.progress.current_step == 0 and lines() == []
    assert made.rate(3) == made.peek(4)


def test_poly_stays_at_zero_beyond_max_iter() -> None:
    assert schedule('lr_policy: "poly" power: 0.9 max_iter: 10').rate(12) == 0.0


def test_sigmoid_far_before_its_middle_is_zero() -> None:
    assert schedule('lr_policy: "sigmoid" gamma: 5 stepsize: 100000').rate(0) == pytest.approx(0.0, abs=1e-300)


def test_plateau_steps_when_the_loss_stands_still(lines: Any) -> None:
    made = schedule('lr_policy: "plateau" gamma: 0.1 plateau_winsize: 3 plateau_winsize: 4')
    losses = [5.0, 4.0, 4.0, 4.0, 4.5, 3.0, 3.5, 3.5, 3.5, 3.5, 3.5]
    rates = [made.rate(N, loss) for N, loss in enumerate(losses)]
    # Minima at 1 and 5; a step three iterations after the first, the next four after the second.
    assert rates == pytest.approx([0.1] * 4 + [0.01] * 5 + [0.001] * 2, rel=1e-5)
    assert lines() == ["Plateau Status: Iteration 4, step = 1", "Plateau Status: Iteration 9, step = 2"]
    assert made.progress.minimum_loss == 3.0 and made.progress.iter_last_event == 9
    assert made.rate(1000, 9.0) == pytest.approx(0.001, rel=1e-5), "no more windows: the rate stays"


def test_stepearly_steps_after_tests_without_a_better_score() -> None:
    made = schedule('lr_policy: "stepearly" gamma: 0.9 stepearly: 2 test_interval: 5 test_iter: 1')
    rates = []
    for N, score in enumerate([0.5, 0.6, 0.6, 0.55, 0.7, 0.7, 0.7, 0.1]):
        made.tested(score)
        rates.append(made.rate(N))
    steps = [0, 0, 0, 1, 1, 1, 2, 2]
    assert rates == pytest.approx([0.1 * 0.9**k for k in steps], rel=1e-5)


def test_momentum_follows_the_rate_of_a_warm_up() -> None:
    made = schedule('lr_policy: "fixed" momentum: 0.9 warmup_iter: 4 warmup_start_lr: 0.02')
    rates = [0.02, 0.04, 0.06, 0.08, 0.1]
    found = [made.momentum(N, made.rate(N)) for N in range(5)]
    assert found == pytest.approx([0.9, 0.9 * 2, 0.9 * 1.5, 0.9 * 8 / 6, 0.9], rel=1e-5)
    assert [made.rate(N) for N in range(5)] == pytest.approx(rates, rel=1e-5)


def test_momentum_survives_a_warm_up_from_zero() -> None:
    made = schedule('lr_policy: "fixed" momentum: 0.9 warmup_iter: 4')
    assert [made.momentum(N, made.rate(N)) for N in (0, 1)] == pytest.approx([0.9, 0.9], rel=1e-5)


@pytest.mark.parametrize(
    ("text", "momentum"),
    [
        ('momentum_policy: "fixed"', 0.9),
        ('momentum_policy: "poly" max_momentum: 0.98 momentum_power: 2', 0.9 + 0.08 * 0.25),
        ('momentum_policy: "opt"', (1 - 0.5 * math.sqrt(0.1)) ** 2),
        ('momentum_policy: "opt" max_momentum: 0.5', 0.5),
    ],
)
def test_momentum_policies(text: str, momentum: float) -> None:
    made = schedule(f'lr_policy: "fixed" momentum: 0.9 max_iter: 20 {text}')
    assert made.momentum(10, made.rate(10)) == pytest.approx(momentum, rel=1e-5)


def test_weight_decay_policies() -> None:
    assert schedule('lr_policy: "fixed" weight_decay: 0.01').weight_decay(10) == pytest.approx(0.01)
    text = 'lr_policy: "fixed" weight_decay: 0.01 max_weight_decay: 0.05 max_iter: 20 weight_decay_policy: "poly"'
    assert schedule(text).weight_decay(10) == pytest.approx(0.03)


def test_state_round_trip() -> None:
    made = schedule('lr_policy: "plateau" gamma: 0.1 plateau_winsize: 3')
    for N in range(3):
        made.rate(N, 1.0)
    other = schedule('lr_policy: "plateau" gamma: 0.1 plateau_winsize: 3')
    other.set_state(made.get_state())
    assert other.progress == made.progress
    assert other.rate(3, 2.0) == made.rate(3, 2.0) == pytest.approx(0.01, rel=1e-5)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no lr_policy"),
        ('lr_policy: "mutistep"', "unknown lr_policy 'mutistep' (did you mean 'multistep'"),
        ('lr_policy: "step" gamma: 0.1', "'step' needs stepsize > 0; the solver gives stepsize 0"),
        ('lr_policy: "exp" gamma: -1', "'exp' needs gamma >= 0; the solver gives gamma -1"),
        ('lr_policy: "poly" power: 1', "'poly' needs max_iter > 0; the solver gives max_iter 0"),
        ('lr_policy: "poly" max_iter: 9 min_lr: 3', "needs base_lr >= min_lr; the solver gives base_lr 0.1, min_lr 3"),
        ('lr_policy: "plateau" gamma: 0.1', "needs at least one plateau_winsize; the solver gives plateau_winsize []"),
        ('lr_policy: "stepearly" gamma: 0.1 test_interval: 3 test_iter: 1', "needs stepearly > 0"),
        ('lr_policy: "stepearly" gamma: 0.1 stepearly: 3', "needs a test net"),
        ('lr_policy: "multifixed" stagelr: 1', "as many stageiter as stagelr"),
        ('lr_policy: "fixed" momentum_policy: "polly"', "unknown momentum_policy 'polly' (did you mean 'poly'"),
        ('lr_policy: "fixed" weight_decay_policy: "exp"', "unknown weight_decay_policy 'exp'"),
    ],
)
def test_refusals(text: str, complaint: str) -> None:
    with pytest.raises(SolverError) as caught:
        schedule(text)
    assert complaint in str(caught.value)
