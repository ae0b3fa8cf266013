"""Parameters shared by name: who owns each, and with which multipliers it learns.

The first layer that uses a name owns the parameter; every later one shares its data and its diff, so the gradients of
all of them add up in one place. lr_mult and decay_mult are adopted from whoever states them first; two different
explicit values are an error. (That is how the readonly owners in an OHEM net come to learn with the trainable
sharers' multipliers.) Shapes must be equal, or with `share_mode: PERMISSIVE` on the later layer only the counts.
Rules of Caffe's `Net::AppendParam`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from minicaffe.errors import NetError, describe
from minicaffe.proto import schema

PERMISSIVE = 1


@dataclass
class ParameterSlot:
    """Blob `index` of layer `layer`, and the number (among all slots) of the slot that owns its memory."""

    layer: int
    index: int
    owner: int


@dataclass
class Parameter:
    """A parameter with its owner slot, all slots that use it, and the multipliers agreed on."""

    slot: int
    name: str
    slots: list[int] = field(default_factory=list)
    lr_mult: float = 1.0
    decay_mult: float = 1.0
    has_lr: bool = False
    has_decay: bool = False


def param_spec(param: Any, index: int) -> Any:
    """Return the ParamSpec of blob `index`, the default one when the layer gives none."""
    return param.param[index] if index < len(param.param) else schema.ParamSpec()


def resolve_sharing(
    params: Sequence[Any], shapes: Sequence[Sequence[tuple[int, ...]]]
) -> tuple[list[ParameterSlot], list[Parameter]]:
    """Return every parameter slot in net order, and the parameters (owners) in the order the solver indexes them.

    params: LayerParameter of each layer; shapes: the shapes of each layer's blobs.
    """
    slots: list[ParameterSlot] = []
    parameters: list[Parameter] = []
    by_name: dict[str, Parameter] = {}
    for layer, (param, layer_shapes) in enumerate(zip(params, shapes, strict=True)):
        if len(param.param) > len(layer_shapes):
            raise NetError(
                f"{describe(param)}: Too many params specified for layer {param.name}: {len(param.param)} 'param' "
                f"entries for {len(layer_shapes)} parameter blobs"
            )
        for index in range(len(layer_shapes)):
            spec = param_spec(param, index)
            parameter = by_name.get(spec.name) if spec.name else None
            if parameter is None:
                parameter = Parameter(len(slots), spec.name)
                parameters.append(parameter)
                if spec.name:
                    by_name[spec.name] = parameter
            else:
                owner = slots[parameter.slot]
                _check_shapes(params, shapes, owner, layer, index, spec)
            parameter.slots.append(len(slots))
            _adopt(parameter, spec, params, slots, layer)
            slots.append(ParameterSlot(layer, index, parameter.slot))
    return slots, parameters


def _check_shapes(params: Any, shapes: Any, owner: ParameterSlot, layer: int, index: int, spec: Any) -> None:
    owned, wanted = shapes[owner.layer][owner.index], shapes[layer][index]
    permissive = spec.share_mode == PERMISSIVE
    if owned == wanted or (permissive and math.prod(owned) == math.prod(wanted)):
        return
    what = "counts" if permissive else "shapes"
    raise NetError(
        f"{describe(params[layer])}: cannot share param {spec.name!r}: the {what} differ\n"
        f"  here (blob {index}): {wanted}, {math.prod(wanted)} numbers\n"
        f"  owner {describe(params[owner.layer])} (blob {owner.index}): {owned}, {math.prod(owned)} numbers"
        + ("" if permissive else "\n  equal counts are enough with 'share_mode: PERMISSIVE' in the later layer's param")
    )


def _adopt(parameter: Parameter, spec: Any, params: Any, slots: list[ParameterSlot], layer: int) -> None:
    for field_name, flag in (("lr_mult", "has_lr"), ("decay_mult", "has_decay")):
        if not spec.HasField(field_name):
            continue
        value = getattr(spec, field_name)
        if not getattr(parameter, flag):
            setattr(parameter, field_name, value)
            setattr(parameter, flag, True)
        elif getattr(parameter, field_name) != value:
            earlier = next(
                params[slots[s].layer]
                for s in parameter.slots[:-1]
                if param_spec(params[slots[s].layer], slots[s].index).HasField(field_name)
            )
            raise NetError(
                f"{describe(params[layer])}: Shared param {parameter.name!r} has mismatched {field_name}: {value:g} "
                f"here, {getattr(parameter, field_name):g} in {describe(earlier)}; give it in one place, or equal "
                "in both"
            )
