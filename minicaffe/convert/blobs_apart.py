"""A .caffemodel taken apart into its definition and its blobs, and put together again around another definition.

The blobs are never decoded: each stays the bytes it is in the mapped file, whatever its form (four legacy dimensions,
float16, a gradient). So files of any size need little memory, and no number in them can change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from minicaffe import errors
from minicaffe.proto import prototxt, schema
from minicaffe.proto.wire.cursor import Cursor, Store
from minicaffe.proto.wire.read import NET_LAYER, NET_LAYERS
from minicaffe.proto.wire.recognise import BLOB, NET, STATE, message_kinds
from minicaffe.proto.wire.write import BLOBS, Parts

_BYTE = np.dtype(np.uint8)
_LAYERS = {NET_LAYER: ("layer", "LayerParameter"), NET_LAYERS: ("layers", "V1LayerParameter")}
_NESTED_V0 = 1
_KINDS = {STATE: "a .solverstate", BLOB: "a .binaryproto, one array"}

RawBlobs = dict[str, list[np.ndarray]]
"""Origin of a layer -> its BlobProtos, each as bytes [length]."""


def read_apart(path: str | Path) -> tuple[Any, RawBlobs]:
    """Return the NetParameter in the binary file at `path` without blobs, and the blobs of its layers.

    Each layer's `origin` tells which layer of the file it is, and survives `upgrade_net`. Raises WeightsError where
    the file is no net or is damaged.
    """
    store = Store.open(path)
    kinds = message_kinds(store)
    if NET not in kinds:
        kind = _KINDS[kinds[0]] if kinds else "something else"
        raise errors.WeightsError(f"{path}: expected a net or a solver, but this is {kind}")
    cursor = Cursor(store, "the net")
    head = bytearray()
    layers: list[tuple[str, bytes, list[np.ndarray]]] = []
    while cursor:
        start = cursor.position
        found = cursor.next()
        if found.number in _LAYERS:
            member, message = _LAYERS[found.number]
            layers.append((member, *_strip(cursor.inside(found, f"layer {len(layers)}"), message)))
        else:
            head += store.content[start : cursor.position]
    try:
        return _assemble(str(path), bytes(head), layers)
    except DecodeError as problem:
        raise errors.WeightsError(f"{path}: damaged: its definition is no NetParameter") from problem


def _strip(cursor: Cursor, message: str) -> tuple[bytes, list[np.ndarray]]:
    """Return the layer under `cursor`, a `message`, as bytes without its blobs, and the blobs.

    A V0 layer lies inside a V1 layer, and so do its blobs.
    """
    number = schema.message_class(message).DESCRIPTOR.fields_by_name["blobs"].number
    rest = bytearray()
    blobs: list[np.ndarray] = []
    while cursor:
        start = cursor.position
        found = cursor.next()
        if found.number == number:
            blobs.append(cursor.array(found, _BYTE))
        elif found.number == _NESTED_V0 and message == "V1LayerParameter":
            inner, blobs = _strip(cursor.inside(found, cursor.what), "V0LayerParameter")
            nested = Parts()
            nested.span(_NESTED_V0, inner)
            rest += nested.to_bytes()
        else:
            rest += cursor.store.content[start : cursor.position]
    return bytes(rest), blobs


def _assemble(name: str, head: bytes, layers: list[tuple[str, bytes, list[np.ndarray]]]) -> tuple[Any, RawBlobs]:
    net = schema.NetParameter.FromString(head)
    net.origin = name
    blobs: RawBlobs = {}
    for index, (member, content, raw) in enumerate(layers):
        layer = getattr(net, member).add()
        layer.MergeFromString(content)
        layer.origin = f"{name}, layer {index}"
        blobs[layer.origin] = raw
    return net, blobs


def write_joined(path: str | Path, net: Any, blobs: RawBlobs) -> None:
    """Write `net` as a .caffemodel to `path`, each layer with the `blobs` of its origin; WeightsError if that fails."""
    head = schema.NetParameter()
    schema.copy_fields(net, head, omit=("layer",))
    whole = Parts(prototxt.without_origin(head).SerializePartialToString())
    for layer in net.layer:
        parts = Parts(prototxt.without_origin(layer).SerializePartialToString())
        for blob in blobs.get(layer.origin, ()):
            parts.numbers(BLOBS, blob, _BYTE)
        whole.span(NET_LAYER, parts)
    whole.save(path)
