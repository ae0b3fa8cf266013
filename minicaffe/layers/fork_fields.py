"""Fields that some fork of Caffe added to a stock layer and that change what it computes: refused, never ignored."""

from __future__ import annotations

from typing import Any

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
