"""Snapshots: both formats, exact continuation, what Caffe finds in our files, and files that are none."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from minicaffe.errors import SolverError, WeightsError
from minicaffe.proto import parse, read_net, schema, wire
from minicaffe.proto.wire import StoredState
from minicaffe.solver import get_solver, latest_snapshot
from minicaffe.solver.snapshot import read
from tests.solver.conftest import NET, solver_param, weights_of

# Everything random or stateful that a run may depend on: shuffled data, dropout, a test net of its own.
RANDOM_NET = NET.replace("batch_size: 4", "batch_size: 4 shuffle: true").replace(
    'layer { name: "tanh"',
    'layer { name: "drop" type: "Dropout" bottom: "ip1" top: "ip1" } layer { name: "tanh"',
)
FORMATS = {"BINARYPROTO": ("", "solverstate"), "HDF5": (".h5", "solverstate.h5")}
RULES = ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"]


def text_for(rule: str, format: str = "BINARYPROTO") -> str:
    momentum = "" if rule in ("AdaGrad", "RMSProp") else "momentum: 0.9"
    return (
        f'net: "net.prototxt" type: "{rule}" base_lr: 0.05 {momentum} weight_decay: 0.01 lr_policy: "step" gamma: 0.5 '
        f'stepsize: 6 max_iter: 20 snapshot_prefix: "snap" snapshot_format: {format} average_loss: 7 display: 1 '
        "test_iter: 2 test_interval: 5 snapshot_after_train: false "
    )


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("rule", RULES)
def test_20_iterations_are_10_and_10_resumed(rule: str, format: str, make: Any) -> None:
    """Bit for bit: weights, histories, the rate, the smoothed loss."""
    straight = make(net=RANDOM_NET, base=text_for(rule, format) + "random_seed: 4 ")
    straight.step(20)
    first = make(net=RANDOM_NET, base=text_for(rule, format) + "random_seed: 4 ")
    first.step(10)
    path = first.snapshot()
    assert str(path) == f"snap_iter_10.{FORMATS[format][1]}"
    second = make(net=RANDOM_NET, base=text_for(rule, format))  # another seed: the snapshot brings the streams
    second.restore(path)
    assert second.iter == 10
    second.step(10)
    for one, other in zip(weights_of(straight), weights_of(second), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(straight.updater.histories(), second.updater.histories(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert straight.lr == second.lr and straight.smoothed.value == second.smoothed.value


def test_the_log_continues_as_if_never_interrupted(make: Any, lines: Any) -> None:
    def told() -> list[str]:
        kept = [line for line in lines() if " = " in line and not line.startswith("Weights")]
        return [line.split("(")[0] + line.split("iters)")[-1] if "iters)" in line else line for line in kept]

    straight = make(net=RANDOM_NET, base=text_for("SGD") + "random_seed: 4 ")
    told()
    straight.step(20)
    wanted = told()
    first = make(net=RANDOM_NET, base=text_for("SGD") + "random_seed: 4 ")
    told()
    first.step(10)
    found = told()
    path = first.snapshot()
    second = make(net=RANDOM_NET, base=text_for("SGD"))
    second.restore(path)
    told()
    second.step(10)
    assert found + told() == wanted and len(wanted) > 60


def test_multistep_and_plateau_continue_in_the_middle(make: Any, lines: Any) -> None:
    for policy in ('lr_policy: "multistep" stepvalue: 3 stepvalue: 12', 'lr_policy: "plateau" plateau_winsize: 2'):
        base = f'net: "net.prototxt" base_lr: 0.05 gamma: 0.1 random_seed: 4 snapshot_prefix: "snap" {policy} '
        straight, first, second = (make(base=base) for _ in range(3))
        straight.step(14)
        first.step(8)
        second.restore(first.snapshot())
        assert second.schedule.progress == first.schedule.progress
        second.step(6)
        assert second.schedule.progress == straight.schedule.progress
        np.testing.assert_array_equal(weights_of(second)[0], weights_of(straight)[0])
    assert read("snap_iter_8.solverstate").minimum_loss is not None


def test_stepearly_remembers_its_best_test(make: Any) -> None:
    base = (
        'net: "net.prototxt" base_lr: 0.1 lr_policy: "stepearly" gamma: 0.5 stepearly: 2 test_iter: 1 test_interval: 9 '
    )
    first, second = (make('snapshot_prefix: "s"', base=base) for _ in range(2))
    for score in (0.5, 0.8, 0.7):
        first.schedule.tested(score)
    second.restore(first.snapshot())
    second.schedule.tested(0.75)
    assert second.schedule.rate(0) == pytest.approx(0.05)


def test_snapshot_interval_and_after_train(make: Any, folder: Path) -> None:
    base = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 6 '
    make('snapshot: 4 snapshot_prefix: "out/s"', base=base).solve()
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "s_iter_4.caffemodel",
        "s_iter_4.solverstate",
        "s_iter_6.caffemodel",
        "s_iter_6.solverstate",
    ]
    make('snapshot: 3 snapshot_prefix: "again/s"', base=base).solve()
    assert len(list((folder / "again").iterdir())) == 4, "iteration 6 is saved once, not twice"


def test_solve_resumes(make: Any) -> None:
    base = 'net: "net.prototxt" base_lr: 0.05 lr_policy: "fixed" max_iter: 9 random_seed: 2 snapshot_prefix: "s" '
    straight, first, second = (make(base=base) for _ in range(3))
    straight.solve()
    first.step(4)
    second.solve(resume_file=first.snapshot())
    assert second.iter == 9
    np.testing.assert_array_equal(weights_of(second)[0], weights_of(straight)[0])


def test_what_caffe_finds_in_the_binary_file(make: Any) -> None:
    solver = make('type: "Adam" snapshot_prefix: "s" snapshot_diff: true')
    solver.step(3)
    state = wire.read_solverstate(solver.snapshot())
    assert (state.iter, state.learned_net, state.current_step) == (3, "s_iter_3.caffemodel", 0)
    shapes = [p.blob.shape for p in solver.net.learnable]
    assert [h.shape for h in state.history] == shapes * 2, "first moments of all parameters, then second ones"
    assert all((h >= 0).all() for h in state.history[4:]) and not all((h >= 0).all() for h in state.history[:4])
    (layer,) = [each for each in wire.read_weights("s_iter_3.caffemodel", diffs=True).layers if each.name == "ip1"]
    np.testing.assert_array_equal(layer.blobs[0].data, solver.net.params["ip1"][0].data)
    np.testing.assert_array_equal(layer.blobs[0].diff, solver.net.params["ip1"][0].diff)


def test_what_caffe_finds_in_the_hdf5_file(make: Any) -> None:
    solver = make('snapshot_format: HDF5 snapshot_prefix: "s" snapshot_diff: true')
    solver.step(3)
    path = solver.snapshot()
    with h5py.File(path) as file:
        assert file["iter"].shape == file["current_step"].shape == (1,) and file["iter"].dtype == np.int32
        assert file["iter"][0] == 3
        kind = file["learned_net"].id.get_type()
        assert kind.get_size() == len("s_iter_3.caffemodel.h5") + 1 and not kind.is_variable_str()
        assert file["learned_net"][()] == b"s_iter_3.caffemodel.h5"
        assert sorted(file["history"]) == ["0", "1", "2", "3"]
        np.testing.assert_array_equal(file["history/0"][()], solver.updater.histories()[0])
    with h5py.File("s_iter_3.caffemodel.h5") as file:
        np.testing.assert_array_equal(file["diff/ip1/0"][()], solver.net.params["ip1"][0].diff)


@pytest.mark.parametrize("format", FORMATS)
def test_a_snapshot_of_caffe_restarts_data_and_randomness(format: str, make: Any, folder: Path, lines: Any) -> None:
    solver = make(f'snapshot_prefix: "s" snapshot_format: {format}')
    solver.step(2)
    path = solver.snapshot()
    if format == "HDF5":
        with h5py.File(path, "a") as file:
            del file["minicaffe_state"]
    else:
        state = read(path)
        state.minicaffe_state = b""
        state.history = [h.copy() for h in state.history]
        wire.write_solverstate(path, state)
    lines()
    other = make('snapshot_prefix: "s"')
    other.restore(path)
    assert other.iter == 2 and any("start anew" in line for line in lines())
    np.testing.assert_array_equal(other.updater.histories()[0], solver.updater.histories()[0])


def test_weights_are_found_beside_the_state_file(make: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solver = make('snapshot_prefix: "deep/s"')
    solver.step(1)
    path = solver.snapshot()
    expected = weights_of(solver)
    os.rename("deep", "moved")
    other = make()
    other.restore(Path("moved") / path.name)
    np.testing.assert_array_equal(weights_of(other)[0], expected[0])
    os.remove("moved/s_iter_1.caffemodel")
    with pytest.raises(
        WeightsError, match=r"found neither 'deep/s_iter_1\.caffemodel' nor 'moved/s_iter_1\.caffemodel'"
    ):
        other.restore(Path("moved") / path.name)


def test_latest_snapshot(folder: Path) -> None:
    assert latest_snapshot("out/s") is None
    for name in ("s_iter_9", "s_iter_100", "s_iter_2000", "s_iter_20", "sss_iter_5000"):
        Path(f"{name}.solverstate").touch()
        if "2000" not in name:
            Path(f"{name}.caffemodel").touch()
    Path("s_iter_300.solverstate.h5").touch()
    assert latest_snapshot("s") == Path("s_iter_100.solverstate"), "2000 and 300 have no weights beside them"
    Path("s_iter_300.caffemodel.h5").touch()
    assert latest_snapshot(folder / "s") == folder / "s_iter_300.solverstate.h5"


def test_nothing_is_half_written(make: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solver = make('snapshot_prefix: "s"')
    path = solver.snapshot()
    before = path.read_bytes()

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises((OSError, WeightsError)):
        solver.snapshot()
    assert path.read_bytes() == before
    assert not list(folder.glob("*.part"))


# -- files that do not fit --------------------------------------------------------------------------------------------


def test_history_of_another_solver_type(make: Any) -> None:
    adam = make('type: "Adam" snapshot_prefix: "s"')
    adam.step(1)
    path = adam.snapshot()
    sgd = make()
    with pytest.raises(SolverError) as caught:
        sgd.restore(path)
    text = str(caught.value)
    assert text.startswith("s_iter_1.solverstate: Incorrect length of history blobs.")
    assert "holds 8; SGD over 4 learnable parameters needs 4" in text and "(AdaDelta or Adam)" in text
    assert sgd.iter == 0, "nothing was taken up"


def test_history_of_another_net(make: Any) -> None:
    solver = make()
    histories = [np.zeros(p.blob.shape, np.float32) for p in solver.net.learnable]
    wire.write_solverstate("odd.solverstate", StoredState(iter=1, history=histories[:3]))
    with pytest.raises(SolverError, match=r"holds 3; SGD over 4 .* needs 4: .* for another net"):
        solver.restore("odd.solverstate")
    histories[2] = histories[2].T.copy()
    wire.write_solverstate("turned.solverstate", StoredState(iter=1, history=histories))
    with pytest.raises(
        SolverError, match=r"history 2 has shape \(5, 3\), but parameter 'ip2\[0\]' .* has shape \(3, 5\)"
    ):
        solver.restore("turned.solverstate")


def test_legacy_four_axes_fit(make: Any) -> None:
    solver = make()
    histories = [np.full((1,) * (4 - p.blob.data.ndim) + p.blob.shape, 0.5, np.float32) for p in solver.net.learnable]
    wire.write_solverstate("old.solverstate", StoredState(iter=7, history=histories))
    solver.restore("old.solverstate")
    assert solver.iter == 7 and all((h == 0.5).all() for h in solver.updater.histories())


def test_weights_given_as_snapshot(make: Any) -> None:
    solver = make('snapshot_prefix: "s"')
    solver.snapshot()
    with pytest.raises(WeightsError, match=r"expected a snapshot .* but this is a \.caffemodel"):
        solver.restore("s_iter_0.caffemodel")
    h5 = make('snapshot_prefix: "s" snapshot_format: HDF5')
    h5.snapshot()
    with pytest.raises(WeightsError, match=r"expected a snapshot .* but this is weights \(a \.caffemodel\.h5\)"):
        h5.restore("s_iter_0.caffemodel.h5")
    with h5py.File("strange.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(WeightsError, match="but this is something else"):
        h5.restore("strange.h5")


def test_a_missing_snapshot_names_the_latest(make: Any) -> None:
    solver = make('snapshot_prefix: "s"')
    with pytest.raises(WeightsError, match=r"there is no snapshot 's_iter_9\.solverstate'$"):
        solver.restore("s_iter_9.solverstate")
    solver.snapshot()
    with pytest.raises(WeightsError, match=r"the latest one there is 's_iter_0\.solverstate'"):
        solver.restore("s_iter_9.solverstate")


def test_snapshot_needs_a_place(folder: Path, make: Any) -> None:
    (folder / "file").touch()
    with pytest.raises(SolverError, match="Cannot write to snapshot prefix 'file/s'"):
        make('snapshot: 1 snapshot_prefix: "file/s"')
    make('snapshot: 1 snapshot_prefix: "new/s"')
    assert list((folder / "new").iterdir()) == [], "the probe is gone"


def test_our_state_is_json(make: Any) -> None:
    solver = make('snapshot_prefix: "s"')
    solver.step(1)
    ours = json.loads(read(solver.snapshot()).minicaffe_state)
    assert set(ours) == {"rank", "net", "test_nets", "smoothed", "schedule"}


def test_the_genuine_lenet_snapshot(shared: Path, folder: Path) -> None:
    """A .solverstate of 2014 with four-axis histories, and its weights beside it under another working directory."""
    model = shared / "models" / "lenet_mnist_2014"
    param = solver_param('base_lr: 0.01 momentum: 0.9 lr_policy: "inv" gamma: 0.0001 power: 0.75')
    param.net_param.CopyFrom(read_net(model / "lenet_train_test.prototxt"))
    trained = [layer for layer in param.net_param.layer if layer.type != "Data"]
    del param.net_param.layer[:]
    data = """
    type: "DummyData" top: "data" top: "label"
    dummy_data_param { shape { dim: 2 dim: 1 dim: 28 dim: 28 } shape { dim: 2 } }
    """
    param.net_param.layer.extend([parse(data, schema.LayerParameter), *trained])
    solver = get_solver(param)
    solver.restore(model / "lenet_iter_5000.solverstate")
    assert solver.iter == 5000 and solver.lr == pytest.approx(0.01 * 1.5**-0.75, rel=1e-5)
    assert all(h.any() for h in solver.updater.histories())
    (conv1,) = [each for each in wire.read_weights(model / "lenet_iter_5000.caffemodel").layers if each.name == "conv1"]
    np.testing.assert_array_equal(solver.net.params["conv1"][0].data, conv1.blobs[0].data)
    solver.step(1)
    solver.close()


def test_a_snapshot_at_the_end_says_that_nothing_is_left(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    solver = make('snapshot_prefix: "s"')
    solver.solve()
    assert "nothing is left" not in caplog.text
    make('snapshot_prefix: "s"').solve("s_iter_20.solverstate")
    assert "nothing is left to train: s_iter_20.solverstate stands at iteration 20, max_iter is 20" in caplog.text
