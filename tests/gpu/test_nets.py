"""Nets and solvers on a device: what programs see, what travels, snapshots that either device resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicaffe
from minicaffe import device, rng
from minicaffe import ops as package
from minicaffe.errors import DeviceError, NetError
from minicaffe.exhausted import consumers
from minicaffe.inspect import timing
from minicaffe.proto import prototxt, schema
from minicaffe.solver import get_solver
from tests import fakecupy
from tests.detection import mined

NET = """
name: "small"
layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 4 dim: 3 dim: 8 dim: 8 } shape { dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 5 kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = 'base_lr: 0.05 momentum: 0.9 weight_decay: 0.01 lr_policy: "fixed" random_seed: 3 snapshot_prefix: "snap" '


def definition() -> Any:
    return prototxt.parse(NET, schema.NetParameter)


def feed(net: minicaffe.Net, seed: int = 0) -> minicaffe.Net:
    numbers = np.random.Generator(np.random.PCG64(seed))
    net.blobs["data"].data[...] = numbers.standard_normal(net.blobs["data"].shape)
    net.blobs["label"].data[...] = numbers.integers(0, 3, net.blobs["label"].shape)
    return net


def solver(**fields: Any) -> Any:
    param = prototxt.parse(SOLVER, schema.SolverParameter)
    param.net_param.CopyFrom(definition())
    for name, value in fields.items():
        setattr(param, name, value)
    made = get_solver(param)
    feed(made.net)
    return made


def weights(net: minicaffe.Net) -> dict[str, np.ndarray]:
    return {f"{name}/{i}": blob.data.copy() for name, blobs in net.params.items() for i, blob in enumerate(blobs)}


def agree(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], rounding: float = 1e-5) -> None:
    assert ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        assert np.abs(ours[name] - expected).max() <= rounding * max(np.abs(expected).max(), 1), name


# -- what programs see ------------------------------------------------------------------------------------------------


def test_host_and_device_follow_each_other(gpu: Any) -> None:
    blob = minicaffe.Blob((2, 3), xp=gpu.xp)
    assert not blob.has_data
    blob.data[...] = [[1, 2, 3], [4, 5, 6]]
    blob.array[...] *= 2
    np.testing.assert_array_equal(blob.data, [[2, 4, 6], [8, 10, 12]])
    blob.data[0, 0] = 7
    assert float(blob.array[0, 0]) == 7
    blob.array[1, 2] = 9
    assert blob.data[1, 2] == 9
    assert not blob.has_diff
    assert not blob.diff.any()


def test_a_shared_memory_is_one_on_both_sides(gpu: Any) -> None:
    a, b = (minicaffe.Blob((4,), xp=gpu.xp) for _ in range(2))
    b.share_data(a)
    a.data[...] = 3
    assert float(b.array.sum()) == 12
    b.array[0] = 5
    assert a.data[0] == 5
    flat = gpu.xp.zeros(8, np.float32)
    a.data[1] = 6
    a.bind(data=flat[2:6])
    assert flat.get().tolist() == [0, 0, 5, 6, 3, 3, 0, 0]
    assert b.data.tolist() == [5, 6, 3, 3]


def test_editing_leaves_nothing_on_the_host(gpu: Any) -> None:
    blob = minicaffe.Blob((3,), xp=gpu.xp)
    blob.data[...] = [1, 2, 3]
    with blob.edited() as values:
        values += 1
    assert blob.array.get().tolist() == [2, 3, 4]
    assert blob._data._host is None


def test_zero_items(gpu: Any) -> None:
    blob = minicaffe.Blob((0, 3), xp=gpu.xp)
    assert blob.data.shape == blob.array.shape == (0, 3)
    blob.reshape(2, 3)
    assert not blob.data.any()


def test_parameters_are_windows_of_one_flat_array_of_the_device(gpu: Any) -> None:
    net = minicaffe.Net(definition(), phase="TRAIN")
    for param in net.learnable:
        param.blob.data[...] = 2
    total = sum(param.blob.count for param in net.learnable)
    assert float(net.flat_data.sum()) == 2 * total
    net.params["ip"][1].diff[...] = 1
    assert float(net.flat_diff.sum()) == 3
    net.clear_param_diffs()
    assert not net.params["ip"][1].diff.any()


def test_a_net_gives_what_it_gives_on_the_cpu(gpu: Any) -> None:
    with device.using(package.definition()):
        host = feed(minicaffe.Net(definition(), phase="TRAIN", streams=rng.Streams(5)))
        expected = (
            host.forward_backward(),
            weights(host),
            host.blobs["pool"].data.copy(),
            host.blobs["conv"].diff.copy(),
        )
    net = feed(minicaffe.Net(definition(), phase="TRAIN", streams=rng.Streams(5)))
    assert net.forward_backward() == pytest.approx(expected[0], rel=1e-5)
    agree(weights(net), expected[1], 0)
    np.testing.assert_allclose(net.blobs["pool"].data, expected[2], atol=1e-5)
    np.testing.assert_allclose(net.blobs["conv"].diff, expected[3], atol=1e-6)
    assert net.streams.get_state() == host.streams.get_state()


