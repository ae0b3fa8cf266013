"""Definitions of older Caffes brought to today's form: pure functions from message to message.

The steps, their order and their conditions are those of Caffe's upgrade_proto. `origin`, the line a layer was read
from, goes along.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minicaffe import errors
from minicaffe.proto import schema
from minicaffe.proto.upgrade_v0 import is_v0, upgrade_v0

V1_TYPES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ACCURACY": "Accuracy",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss",
    "CONVOLUTION": "Convolution",
    "DATA": "Data",
    "DECONVOLUTION": "Deconvolution",
    "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData",
    "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "EXP": "Exp",
    "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss",
    "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN",
    "POOLING": "Pooling",
    "POWER": "Power",
    "RELU": "ReLU",
    "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence",
    "SLICE": "Slice",
    "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split",
    "TANH": "TanH",
    "THRESHOLD": "Threshold",
    "WINDOW_DATA": "WindowData",
}
"""Name of the V1 enum value -> layer type."""

SOLVER_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}
"""Name of the old solver_type -> type."""

_TRANSFORM_FIELDS = ("scale", "mean_file", "crop_size", "mirror")
_DATA_PARAMS = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}

Step = Callable[[Any, list[str]], Any]


def needs_upgrade(net: Any) -> bool:
    """Tell whether `upgrade_net` would change `net`."""
    return any(needed(net) for needed, _ in _STEPS)


def upgrade_net(net: Any, notes: list[str] | None = None) -> Any:
    """Return NetParameter `net` in today's form; `net` itself stays as it is.

    What an old net said that no longer means anything is dropped with a line in `notes`, or in the log without them.
    Raises PrototxtError where Caffe gives up: unknown V0 types, padding that cannot be folded, `layer` beside `layers`,
    inputs without a shape.
    """
    dropped: list[str] = []
    if net.layer and net.layers:
        raise errors.PrototxtError(
            f"{net.layers[0].origin or net.origin or 'net'}: the net has both 'layers' (old) and 'layer' (new), the "
            f"latter first at {net.layer[0].origin or repr(net.layer[0].name)}; write all of them as 'layer'"
        )
    upgraded = schema.NetParameter()
    upgraded.CopyFrom(net)
    for needed, step in _STEPS:
        if needed(upgraded):
            upgraded = step(upgraded, dropped)
    if notes is not None:
        notes += dropped
    else:
        for note in dropped:
            logging.getLogger("minicaffe").warning("%s", note)
    return upgraded


def upgrade_solver(solver: Any, path: str | Path | None = None) -> Any:
    """Return SolverParameter `solver` in today's form; `solver` itself stays as it is.

    solver_type becomes type. With `path`, the file it was read from, an unset snapshot_prefix becomes that path without
    its extension, and one that names a folder is completed with the file's name. Nets written inside a solver are left
    alone, as in Caffe. Raises SolverError when both solver_type and type are given.
    """
    upgraded = schema.SolverParameter()
    upgraded.CopyFrom(solver)
    if solver.HasField("solver_type"):
        if solver.HasField("type"):
            where = f"{solver.origin}: " if solver.origin else ""
            raise errors.SolverError(
                f"{where}solver_type and type are both given; solver_type is the old form: remove it"
            )
        upgraded.type = SOLVER_TYPES[schema.SolverParameter.SolverType.Name(solver.solver_type)]
        upgraded.ClearField("solver_type")
    if path is not None:
        file = Path(path)
        if not solver.HasField("snapshot_prefix"):
            upgraded.snapshot_prefix = str(file.with_suffix(""))
        elif Path(solver.snapshot_prefix).is_dir() and solver.snapshot_prefix:
            upgraded.snapshot_prefix = str(Path(solver.snapshot_prefix) / file.stem)
    return upgraded


def v1_type(number: int) -> str:
    """Return the layer type of a V1 enum number, the number itself in words where BVLC has none."""
    value = schema.V1LayerParameter.LayerType.DESCRIPTOR.values_by_number.get(number)
    return V1_TYPES[value.name] if value is not None else f"V1 type {number}"


def _has_nested_transform(net: Any) -> bool:
    return any(_nested_transform(layer) for layer in net.layers)


def _nested_transform(layer: Any) -> list[str]:
    """Return the transformation fields that still stand in the data parameter of a V1 layer."""
    param = _DATA_PARAMS.get(schema.V1LayerParameter.LayerType.Name(layer.type))
    return [name for name in _TRANSFORM_FIELDS if getattr(layer, param).HasField(name)] if param else []


def _upgrade_transform(net: Any, notes: list[str]) -> Any:
    """Move scale, mean_file, crop_size and mirror of V1 data layers into transform_param."""
    for layer in net.layers:
        for name in _nested_transform(layer):
            param = getattr(layer, _DATA_PARAMS[schema.V1LayerParameter.LayerType.Name(layer.type)])
            setattr(layer.transform_param, name, getattr(param, name))
            param.ClearField(name)
    return net


def _is_v1(net: Any) -> bool:
    return bool(net.layers)


def _upgrade_v1(net: Any, notes: list[str]) -> Any:
    """Turn `layers` into `layer`: types become strings, four parallel lists become `param`."""
    upgraded = schema.NetParameter()
    schema.copy_fields(net, upgraded, omit=("layers",))
    for old in net.layers:
        new = upgraded.layer.add()
        schema.copy_fields(old, new, omit=("type", "layer", "param", "blob_share_mode", "blobs_lr", "weight_decay"))
        if old.HasField("type"):
            new.type = V1_TYPES[schema.V1LayerParameter.LayerType.Name(old.type)]
        for ours, theirs in (
            ("name", old.param),
            ("share_mode", old.blob_share_mode),
            ("lr_mult", old.blobs_lr),
            ("decay_mult", old.weight_decay),
        ):
            for index, value in enumerate(theirs):
                if index == len(new.param):
                    new.param.add()
                setattr(new.param[index], ours, value)
    return upgraded


def _has_input_fields(net: Any) -> bool:
    return bool(net.input)


def _upgrade_input(net: Any, notes: list[str]) -> Any:
    """Turn `input` with `input_shape` or `input_dim` into an Input layer at the head of the net."""
    upgraded = schema.NetParameter()
    schema.copy_fields(net, upgraded, omit=("input", "input_shape", "input_dim", "layer"))
    # Without any shape, as in old caffemodels, the names are merely dropped.
    if net.input_shape or net.input_dim:
        layer = upgraded.layer.add(name="input", type="Input", top=net.input, origin=net.origin)
        layer.input_param.shape.extend(_input_shapes(net))
    upgraded.layer.extend(net.layer)
    return upgraded


def _input_shapes(net: Any) -> list[Any]:
    where = f"{net.origin}: " if net.origin else ""
    if net.input_shape:
        if len(net.input_shape) < len(net.input):
            raise errors.PrototxtError(
                f"{where}the net has {len(net.input)} input(s), so it needs as many input_shape; "
                f"found {len(net.input_shape)}"
            )
        return list(net.input_shape[: len(net.input)])
    if len(net.input_dim) < 4 * len(net.input):
        raise errors.PrototxtError(
            f"{where}the net has {len(net.input)} input(s), so it needs {4 * len(net.input)} input_dim (num, channels, "
            f"height, width of each); found {len(net.input_dim)}"
        )
    return [schema.BlobShape(dim=net.input_dim[4 * i : 4 * i + 4]) for i in range(len(net.input))]


def _has_old_batch_norm(net: Any) -> bool:
    return any(_is_old_batch_norm(layer) for layer in net.layer)


def _is_old_batch_norm(layer: Any) -> bool:
    """Tell whether a BatchNorm layer gives its three statistics `param` entries with which they would be learnt."""
    learnt = any(param.lr_mult or param.decay_mult for param in layer.param)
    return learnt and layer.type == "BatchNorm" and len(layer.param) == 3


def _upgrade_batch_norm(net: Any, notes: list[str]) -> Any:
    """Keep solvers from changing the running statistics of BatchNorm layers, which are no weights."""
    for layer in filter(_is_old_batch_norm, net.layer):
        for param in layer.param:
            param.lr_mult = 0
            param.decay_mult = 0
    return net


_STEPS: tuple[tuple[Callable[[Any], bool], Step], ...] = (
    (is_v0, upgrade_v0),
    (_has_nested_transform, _upgrade_transform),
    (_is_v1, _upgrade_v1),
    (_has_input_fields, _upgrade_input),
    (_has_old_batch_norm, _upgrade_batch_norm),
)
