"""Nets of 2013, `layers { layer { type: "conv" ... } }`, brought to the form of 2014.

All layer types shared one message then, V0LayerParameter, and padding was a layer of its own. The rules are those of
Caffe's upgrade_proto; where Caffe drops a value it cannot place, the drop is noted for the user.
"""

from __future__ import annotations

from typing import Any

from minicaffe import errors
from minicaffe.proto import schema

V0_TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}
"""V0 type -> name of the V1 enum value."""

_PARAM = {
    "concat": "concat_param",
    "conv": "convolution_param",
    "data": "data_param",
    "dropout": "dropout_param",
    "hdf5_data": "hdf5_data_param",
    "images": "image_data_param",
    "infogain_loss": "infogain_loss_param",
    "innerproduct": "inner_product_param",
    "lrn": "lrn_param",
    "pool": "pooling_param",
    "window_data": "window_data_param",
}

# V0 field -> (the types it means something to, its name in the parameter message of that type)
_MOVES: dict[str, tuple[tuple[str, ...], str]] = {
    "num_output": (("conv", "innerproduct"), "num_output"),
    "biasterm": (("conv", "innerproduct"), "bias_term"),
    "weight_filler": (("conv", "innerproduct"), "weight_filler"),
    "bias_filler": (("conv", "innerproduct"), "bias_filler"),
    "pad": (("conv", "pool"), "pad"),
    "kernelsize": (("conv", "pool"), "kernel_size"),
    "stride": (("conv", "pool"), "stride"),
    "group": (("conv",), "group"),
    "pool": (("pool",), "pool"),
    "dropout_ratio": (("dropout",), "dropout_ratio"),
    "local_size": (("lrn",), "local_size"),
    "alpha": (("lrn",), "alpha"),
    "beta": (("lrn",), "beta"),
    "k": (("lrn",), "k"),
    "source": (("data", "hdf5_data", "images", "window_data", "infogain_loss"), "source"),
    "batchsize": (("data", "hdf5_data", "images", "window_data"), "batch_size"),
    "rand_skip": (("data", "images"), "rand_skip"),
    "shuffle_images": (("images",), "shuffle"),
    "new_height": (("images",), "new_height"),
    "new_width": (("images",), "new_width"),
    "concat_dim": (("concat",), "concat_dim"),
    "det_fg_threshold": (("window_data",), "fg_threshold"),
    "det_bg_threshold": (("window_data",), "bg_threshold"),
    "det_fg_fraction": (("window_data",), "fg_fraction"),
    "det_context_pad": (("window_data",), "context_pad"),
    "det_crop_mode": (("window_data",), "crop_mode"),
}

# V0 field -> its name in transform_param, whatever the type
_TRANSFORM = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}
_SAME = ("name", "blobs", "blobs_lr", "weight_decay")
_NET_FIELDS = ("name", "input", "input_dim", "force_backward", "layers", "origin")


def is_v0(net: Any) -> bool:
    """Tell whether any layer of `net` is a V0 layer."""
    return any(layer.HasField("layer") for layer in net.layers)


def upgrade_v0(net: Any, notes: list[str]) -> Any:
    """Return the V0 `net` with V1 layers, padding layers folded into their consumers; what was dropped goes to `notes`.

    Raises PrototxtError at an unknown layer type and at a padding layer that cannot be folded.
    """
    upgraded = schema.NetParameter()
    lost = [field.name for field, _ in net.ListFields() if field.name not in _NET_FIELDS]
    if lost:
        notes.append(f"{net.origin or 'net'}: a V0 net cannot have {', '.join(lost)}: dropped")
    schema.copy_fields(net, upgraded, omit=("layers", *lost))
    upgraded.layers.extend(_v1_layer(layer, notes) for layer in fold_padding(net))
    return upgraded


def fold_padding(net: Any) -> list[Any]:
    """Return copies of the layers of `net` without its padding layers, whose amounts go to the layers that use them."""
    kept = []
    producers: dict[str, Any] = {}
    for layer in net.layers:
        copy = schema.V1LayerParameter()
        copy.CopyFrom(layer)
        for index, bottom in enumerate(layer.bottom):
            padding = producers.get(bottom)
            if padding is not None and padding.layer.type == "padding":
                _check_foldable(padding, layer)
                copy.layer.pad = padding.layer.pad
                copy.bottom[index] = padding.bottom[0]
        if layer.layer.type != "padding":
            kept.append(copy)
        producers.update((top, layer) for top in layer.top)
    return kept


def _check_foldable(padding: Any, consumer: Any) -> None:
    if consumer.layer.type not in ("conv", "pool") or len(consumer.bottom) != 1:
        raise errors.PrototxtError(
            f"{_place(consumer)}: takes the padded blob {padding.top[0]!r} of layer {padding.layer.name!r}, which "
            f"only a conv or pool layer with one bottom can; it has {len(consumer.bottom)}"
        )
    if len(padding.bottom) != 1 or len(padding.top) != 1:
        raise errors.PrototxtError(
            f"{_place(padding)}: a padding layer has one bottom and one top, this has {len(padding.bottom)} and "
            f"{len(padding.top)}"
        )


def _v1_layer(old: Any, notes: list[str]) -> Any:
    """Return the V1 form of one entry of `layers`; an entry that is V1 already is returned as it is."""
    if not old.HasField("layer"):
        return old
    v0 = old.layer
    new = schema.V1LayerParameter(bottom=old.bottom, top=old.top, origin=old.origin)
    schema.copy_fields(v0, new, omit=[field.name for field, _ in v0.ListFields() if field.name not in _SAME])
    if v0.HasField("type"):
        if v0.type not in V0_TYPES:
            near = errors.did_you_mean(v0.type, V0_TYPES)
            raise errors.PrototxtError(f"{_place(old)}: unknown layer type {v0.type!r}{near}")
        new.type = schema.V1LayerParameter.LayerType.Value(V0_TYPES[v0.type])
    lost = [field.name for field, _ in old.ListFields() if field.name not in ("layer", "bottom", "top", "origin")]
    for field, value in v0.ListFields():
        if field.name not in (*_SAME, "type") and not _move(v0.type, field.name, value, new):
            lost.append(field.name)
    if lost:
        notes.append(f"{_place(old)}: has no use for {', '.join(lost)}: dropped")
    return new


def _move(v0_type: str, field: str, value: Any, new: Any) -> bool:
    """Set what V0 `field` means for its type in the V1 layer `new`; tell whether it means anything."""
    if field in _TRANSFORM:
        setattr(new.transform_param, _TRANSFORM[field], value)
    elif field == "hdf5_output_param" and v0_type == "hdf5_output":
        new.hdf5_output_param.CopyFrom(value)
    elif field in _MOVES and v0_type in _MOVES[field][0]:
        param, name = getattr(new, _PARAM[v0_type]), _MOVES[field][1]
        if field in ("weight_filler", "bias_filler"):
            getattr(param, name).CopyFrom(value)
        elif v0_type == "conv" and field in ("pad", "kernelsize", "stride"):
            getattr(param, name).append(value)
        else:
            setattr(param, name, value)
    else:
        return False
    return True


def _place(layer: Any) -> str:
    where = f"{layer.origin}: " if layer.origin else ""
    return f"{where}layer {layer.layer.name!r} ({layer.layer.type})"
