"""The messages of caffe.proto as Python classes, in a descriptor pool of our own.

The pool is private, so a program may load another caffe.proto (Caffe's own, a fork's, another library's) beside this
one. `schema.NetParameter`, `schema.LayerParameter` and every other message are attributes of this module, as are the
values of its top-level enums: `schema.TRAIN`, `schema.TEST`. Classes are made when first asked for.
"""

from __future__ import annotations

from collections.abc import Container
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from minicaffe import errors

PACKAGE = "caffe"
ORIGIN = 20999999
"""Number of the field `origin`, which tells FILE:LINE of a message read from text and is never written."""


def _load() -> tuple[Any, Any]:
    serialized = Path(__file__).with_name("caffe.desc").read_bytes()
    pool: Any = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(serialized)
    name = descriptor_pb2.FileDescriptorProto.FromString(serialized).name
    return pool, pool.FindFileByName(name)


_POOL, _FILE = _load()


@cache
def message_class(name: str) -> type[Any]:
    """Return the class of message `name` of caffe.proto, such as `"LayerParameter"`.

    Raises PrototxtError where the schema has no such message.
    """
    if name not in _FILE.message_types_by_name:
        near = errors.did_you_mean(name, _FILE.message_types_by_name)
        raise errors.PrototxtError(f"caffe.proto has no message {name!r}{near}")
    descriptor = _FILE.message_types_by_name[name]
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return _old_factory().GetPrototype(descriptor)


@cache
def _old_factory() -> Any:
    """Return the one MessageFactory of protobuf before 4.22: two factories would make two classes of one message."""
    factory: Any = message_factory.MessageFactory
    return factory(_POOL)


@cache
def _enum_values() -> dict[str, int]:
    enums = _FILE.enum_types_by_name.values()
    return {value.name: value.number for enum in enums for value in enum.values}


def is_repeated(field: Any) -> bool:
    """Tell whether a FieldDescriptor is repeated: protobuf 7 has no `label`, protobuf 3 and 4 no `is_repeated`."""
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED


def is_required(field: Any) -> bool:
    """Tell whether a FieldDescriptor is required."""
    return field.is_required if hasattr(field, "is_required") else field.label == field.LABEL_REQUIRED


def copy_fields(source: Any, target: Any, omit: Container[str] = ()) -> None:
    """Copy the set fields of message `source`, but for those named in `omit`, into the like-named ones of `target`."""
    for field, value in source.ListFields():
        if field.name in omit:
            continue
        if is_repeated(field):
            getattr(target, field.name).extend(value)
        elif field.message_type is not None:
            getattr(target, field.name).CopyFrom(value)
        else:
            setattr(target, field.name, value)


def __getattr__(name: str) -> Any:
    if name in _FILE.message_types_by_name:
        return message_class(name)
    if name in _enum_values():
        return _enum_values()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FILE.message_types_by_name, *_enum_values()})
