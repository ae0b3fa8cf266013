"""Caffe's binary files, read in place and written in a stream: weights, snapshots, mean images."""

from __future__ import annotations

from minicaffe.proto.wire.blob import StoredBlob, blob_to_array
from minicaffe.proto.wire.read import (
    StoredLayer,
    StoredState,
    Weights,
    read_blobproto,
    read_solverstate,
    read_weights,
)
from minicaffe.proto.wire.write import array_to_blob, write_blobproto, write_net, write_solverstate

__all__ = [
    "StoredBlob",
    "StoredLayer",
    "StoredState",
    "Weights",
    "array_to_blob",
    "blob_to_array",
    "read_blobproto",
    "read_solverstate",
    "read_weights",
    "write_blobproto",
    "write_net",
    "write_solverstate",
]
