"""Reading and writing what Caffe reads and writes: prototxts, weights, snapshots.

`schema` has the messages, `prototxt` their text, `upgrade` the older generations, `wire` the binary files; `caffe_pb2`
gives the messages under pycaffe's name.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from minicaffe.proto.definitions import read_net, read_solver, write_text
from minicaffe.proto.prototxt import parse, to_text

__all__ = ["parse", "read_net", "read_solver", "to_text", "write_text"]


def __getattr__(name: str) -> ModuleType:
    """Import `caffe_pb2` when it is first used: pycaffe's users write `caffe.proto.caffe_pb2.BlobProto()`."""
    if name != "caffe_pb2":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.caffe_pb2")