def test_forward_and_backward_by_arrays(gpu: Any) -> None:
    net = minicaffe.Net(definition(), phase="TEST")
    x = np.random.Generator(np.random.PCG64(1)).standard_normal((4, 3, 8, 8))
    out = net.forward(data=x, label=np.zeros(4), blobs=["ip"])
    assert isinstance(out["ip"], np.ndarray)
    assert float(out["loss"]) > 0
    net.blobs["loss"].diff[...] = 2  # the weight of the loss, doubled
    once = net.backward(diffs=["ip"])["ip"].copy()
    net.blobs["loss"].diff[...] = 1
    np.testing.assert_allclose(once, 2 * net.backward(diffs=["ip"])["ip"], rtol=1e-5)
    del net.steps[-1]
    assert net.outputs == ["loss"]
    net.outputs[:] = ["ip"]
    again = net.forward_all(data=np.concatenate([x, x]), label=np.zeros(8))
    np.testing.assert_allclose(again["ip"][4:], out["ip"], rtol=1e-5)


def test_weights_in_and_out(gpu: Any, tmp_path: Path) -> None:
    net = minicaffe.Net(definition(), phase="TEST")
    net.save(tmp_path / "w.caffemodel")
    net.save_hdf5(tmp_path / "w.h5")
    for name in ("w.caffemodel", "w.h5"):
        other = minicaffe.Net(definition(), phase="TEST")
        other.copy_from(tmp_path / name)
        agree(weights(other), weights(net), 0)
        with device.using(package.definition()):
            host = minicaffe.Net(definition(), phase="TEST", weights=tmp_path / name)
        agree(weights(host), weights(net), 0)


def test_a_layer_written_for_pycaffe_sees_numpy(gpu: Any, tmp_path: Path) -> None:
    (tmp_path / "doubling.py").write_text(
        "import minicaffe as caffe\nimport numpy as np\n"
        "class Double(caffe.Layer):\n"
        "    def setup(self, bottom, top):\n        self.blobs.add_blob(1)\n        self.blobs[0].data[...] = 2\n"
        "    def reshape(self, bottom, top):\n        top[0].reshape(*bottom[0].data.shape)\n"
        "    def forward(self, bottom, top):\n"
        "        assert type(bottom[0].data) is np.ndarray\n"
        "        top[0].data[...] = np.multiply(bottom[0].data, self.blobs[0].data)\n"
        "    def backward(self, top, propagate_down, bottom):\n"
        "        self.blobs[0].diff[...] += np.sum(top[0].diff * bottom[0].data)\n"
        "        bottom[0].diff[...] = top[0].diff * self.blobs[0].data\n"
    )
    text = NET.replace('bottom: "pool" top: "ip"', 'bottom: "twice" top: "ip"') + (
        'layer { name: "twice" type: "Python" bottom: "pool" top: "twice" '
        'python_param { module: "doubling" layer: "Double" } }'
    )
    layers = prototxt.parse(text, schema.NetParameter)
    layers.layer.insert(5, layers.layer[7])
    del layers.layer[8]
    found = []
    for operations in (package.definition(), gpu):
        with device.using(operations):
            net = feed(minicaffe.Net(layers, phase="TRAIN", folder=tmp_path, streams=rng.Streams(5)))
            loss = net.forward_backward()
            found.append((loss, net.params["twice"][0].diff.item(), net.blobs["pool"].diff.copy()))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-5)
    assert found[1][1] == pytest.approx(found[0][1], rel=1e-4)
    np.testing.assert_allclose(found[1][2], found[0][2], atol=1e-6)


# -- training ---------------------------------------------------------------------------------------------------------

RULES = {"SGD": {}, "Nesterov": {}, "AdaGrad": {"momentum": 0}, "RMSProp": {"momentum": 0}, "AdaDelta": {}, "Adam": {}}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("more", [{}, {"regularization_type": "L1", "clip_gradients": 0.5, "iter_size": 2}], ids=str)
def test_training_is_that_of_the_cpu(gpu: Any, rule: str, more: dict[str, Any]) -> None:
    found = []
    for operations in (package.definition(), gpu):
        with device.using(operations):
            made = solver(type=rule, delta=1e-4, **RULES[rule], **more)
            made.step(4)
            found.append(weights(made.net))
    agree(found[1], found[0], 2e-5)


@pytest.mark.parametrize("larc", ["larc", "local_lr_auto"])
def test_rates_by_layer(gpu: Any, larc: str) -> None:
    found = []
    for operations in (package.definition(), gpu):
        with device.using(operations):
            made = solver(**{larc: True})
            made.step(2)
            found.append(weights(made.net))
    agree(found[1], found[0], 2e-5)


