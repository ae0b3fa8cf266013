"""Compiles caffe.proto into the descriptor that ships with the package: `python proto/build.py`.

Needs the package grpcio-tools, which brings protoc. The result is a serialized FileDescriptorProto without source
positions and JSON names, so it depends on the schema alone and not on the protoc that made it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SCHEMA = HERE / "caffe.proto"
DESCRIPTOR = HERE.parent / "minicaffe" / "proto" / "caffe.desc"


def compile_schema(schema: Path = SCHEMA) -> bytes:
    """Return the FileDescriptorProto of `schema`, serialized; raises RuntimeError where protoc finds a mistake."""
    from google.protobuf import descriptor_pb2
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "set"
        status = protoc.main(["protoc", f"-I{schema.parent}", f"--descriptor_set_out={compiled}", str(schema)])
        if status != 0:
            raise RuntimeError(f"protoc rejected {schema}")
        (file,) = descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes()).file
    file.name = "minicaffe/caffe.proto"
    for message in file.message_type:
        drop_json_names(message)
    return file.SerializeToString(deterministic=True)


def drop_json_names(message: Any) -> None:
    """Forget the JSON names of a DescriptorProto and of those nested in it: they follow from the field names."""
    for field in message.field:
        field.ClearField("json_name")
    for nested in message.nested_type:
        drop_json_names(nested)


if __name__ == "__main__":
    descriptor = compile_schema()
    DESCRIPTOR.write_bytes(descriptor)
    print(f"{DESCRIPTOR}: {len(descriptor):,} bytes")
