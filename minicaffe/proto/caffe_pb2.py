"""pycaffe's `caffe.proto.caffe_pb2`: message classes, and the values of top-level enums.

They are the classes of `minicaffe.proto.schema`, so `google.protobuf.text_format` and everything else that works on
protobuf messages works on them.
"""

from __future__ import annotations

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper as _EnumTypeWrapper

from minicaffe.proto import schema as _schema

DESCRIPTOR = _schema.NetParameter.DESCRIPTOR.file

for _name in DESCRIPTOR.message_types_by_name:
    globals()[_name] = getattr(_schema, _name)

for _name, _enum in DESCRIPTOR.enum_types_by_name.items():
    globals()[_name] = _EnumTypeWrapper(_enum)
    globals().update((_value.name, _value.number) for _value in _enum.values)