@pytest.mark.parametrize("first", ["cpu", "gpu"])
@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
def test_either_device_goes_on_where_the_other_stopped(
    gpu: Any, first: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    order = [package.definition(), gpu] if first == "cpu" else [gpu, package.definition()]
    options = {"snapshot_format": schema.SolverParameter.SnapshotFormat.Value(form), "type": "Adam"}
    with device.using(order[0]):
        whole = solver(**options)
        whole.step(3)
        state = whole.snapshot()
        whole.step(3)
    with device.using(order[1]):
        resumed = solver(**options)
        resumed.restore(state)
        resumed.step(3)
        assert resumed.net.streams.get_state() == whole.net.streams.get_state()
    agree(weights(resumed.net), weights(whole.net), 2e-5)


def test_a_lean_net_trains_as_any_other(gpu: Any) -> None:
    found = []
    for lean in (False, True):
        param = prototxt.parse(SOLVER, schema.SolverParameter)
        param.net_param.CopyFrom(definition())
        large = param.net_param.layer[0].input_param.shape[0].dim
        large[:] = [8, 3, 24, 24]
        param.net_param.layer[0].input_param.shape[1].dim[:] = [8]
        made = get_solver(param, lean=lean)
        feed(made.net)
        made.step(3)
        found.append(weights(made.net))
    agree(found[1], found[0], 0)
    with pytest.raises(NetError, match="its values are gone"):
        _ = made.net.blobs["pool"].data


def test_gradients_written_by_a_callback_count(gpu: Any) -> None:
    made = solver(momentum=0, weight_decay=0)
    before = weights(made.net)

    def overwrite() -> None:
        for blobs in made.net.params.values():
            for blob in blobs:
                blob.diff[...] = 1

    made.add_callback(lambda: None, overwrite)
    made.step(1)
    for name, values in weights(made.net).items():
        np.testing.assert_allclose(values, before[name] - 0.05, rtol=1e-5, atol=1e-7)


# -- what travels -----------------------------------------------------------------------------------------------------


def test_mining_keeps_the_regions_on_the_device(gpu: Any) -> None:
    arrays = mined.recorded("twin_small")
    net = mined.net_of(arrays)
    net.forward_backward()
    if gpu.xp is not fakecupy:
        return
    R = len(arrays["in/rois"]) if "in/rois" in arrays else net.blobs["rois"].shape[0]
    step = next(step for step in net.steps if step.param.type == "Python")
    fakecupy.traffic.reset()
    step.forward()
    assert 0 < fakecupy.traffic.down <= R * 4 + 64, "more than the labels came down"
    assert fakecupy.traffic.up == 0


def test_a_step_of_training_moves_hardly_anything(gpu: Any) -> None:
    made = solver()
    made.step(2)
    if gpu.xp is not fakecupy:
        return
    fakecupy.traffic.reset()
    made.step(1)
    assert fakecupy.traffic.down <= 64, "losses and flags alone"
    assert fakecupy.traffic.up <= 64


# -- time and memory --------------------------------------------------------------------------------------------------


def test_layers_are_timed_by_events(gpu: Any) -> None:
    net = feed(minicaffe.Net(definition(), phase="TRAIN"))
    net.forward_backward()
    result = timing.measure(net, 2)
    assert result.iterations == len(result.passes) == 2
    assert all(layer.forward >= 0 for layer in result.layers)
    assert sum(layer.forward for layer in result.layers) == pytest.approx(result.forward)
    assert sum(layer.backward for layer in result.layers) == pytest.approx(result.backward)
    assert result.backward > 0


def test_full_memory_names_who_holds_it(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    net = feed(minicaffe.Net(definition(), phase="TRAIN"))
    net.forward_backward()

    def full(*arguments: Any, **more: Any) -> None:
        raise MemoryError("Out of memory allocating 512 bytes")

    monkeypatch.setattr(net.layer_dict["ip"], "forward", full)
    with pytest.raises(DeviceError) as caught:
        net.forward()
    said = str(caught.value)
    assert "layer 'ip' (InnerProduct): the GPU's memory is full: Out of memory allocating 512 bytes" in said
    assert "MiB  all parameters' data" in said
    assert "MiB  data of 'data', as 4 3 8 8 (768)" in said
    (kept,) = (size for size, what in consumers(net) if "kept for backward" in what and "'drop'" in what)
    assert kept == net.blobs["pool"].count, "a boolean a number"
    assert "--gpu-memory" in said and "iter_size" in said and "MINICAFFE_WORKSPACE" in said
    sizes = [float(line.split()[0]) for line in said.splitlines() if "MiB" in line]
    assert sizes == sorted(sizes, reverse=True)
