"""Weights, snapshots and mean files, read in place without a message object in between.

Arrays are views of the mapped file: opening 500 MB takes no time and no memory, and nothing is limited to 2 GB.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from minicaffe import errors
from minicaffe.proto.upgrade import V1_TYPES, v1_type
from minicaffe.proto.upgrade_v0 import V0_TYPES
from minicaffe.proto.wire.blob import StoredBlob, decode_blob
from minicaffe.proto.wire.cursor import FIXED32, VARINT, Cursor, Field, Store
from minicaffe.proto.wire.recognise import BLOB, NET, STATE, foreign_kind, message_kinds

NET_NAME, NET_LAYERS, NET_LAYER = 1, 2, 100
STATE_ITER, STATE_LEARNED_NET, STATE_HISTORY, STATE_CURRENT_STEP = 1, 2, 3, 4
STATE_MINIMUM_LOSS, STATE_ITER_LAST_EVENT, STATE_MINICAFFE = 5, 6, 20999998
_HEAD = 4096


@dataclass(frozen=True)
class _Generation:
    """Where a layer message keeps its name, type and blobs, and whether its type is a V1 enum."""

    name: int
    type: int
    blobs: int
    enum: bool = False


_V2 = _Generation(name=1, type=2, blobs=7)
_V1 = _Generation(name=4, type=5, blobs=6, enum=True)
_V0 = _Generation(name=1, type=2, blobs=50)
_V1_NESTED = 1


@dataclass(frozen=True)
class StoredLayer:
    """One layer of a weights file: its name, its type as written today (`Convolution`), its arrays in order."""

    name: str
    type: str
    blobs: list[StoredBlob]


@dataclass(frozen=True)
class Weights:
    """What a .caffemodel holds: the net's name and all layers in order, those without arrays too."""

    path: str
    name: str
    layers: list[StoredLayer]


@dataclass
class StoredState:
    """What a .solverstate holds.

    history: one array a learnable blob and kind of history, in the solver's order.
    minicaffe_state: our own resume state, empty in Caffe's files.
    minimum_loss, iter_last_event: of the policy `plateau`; None and 0 in files that do not have it.
    """

    iter: int = 0
    learned_net: str = ""
    current_step: int = 0
    history: list[np.ndarray] = field(default_factory=list)
    minicaffe_state: bytes = b""
    minimum_loss: float | None = None
    iter_last_event: int = 0


def read_weights(path: str | Path, diffs: bool = False) -> Weights:
    """Return the weights in a .caffemodel of any generation (V0, V1, V2, NVIDIA's), with `diffs` gradients too.

    Raises WeightsError where the file cannot be opened, is something else (and says what), or is damaged (and where).
    """
    cursor = _open(path, NET)
    name = ""
    layers: list[StoredLayer] = []
    while cursor:
        found = cursor.next()
        if found.number == NET_NAME:
            name = cursor.text(found)
        elif found.number == NET_LAYER:
            layers.append(_layer(cursor.inside(found, f"layer {len(layers)}"), _V2, diffs))
        elif found.number == NET_LAYERS:
            layers.append(_layer(cursor.inside(found, f"layer {len(layers)}"), _V1, diffs))
    return Weights(str(path), name, layers)


def _layer(cursor: Cursor, generation: _Generation, diffs: bool) -> StoredLayer:
    """Return the layer under `cursor`; a V0 layer is one nested in a V1 layer."""
    name, type_name = "", ""
    blobs: list[Field] = []
    inner: StoredLayer | None = None
    while cursor:
        found = cursor.next()
        if found.number == generation.name:
            name = cursor.text(found)
        elif found.number == generation.type and generation.enum:
            cursor.expect(found, VARINT)
            type_name = v1_type(found.value)
        elif found.number == generation.type:
            type_name = cursor.text(found)
        elif found.number == generation.blobs:
            blobs.append(found)
        elif found.number == _V1_NESTED and generation is _V1:
            inner = _layer(cursor.inside(found, cursor.what), _V0, diffs)
    if inner is not None:
        return StoredLayer(inner.name, V1_TYPES.get(V0_TYPES.get(inner.type, ""), inner.type), inner.blobs)
    label = f"{cursor.what} {name!r}, blob"
    arrays = [decode_blob(cursor.inside(found, f"{label} {i}"), diffs) for i, found in enumerate(blobs)]
    return StoredLayer(name, type_name, arrays)


def read_solverstate(path: str | Path) -> StoredState:
    """Return the snapshot in a .solverstate, arrays as views of the file. Raises WeightsError as `read_weights`."""
    cursor = _open(path, STATE)
    state = StoredState()
    while cursor:
        found = cursor.next()
        if found.number == STATE_ITER:
            state.iter = cursor.integer(found)
        elif found.number == STATE_LEARNED_NET:
            state.learned_net = cursor.text(found)
        elif found.number == STATE_HISTORY:
            state.history.append(decode_blob(cursor.inside(found, f"history {len(state.history)}")).data)
        elif found.number == STATE_CURRENT_STEP:
            state.current_step = cursor.integer(found)
        elif found.number == STATE_MINIMUM_LOSS:
            cursor.expect(found, FIXED32)
            (state.minimum_loss,) = struct.unpack("<f", cursor.store.content[found.start : found.end])
        elif found.number == STATE_ITER_LAST_EVENT:
            state.iter_last_event = cursor.integer(found)
        elif found.number == STATE_MINICAFFE:
            state.minicaffe_state = cursor.bytes(found)
    return state


def read_blobproto(path: str | Path) -> np.ndarray:
    """Return the array in a .binaryproto, such as a mean image, 1 x C x H x W in the legacy form these files have.

    Raises WeightsError as `read_weights`.
    """
    return decode_blob(_open(path, BLOB)).data


_PURPOSE = {
    NET: ("weights", "a .caffemodel (NetParameter)"),
    STATE: ("a snapshot", "a .solverstate (SolverState)"),
    BLOB: ("one array, such as a mean image", "a .binaryproto (BlobProto)"),
}


def _open(path: str | Path, wanted: str) -> Cursor:
    """Return a Cursor over the file at `path`; raises WeightsError where it is not a message of the kind `wanted`."""
    store = Store.open(path)
    expected, form = _PURPOSE[wanted]
    foreign = foreign_kind(store.content[:_HEAD])
    if foreign is not None:
        raise errors.WeightsError(f"{path}: expected {expected} in {form}, but this is {foreign}")
    kinds = message_kinds(store)
    if wanted not in kinds:
        found = _PURPOSE[kinds[0]][1] if kinds else "no file of Caffe's"
        raise errors.WeightsError(f"{path}: expected {expected} in {form}, but this is {found}")
    return Cursor(store, "the file")
