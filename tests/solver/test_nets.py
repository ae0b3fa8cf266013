"""Which nets a solver builds: sources, states, counts, weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minicaffe.errors import SolverError
from minicaffe.phase import TEST, TRAIN
from minicaffe.proto import read_net
from minicaffe.solver import get_solver
from tests.solver.conftest import NET, solver_param

RATE = 'base_lr: 0.1 lr_policy: "fixed" snapshot_after_train: false '


def solve_with(text: str) -> Any:
    solver = get_solver(solver_param(RATE + text))
    solver.close()
    return solver


def test_phases(folder: Path) -> None:
    solver = solve_with('net: "net.prototxt" test_iter: 1 test_interval: 1')
    assert solver.net.phase == TRAIN and solver.test_nets[0].phase == TEST
    assert "accuracy" in solver.test_nets[0].blobs and "accuracy" not in solver.net.blobs


def test_every_kind_of_source(folder: Path, lines: Any) -> None:
    inline = NET.replace('"list.txt"', f'"{folder}/list.txt"')
    (folder / "test.prototxt").write_text(NET)
    solver = solve_with(
        f'net_param {{ {inline} }} test_net_param {{ {inline} }} test_net: "test.prototxt" '
        "test_iter: 1 test_iter: 2 test_iter: 3 test_iter: 4 test_interval: 5"
    )
    assert len(solver.test_nets) == 4
    assert [line for line in lines() if line.startswith("Creating t")] == [
        "Creating training net specified in net_param.",
        "Creating test net (#0) specified by test_net_param",
        "Creating test net (#1) specified by test_net file: test.prototxt",
        "Creating test net (#2) specified by net_param",
        "Creating test net (#3) specified by net_param",
    ]
    solver = solve_with(f'train_net_param {{ {inline} }} test_net: "test.prototxt" test_iter: 1 test_interval: 5')
    assert len(solver.test_nets) == 1
    assert "Creating training net specified in train_net_param." in lines()
    solve_with('train_net: "net.prototxt"')
    assert "Creating training net from train_net file: net.prototxt" in lines()


def test_states_are_merged(folder: Path) -> None:
    extra = """
    layer {
      name: "a" type: "Silence" bottom: "label" include { phase: TRAIN stage: "net" stage: "solver" min_level: 2 }
    }
    layer { name: "b" type: "Silence" bottom: "label" include { phase: TEST stage: "net" stage: "one" } }
    layer { name: "c" type: "Silence" bottom: "label" include { phase: TEST stage: "two" } }
    state { stage: "net" level: 1 }
    """
    (folder / "net.prototxt").write_text(NET + extra)
    solver = solve_with(
        'net: "net.prototxt" train_state { stage: "solver" level: 3 } test_iter: 1 test_iter: 1 test_interval: 1 '
        'test_state { stage: "one" } test_state { stage: "two" }'
    )
    names = [set(net.layer_dict) & {"a", "b", "c"} for net in (solver.net, *solver.test_nets)]
    assert names == [{"a"}, {"b"}, {"c"}]


def test_paths_count_from_the_working_directory_then_from_the_solver(folder: Path, monkeypatch: Any) -> None:
    (folder / "solver.prototxt").write_text(RATE + 'net: "net.prototxt"')
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    solver = get_solver("../solver.prototxt")
    solver.step(1)
    solver.close()
    os.remove(folder / "net.prototxt")
    with pytest.raises(
        SolverError, match=r"names the net file 'net\.prototxt', but it is not there: looked in .*elsewhere"
    ):
        get_solver("../solver.prototxt")


def test_paths_may_count_from_a_folder_above_the_solver(folder: Path, monkeypatch: Any) -> None:
    deep = folder / "models" / "deep"
    deep.mkdir(parents=True)
    (deep / "solver.prototxt").write_text(RATE + 'net: "net.prototxt"')
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    solver = get_solver(deep / "solver.prototxt")
    solver.close()
    assert solver.net.learnable


def test_weights_go_into_every_net(make: Any, lines: Any) -> None:
    donor = make()
    donor.net.save("donor.caffemodel")
    donor.net.params["ip2"][1].data[...] = 7
    donor.net.save("second.caffemodel")
    lines()
    solver = make(
        'weights: "donor.caffemodel, second.caffemodel" test_iter: 1 test_interval: 9', weights="donor.caffemodel"
    )
    finetuned = [line for line in lines() if line.startswith("Finetuning")]
    assert finetuned == [f"Finetuning from {f}.caffemodel" for f in ("donor", "donor", "second")]
    for net in (solver.net, solver.test_nets[0]):
        np.testing.assert_array_equal(net.params["ip1"][0].data, donor.net.params["ip1"][0].data)
        assert (net.params["ip2"][1].data == 7).all()


def test_test_nets_use_the_trained_weights(make: Any) -> None:
    solver = make("test_iter: 1 test_interval: 9")
    solver.step(3)
    solver.test()
    np.testing.assert_array_equal(solver.test_nets[0].params["ip1"][0].data, solver.net.params["ip1"][0].data)
    other = make()
    solver.net.share_with(other.net)
    solver.test()
    np.testing.assert_array_equal(solver.test_nets[0].params["ip1"][0].data, other.net.params["ip1"][0].data)


def test_share_weights(make: Any) -> None:
    solver, other = make(), make()
    solver.share_weights(other.net)
    solver.step(1)
    np.testing.assert_array_equal(other.net.params["ip1"][0].data, solver.net.params["ip1"][0].data)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "must specify a train net exactly once"),
        ('net: "a" train_net: "b"', "this one names 2: train_net, net"),
        ('net: "net.prototxt" test_iter: 1', "1 test nets but no test_interval"),
        ('net: "net.prototxt" test_iter: 0 test_interval: 3', "test_iter counts the batches of a test and must be > 0"),
        ('train_net: "net.prototxt" test_iter: 1 test_interval: 3', "there are 0 test nets of their own and 1"),
        ('net: "net.prototxt" test_net: "net.prototxt" test_interval: 3', "there are 1 test nets of their own and 0"),
        (
            'net: "net.prototxt" test_iter: 1 test_iter: 1 test_interval: 3 test_state { }',
            "there are 2 test nets and 1 test_state",
        ),
        ('net: "nett.prototxt"', "the solver names the net file 'nett.prototxt', but it is not there"),
        ('net: "net.prototxt" average_loss: 0', "average_loss must be at least 1, the solver gives 0"),
        ('net: "net.prototxt" iter_size: 0', "iter_size must be at least 1, the solver gives 0"),
    ],
)
def test_refusals(text: str, complaint: str, folder: Path) -> None:
    (folder / "solver.prototxt").write_text(RATE + text)
    with pytest.raises(SolverError) as caught:
        get_solver("solver.prototxt")
    assert complaint in str(caught.value)


def test_the_definition_given_is_left_alone(folder: Path) -> None:
    param = solver_param(RATE + 'net: "net.prototxt"')
    param.net_param.Clear()
    param.ClearField("net_param")
    before = param.SerializeToString()
    solver = get_solver(param)
    solver.param.base_lr = 9
    solver.close()
    assert param.SerializeToString() == before
    assert read_net("net.prototxt").name == "small"
