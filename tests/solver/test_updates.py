"""The six rules against formulas in plain Python.

First their arithmetic, then whole updates of a least-squares net whose gradients, decay and histories are computed here
once more from the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe import ops
from minicaffe.errors import SolverError
from minicaffe.ops import updates
from minicaffe.ops.updates import Terms
from minicaffe.solver import get_solver
from minicaffe.solver.solver import CLASSES
from minicaffe.solver.updates import RULES, rule_class
from tests.solver.conftest import BASE, NET, solver_param

# -- the arithmetic ---------------------------------------------------------------------------------------------------

Numbers = dict[str, float]


def expected_update(rule: str, g: Any, h: list[Any], n: Numbers) -> Any:
    """What `rule` subtracts for gradient g at rate n["rate"]; the list h gets the new histories. All in float64."""
    rate, momentum, delta = n["rate"], n["momentum"], n["delta"]
    if rule == "SGD":
        h[0] = momentum * h[0] + rate * g
        return h[0]
    if rule == "Nesterov":
        before = h[0]
        h[0] = momentum * before + rate * g
        return (1 + momentum) * h[0] - momentum * before
    if rule == "AdaGrad":
        h[0] = h[0] + g**2
        return rate * g / (np.sqrt(h[0]) + delta)
    if rule == "RMSProp":
        h[0] = n["rms_decay"] * h[0] + (1 - n["rms_decay"]) * g**2
        return rate * g / (np.sqrt(h[0]) + delta)
    if rule == "AdaDelta":
        h[0] = momentum * h[0] + (1 - momentum) * g**2
        u = g * np.sqrt((h[1] + delta) / (h[0] + delta))
        h[1] = momentum * h[1] + (1 - momentum) * u**2
        return rate * u
    assert rule == "Adam"
    beta2, t = n["momentum2"], n["N"] + 1
    h[0] = momentum * h[0] + (1 - momentum) * g
    h[1] = beta2 * h[1] + (1 - beta2) * g**2
    correction = math.sqrt(1 - beta2**t) / (1 - momentum**t)
    return rate * correction * h[0] / (np.sqrt(h[1]) + delta)


FIELDS = {"momentum": 0.8, "delta": 1e-3, "rms_decay": 0.9, "momentum2": 0.99}
NUMBERS: Numbers = {name: float(np.float32(value)) for name, value in FIELDS.items()} | {"rate": 0.03, "N": 4}


def param_for(rule: str, extra: str = "") -> Any:
    fields = {name: value for name, value in FIELDS.items() if name != "momentum" or rule not in ("AdaGrad", "RMSProp")}
    return solver_param(f'type: "{rule}" ' + " ".join(f"{name}: {value}" for name, value in fields.items()) + extra)


@pytest.mark.parametrize("rule", RULES)
@given(seed=st.integers(0, 1000), size=st.integers(1, 40), scale=st.floats(0.1, 2), l2=st.booleans(), l1=st.booleans())
@settings(deadline=None, max_examples=15)
def test_operation(rule: str, seed: int, size: int, scale: float, l2: bool, l1: bool) -> None:
    rng = np.random.default_rng(seed)
    w, g = rng.standard_normal(size), rng.standard_normal(size)
    histories = [rng.uniform(0, 1, size) for _ in range(RULES[rule].slots)]
    terms = Terms(scale, 0.02 * l2, 0.05 * l1)
    expected_h = list(histories)
    step = expected_update(rule, scale * g + terms.l2 * w + terms.l1 * np.sign(w), expected_h, NUMBERS)
    expected_w = w - step

    made = RULES[rule](param_for(rule))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(updates, "BLOCK", 16)  # so that a few numbers already need several blocks
        operation = getattr(ops.definition(), made.operation)
        operation(w, g, *histories, *made.numbers(4, NUMBERS["rate"], NUMBERS["momentum"]), terms)
    np.testing.assert_allclose(w, expected_w, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(g, step, rtol=1e-12, atol=1e-14)
    for found, wanted in zip(histories, expected_h, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("rule", RULES)
def test_operation_keeps_float32(rule: str) -> None:
    arrays = [np.ones(50, np.float32) for _ in range(2 + RULES[rule].slots)]
    made = RULES[rule](param_for(rule))
    getattr(ops.default(), made.operation)(*arrays, *made.numbers(0, 0.1, 0.8), Terms(0.5, 0.1, 0.1))
    assert all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays)


# -- whole updates ----------------------------------------------------------------------------------------------------

ITEMS, NUMBERS_EACH = 8, 3
PARAMS = 'param { name: "w" lr_mult: 1 decay_mult: 1 } param { name: "b" lr_mult: 2 decay_mult: 0.5 }'
FILLED = (
    'inner_product_param { num_output: 1 weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" } }'
)
WHOLE = f"""
layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "y" {PARAMS} {FILLED} }}
"""
SHARED = f"""
layer {{ name: "halves" type: "Slice" bottom: "data" top: "a" top: "c" slice_param {{ axis: 0 }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "a" top: "ya" {PARAMS} {FILLED} }}
layer {{ name: "ip2" type: "InnerProduct" bottom: "c" top: "yc" param {{ name: "w" }} param {{ name: "b" }} {FILLED} }}
layer {{ name: "whole" type: "Concat" bottom: "ya" bottom: "yc" top: "y" concat_param {{ axis: 0 }} }}
"""


def least_squares(batch: int, body: str) -> str:
    return f"""
    layer {{
      name: "data" type: "HDF5Data" top: "data" top: "t" hdf5_data_param {{ source: "ls.txt" batch_size: {batch} }}
    }}
    {body}
    layer {{ name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" }}
    """


@pytest.fixture
def data(folder: Any) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    x, t = rng.standard_normal((ITEMS, NUMBERS_EACH)), rng.standard_normal((ITEMS, 1))
    with h5py.File("ls.h5", "w") as file:
        file["data"], file["t"] = x.astype(np.float32), t.astype(np.float32)
    (folder / "ls.txt").write_text("ls.h5\n")
    return x.astype(np.float32).astype(np.float64), t.astype(np.float32).astype(np.float64)


def gradients(x: np.ndarray, t: np.ndarray, w: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    """Of the Euclidean loss 1/2N Σ (wx + b - t)² over N items."""
    error = x @ w.T + b - t
    return [error.T @ x / len(x), error.sum(0) / len(x)]


EXTRAS = {
    "plain": "",
    "decay": "weight_decay: 0.5",
    "l1": 'weight_decay: 0.5 regularization_type: "L1"',
    "clip": "clip_gradients: 0.2 weight_decay: 0.1",
    "accumulated": "iter_size: 2 weight_decay: 0.1 clip_gradients: 0.9",
}


@pytest.mark.parametrize("body", [WHOLE, SHARED], ids=["one layer", "shared"])
@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("rule", RULES)
def test_updates_of_a_net(rule: str, extra: str, body: str, data: Any, make: Callable[..., Any]) -> None:
    x, t = data
    batch = ITEMS // 2 if extra == "accumulated" else ITEMS
    momentum = "" if rule in ("AdaGrad", "RMSProp") else "momentum: 0.8"
    base = f'net: "net.prototxt" type: "{rule}" base_lr: 0.03 lr_policy: "fixed" random_seed: 1 delta: 1e-3 {momentum}'
    solver = make(f" rms_decay: 0.9 momentum2: 0.99 {EXTRAS[extra]}", net=least_squares(batch, body), base=base)
    p = solver.param
    params = [each.blob.data.astype(np.float64) for each in solver.net.learnable]
    assert [each.shape for each in params] == [(1, NUMBERS_EACH), (1,)]
    history = [[np.zeros_like(w) for _ in range(RULES[rule].slots)] for w in params]
    for N in range(4):
        grads = [g * p.iter_size for g in gradients(x, t, *params)]  # as they are accumulated
        norm = math.sqrt(sum(float((g**2).sum()) for g in grads))
        clip = p.clip_gradients / norm if 0 <= p.clip_gradients < norm else 1.0
        for w, g, h, lr, decay in zip(params, grads, history, (1, 2), (1, 0.5), strict=True):
            strength = p.weight_decay * decay
            g = g * clip / p.iter_size + strength * (np.sign(w) if extra == "l1" else w)
            w -= expected_update(rule, g, h, NUMBERS | {"N": N, "rate": 0.03 * lr})
        solver.step(1)
        for found, wanted in zip(solver.net.learnable, params, strict=True):
            np.testing.assert_allclose(found.blob.data, wanted, rtol=2e-5, atol=1e-6)
        flat = [h[slot] for slot in range(RULES[rule].slots) for h in history]
        for found_h, wanted_h in zip(solver.updater.histories(), flat, strict=True):
            np.testing.assert_allclose(found_h, wanted_h, rtol=1e-4, atol=1e-6)
    if extra == "clip":
        assert clip < 1, "the limit was meant to bite"


@pytest.mark.parametrize("rule", RULES)
def test_iter_size_2_with_half_batches_is_one_whole_batch(rule: str, data: Any, make: Callable[..., Any]) -> None:
    momentum = "" if rule in ("AdaGrad", "RMSProp") else "momentum: 0.9"
    base = f'net: "net.prototxt" type: "{rule}" base_lr: 0.05 lr_policy: "fixed" random_seed: 1 {momentum}'
    results = []
    for batch, size in ((ITEMS, 1), (ITEMS // 2, 2)):
        solver = make(f" weight_decay: 0.1 iter_size: {size}", net=least_squares(batch, WHOLE), base=base)
        solver.step(4)
        results.append([p.blob.data.copy() for p in solver.net.learnable])
    for whole, halves in zip(*results, strict=True):
        np.testing.assert_allclose(whole, halves, rtol=1e-4, atol=1e-6)


def test_the_diff_holds_what_was_subtracted(data: Any, make: Callable[..., Any]) -> None:
    solver = make(net=least_squares(ITEMS, WHOLE))
    before = [p.blob.data.copy() for p in solver.net.learnable]
    solver.step(1)
    for p, was in zip(solver.net.learnable, before, strict=True):
        np.testing.assert_allclose(was - p.blob.data, p.blob.diff, rtol=1e-4, atol=1e-7)
        assert p.blob.diff.any()


def test_clipping_says_so(data: Any, make: Callable[..., Any], lines: Any) -> None:
    solver = make("clip_gradients: 0.01", net=least_squares(ITEMS, WHOLE))
    lines()
    solver.step(1)
    (line,) = [line for line in lines() if line.startswith("Gradient clipping")]
    words = line.replace(")", "").split()
    norm, limit, factor = float(words[7]), float(words[9]), float(words[-1])
    assert line.startswith("Gradient clipping: scaling down gradients (L2 norm ") and ") by scale factor " in line
    assert limit == 0.01 and factor == pytest.approx(limit / norm, rel=1e-4)


# -- parameters that stand still --------------------------------------------------------------------------------------


def test_frozen_parameters_do_not_move_and_own_nothing(make: Callable[..., Any]) -> None:
    frozen = NET.replace("lr_mult: 1 decay_mult: 1", "lr_mult: 0").replace("lr_mult: 2 decay_mult: 0", "lr_mult: 0")
    solver = make("weight_decay: 0.1", net=frozen)
    before = [p.blob.data.copy() for p in solver.net.learnable]
    solver.step(3)
    assert [p.blob.has_diff for p in solver.net.learnable] == [False, False, True, True]
    moved = [not np.array_equal(p.blob.data, was) for p, was in zip(solver.net.learnable, before, strict=True)]
    assert moved == [False, False, True, True]
    histories = solver.updater.histories()
    assert [h.shape for h in histories] == [(5, 6), (5,), (3, 5), (3,)]
    assert [bool(h.any()) for h in histories] == [False, False, True, True]


def test_a_parameter_without_a_gradient_still_decays(make: Callable[..., Any]) -> None:
    """As in Caffe, where the solver visits every learnable parameter, whether or not its layer runs backward."""
    cut = NET.replace('bottom: "ip1" top: "ip2"', 'bottom: "ip1" top: "ip2" propagate_down: false')
    solver = make("weight_decay: 0.5", net=cut)
    w, b = (p.blob.data.copy() for p in solver.net.learnable[:2])
    solver.step(1)
    np.testing.assert_allclose(solver.net.learnable[0].blob.data, w * (1 - 0.1 * 0.5), rtol=1e-5)
    np.testing.assert_array_equal(solver.net.learnable[1].blob.data, b)
    solver.step(1)
    w2 = w * 0.95
    np.testing.assert_allclose(solver.net.learnable[0].blob.data, w2 - (0.9 * 0.05 * w + 0.05 * w2), rtol=1e-5)


# -- rates by layer ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "ratio"),
    [
        ("larc: true larc_eta: 0.02", lambda w, g: 0.1 * (1 - 0.9) * 0.02 * w / g),
        ('larc: true larc_eta: 5 larc_policy: "clip"', lambda w, g: min(0.1, (1 - 0.9) * 5 * w / g)),
        ("local_lr_auto: true local_gw_ratio: 0.02", lambda w, g: 0.1 * 0.02 * w / (g + 0.3 * w)),
    ],
    ids=["larc scale", "larc clip", "local_lr_auto"],
)
def test_rates_by_layer(extra: str, ratio: Any, data: Any, make: Callable[..., Any]) -> None:
    x, t = data
    solver = make(f"weight_decay: 0.3 {extra}", net=least_squares(ITEMS, WHOLE))
    params = [p.blob.data.astype(np.float64) for p in solver.net.learnable]
    solver.step(1)
    for p, w, g, decay in zip(solver.net.learnable, params, gradients(x, t, *params), (1, 0.5), strict=True):
        rate = ratio(np.linalg.norm(w), np.linalg.norm(g))
        np.testing.assert_allclose(p.blob.data, w - rate * (g + 0.3 * decay * w), rtol=1e-5, atol=1e-7)


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_every_rule_has_its_solver_class() -> None:
    assert set(CLASSES) == set(RULES) == {"SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('type: "AdaGrad"', "Momentum cannot be used with AdaGrad"),
        ('type: "RMSProp"', "Momentum cannot be used with RMSProp"),
        ('type: "Adam" momentum2: 1', "Adam needs 0 <= momentum2 < 1, the solver gives 1"),
        ('regularization_type: "L3"', "unknown regularization_type 'L3'"),
        ("larc: true local_lr_auto: true", "keep one of them"),
        ('larc: true larc_policy: "clamp"', "unknown larc_policy 'clamp' (did you mean 'clip'"),
    ],
)
def test_refusals(text: str, complaint: str, make: Callable[..., Any]) -> None:
    with pytest.raises(SolverError) as caught:
        make(text)
    assert complaint in str(caught.value) and "solver.prototxt" in str(caught.value)


def test_rms_decay_must_be_a_fraction() -> None:
    with pytest.raises(SolverError, match=r"0 <= rms_decay < 1, the solver gives 1\.5"):
        RULES["RMSProp"](solver_param('type: "RMSProp" rms_decay: 1.5'))


def test_unknown_type_names_the_nearest() -> None:
    with pytest.raises(SolverError, match=r"unknown solver type 'Adagrad' \(did you mean 'AdaGrad'"):
        rule_class(solver_param('type: "Adagrad"'))


def test_get_solver_returns_the_class_of_the_type(make: Callable[..., Any]) -> None:
    assert type(make('type: "Nesterov"')) is CLASSES["Nesterov"]
    param = make('type: "Adam"').param
    again = get_solver(param)
    assert type(again) is CLASSES["Adam"] and again.param == param
    again.close()


def test_a_class_overrules_the_type(folder: Any) -> None:
    (folder / "solver.prototxt").write_text(BASE + 'type: "Adam"')
    solver = CLASSES["Nesterov"]("solver.prototxt")
    assert solver.param.type == "Nesterov" and type(solver.updater.rule) is RULES["Nesterov"]
    solver.close()
