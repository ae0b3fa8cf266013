"""The parameters of a net: who owns which, the flat buffers they lie in, their first values."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minicaffe import fillers
from minicaffe.blob import Blob
from minicaffe.errors import NetError, describe
from minicaffe.graph import Parameter, ParameterSlot, resolve_sharing
from minicaffe.graph.sharing import param_spec
from minicaffe.layer import Setting
from minicaffe.proto import wire as wire_format
from minicaffe.step import Step

log = logging.getLogger("minicaffe")

ALIGNMENT = 16  # numbers; keeps every parameter's window on a cache line


@dataclass
class LearnableParam:
    """A parameter as the solver sees it: the owner's blob and the multipliers agreed on by all who share it.

    `trained`: some layer computes its gradient, so it has a window in the flat diff buffer. `window` is its place in
    the flat buffers of its kind.
    """

    blob: Blob
    lr_mult: float
    decay_mult: float
    name: str
    layer: str
    index: int
    trained: bool = False
    window: slice = field(default_factory=lambda: slice(0, 0))
    unfilled: bool = False


def share_parameters(steps: Sequence[Step]) -> tuple[list[ParameterSlot], list[Parameter]]:
    return resolve_sharing(
        [step.param for step in steps], [[blob.shape for blob in step.layer.blobs] for step in steps]
    )


def learnable_params(
    steps: Sequence[Step], slots: Sequence[ParameterSlot], parameters: Sequence[Parameter]
) -> list[LearnableParam]:
    """Return the owners in the order Caffe's solver indexes them."""
    result = []
    for parameter in parameters:
        owner = slots[parameter.slot]
        step = steps[owner.layer]
        trained = any(
            steps[slots[s].layer].runs_backward and steps[slots[s].layer].layer.param_propagate_down[slots[s].index]
            for s in parameter.slots
        )
        name = parameter.name or f"{step.param.name}[{owner.index}]"
        blob = step.layer.blobs[owner.index]
        result.append(
            LearnableParam(
                blob, parameter.lr_mult, parameter.decay_mult, name, step.param.name, owner.index, trained=trained
            )
        )
    return result


def allocate(params: Sequence[LearnableParam], dtype: Any, xp: Any = np) -> tuple[Any, Any]:
    """Lay the parameters out in two flat buffers, data and diff, and bind their blobs to windows of them.

    The trained ones come first, in net order; the diff buffer ends with them. Both buffers are zero and take memory
    only page by page as they are written.
    """
    position = 0
    diff_size = 0
    for param in sorted(params, key=lambda p: not p.trained):
        param.window = slice(position, position + param.blob.count)
        position += -(-param.blob.count // ALIGNMENT) * ALIGNMENT
        if param.trained:
            diff_size = position
    data, diff = xp.zeros(position, dtype), xp.zeros(diff_size, dtype)
    for param in params:
        param.blob.bind(data[param.window], diff[param.window] if param.trained else None)
    return data, diff


def alias_sharers(steps: Sequence[Step], slots: Sequence[ParameterSlot]) -> None:
    """Make every sharer use its owner's data and diff."""
    for number, slot in enumerate(slots):
        if slot.owner == number:
            continue
        owner = slots[slot.owner]
        log.info(
            "Sharing parameters '%s' owned by layer '%s', param index %d",
            param_spec(steps[slot.layer].param, slot.index).name, steps[owner.layer].param.name, owner.index,
        )  # fmt: skip
        mine = steps[slot.layer].layer.blobs[slot.index]
        theirs = steps[owner.layer].layer.blobs[owner.index]
        mine.share_data(theirs)
        mine.share_diff(theirs)


def fill_parameters(
    steps: Sequence[Step],
    slots: Sequence[ParameterSlot],
    setting: Setting,
    params: Sequence[LearnableParam],
    keep: Callable[[str, int], bool],
) -> None:
    """Give every owned parameter its first values: those in the definition, or its filler's; `keep` ones are left
    alone."""
    seen: Counter[str] = Counter()
    by_blob = {id(param.blob): param for param in params}
    for number, slot in enumerate(slots):
        step = steps[slot.layer]
        name = step.param.name
        if slot.owner != number or keep(name, slot.index):
            continue
        blob = step.layer.blobs[slot.index]
        if len(step.param.blobs) > slot.index:
            with blob.edited() as values:
                values[...] = wire_format.blob_to_array(step.param.blobs[slot.index]).reshape(blob.shape)
            continue
        filler = step.layer.fillers.get(slot.index)
        if filler is None or (filler.type == "constant" and filler.value == 0):
            by_blob[id(blob)].unfilled = slot.index == 0 and len(blob.shape) > 1 and not blob.array.any()
            continue
        key = f"param/{name}/{slot.index}"
        seen[key] += 1
        stream = setting.streams.stream(key if seen[key] == 1 else f"{key}#{seen[key]}")
        try:
            fillers.fill(blob, filler, stream)
        except NetError as error:
            raise NetError(f"{describe(step.param)}: {error}") from None
    for step in steps:
        del step.param.blobs[:]
