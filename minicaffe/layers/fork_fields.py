"""Fields that some fork of Caffe added and that change what stock layers compute: refused, never ignored."""

from __future__ import annotations

from typing import Any

from minicaffe.errors import NetError
from minicaffe.layer import Layer
from minicaffe.proto import schema


def refuse(layer: Layer, message: Any, **remedies: str) -> None:
    """Fail if one of the fields named in `remedies` is set to other than its default; the remedy says what to write."""
    for name, remedy in remedies.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        value = getattr(message, name)
        if field.message_type is not None:
            given = message.HasField(name)
        else:
            given = bool(len(value)) if schema.is_repeated(field) else value != field.default_value
        layer.check(not given, f"'{name}' is a field of a fork of Caffe that is not computed here: {remedy}")


def refuse_in_net(definition: Any) -> None:
    """Raise NetError if `definition`, a NetParameter, sets a field of a fork that changes what its layers compute."""
    if definition.bn_stats_batch_size:
        raise NetError(
            f"net {definition.name!r}: 'bn_stats_batch_size' is a field of a fork of Caffe that is not computed here: "
            "the statistics of BatchNorm are those of the whole batch"
        )
