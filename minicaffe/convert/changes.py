"""What upgrading a net changed, in words, found by comparing the net before with the net after."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minicaffe.proto.upgrade_v0 import is_v0

_SHOWN = 6


def net_kind(net: Any) -> str:
    """Return what NetParameter `net` is: its generation and the number of its layers."""
    generation = "V0 net" if is_v0(net) else "V1 net" if net.layers else "net"
    count = len(net.layers) + len(net.layer)
    return f"a {generation} of {_layers(count)}"


def _layers(count: int) -> str:
    return f"{count} layer{'s' * (count != 1)}"


def net_changes(old: Any, new: Any) -> list[str]:
    """Return a line for each kind of change between `old` and `new`, which `upgrade_net` made of it."""
    return [*_forms(old), *_multipliers(old), *_transforms(old, new), *_inputs(old, new), *_statistics(old, new)]


def _named(names: Iterable[str]) -> str:
    """Return names with commas, the first few where they are many."""
    known = list(dict.fromkeys(names))
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return ", ".join(known[:_SHOWN]) + more


def _forms(old: Any) -> Iterable[str]:
    padding = [each.layer.name for each in old.layers if each.layer.type == "padding"]
    v0 = sum(each.HasField("layer") for each in old.layers) - len(padding)
    v1 = len(old.layers) - v0 - len(padding)
    if v0:
        yield f'layers {{ layer {{ type: "conv" ... }} }} is now layer {{ type: "Convolution" ... }}: {_layers(v0)}'
    if padding:
        yield f"padding layers are now the pad of the layers after them: {_named(padding)}"
    if v1:
        yield f'layers {{ type: CONVOLUTION ... }} is now layer {{ type: "Convolution" ... }}: {_layers(v1)}'


def _multipliers(old: Any) -> Iterable[str]:
    for field, now in (
        ("param", "param { name }"),
        ("blob_share_mode", "param { share_mode }"),
        ("blobs_lr", "param { lr_mult }"),
        ("weight_decay", "param { decay_mult }"),
    ):
        owners = [_v0_or_v1(each) for each in old.layers]
        names = [owner.name for owner in owners if len(getattr(owner, field, ()))]
        if names:
            yield f"{field} is now {now}: {_named(names)}"


def _v0_or_v1(layer: Any) -> Any:
    return layer.layer if layer.HasField("layer") else layer


def _transforms(old: Any, new: Any) -> Iterable[str]:
    kept = [each for each in old.layers if each.layer.type != "padding"]
    same = list(new.layer)[len(new.layer) - len(kept) :] if kept else []
    for before, after in zip(kept, same, strict=True):
        moved = [field.name for field, _ in after.transform_param.ListFields()]
        moved = [name for name in moved if not _has(before.transform_param, name)]
        if moved:
            yield f"transform_param now holds {', '.join(moved)}: {after.name}"


def _has(message: Any, name: str) -> bool:
    return any(field.name == name for field, _ in message.ListFields())


def _inputs(old: Any, new: Any) -> Iterable[str]:
    if not old.input:
        return
    if not (old.input_shape or old.input_dim):
        yield f"input without a shape says nothing and is gone: {_named(old.input)}"
        return
    shapes = (" x ".join(map(str, shape.dim)) for shape in new.layer[0].input_param.shape)
    tops = ", ".join(f"{top} ({shape})" for top, shape in zip(new.layer[0].top, shapes, strict=True))
    yield f'input is now a layer of type "Input": {tops}'


def _statistics(old: Any, new: Any) -> Iterable[str]:
    """Name the BatchNorm layers whose statistics a solver would have changed; only nets of today's form have any."""
    same = list(new.layer)[len(new.layer) - len(old.layer) :]
    frozen = [
        after.name for before, after in zip(old.layer, same, strict=True) if list(before.param) != list(after.param)
    ]
    if frozen:
        yield f"lr_mult and decay_mult of BatchNorm's statistics are now 0: {_named(frozen)}"
