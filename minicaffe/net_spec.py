"""Write nets as Python: `n.conv1 = L.Convolution(n.data, num_output=20, kernel_size=5)`, then `n.to_proto()`.

A layer is a `Function`, each of its outputs a `Top`; a `NetSpec` names tops by assignment. `layers` (L) makes layers
of any type, `params` (P) holds the enum values of the schema, `P.Pooling.MAX`. The interface is that of pycaffe's
net_spec.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from minicaffe.errors import NetError, did_you_mean
from minicaffe.proto import schema


class NotATopError(NetError, TypeError):
    """Something other than a Top was given as a bottom; also a TypeError, which is what pycaffe raises here."""


class Top:
    """Output `n` of the layer `fn`; what other layers take as bottom."""

    def __init__(self, fn: Function, n: int):
        self.fn = fn
        self.n = n

    def to_proto(self) -> Any:
        """Return the NetParameter of everything this top needs."""
        return to_proto(self)


class Function:
    """A layer: its type, the tops it reads, its parameters; `ntop` outputs, with the bottoms' names if `in_place`."""

    def __init__(self, type_name: str, inputs: Iterable[Top], params: Mapping[str, Any]):
        self.type_name = type_name
        self.inputs = tuple(inputs)
        for i, bottom in enumerate(self.inputs):
            if not isinstance(bottom, Top):
                raise NotATopError(f"{type_name} input {i} is not a Top (type is {type(bottom)})")
        self.params = dict(params)
        self.ntop: int = self.params.pop("ntop", 1)
        self.in_place: bool = self.params.pop("in_place", False)
        self.tops = tuple(Top(self, n) for n in range(self.ntop))


class NetSpec:
    """A net under construction: an attribute (or item) assigned names a top and, for a layer's first top, the layer.

    Layers not assigned are written when another needs them, under the name of their type and a counter.
    """

    tops: OrderedDict[str, Top | Function]

    def __init__(self) -> None:
        object.__setattr__(self, "tops", OrderedDict())

    def __setattr__(self, name: str, top: Top | Function) -> None:
        if not isinstance(top, (Top, Function)):
            raise NotATopError(f"{name} is not a Top (type is {type(top)}); a layer of several tops is to be unpacked")
        self.tops[name] = top

    def __getattr__(self, name: str) -> Any:
        tops = self.__dict__.get("tops", {})
        if name not in tops:
            raise AttributeError(f"no top {name!r} in this NetSpec{did_you_mean(name, tops)}")
        return tops[name]

    def __delattr__(self, name: str) -> None:
        del self.tops[name]

    __setitem__ = __setattr__
    __delitem__ = __delattr__

    def __getitem__(self, name: str) -> Any:
        return self.tops[name]

    def __contains__(self, name: str) -> bool:
        return name in self.tops

    def __iter__(self) -> Iterator[str]:
        return iter(self.tops)

    def keys(self) -> list[str]:
        """Names of the tops, in order of assignment."""
        return list(self.tops)

    def vals(self) -> list[Top | Function]:
        """The tops, in order of assignment."""
        return list(self.tops.values())

    def update(self, others: Mapping[str, Top | Function]) -> None:
        """Assign every top of a mapping."""
        for name, top in others.items():
            self[name] = top

    def to_proto(self) -> Any:
        """Return the NetParameter: layers in order of assignment, each after those it reads."""
        return _Writer({top: name for name, top in self.tops.items()}).write(self.tops.values())


def to_proto(*tops: Top | Function) -> Any:
    """Return the NetParameter of `tops` and everything they need; names are made of types and counters."""
    return _Writer({}).write(tops)


class _Writer:
    """Gives every layer and top its name and writes each layer once."""

    def __init__(self, names: dict[Any, str]):
        self.names = names
        self.counts: Counter[str] = Counter()
        self.layers: OrderedDict[Function, Any] = OrderedDict()

    def write(self, tops: Iterable[Top | Function]) -> Any:
        for top in tops:
            self._visit(top if isinstance(top, Function) else top.fn)
        return schema.NetParameter(layer=self.layers.values())

    def _visit(self, fn: Function) -> None:
        """Write `fn` after all it reads, depth first; on a stack, as nets can be deeper than Python recurses."""
        stack = [(fn, iter(fn.inputs))]
        while stack:
            fn, bottoms = stack[-1]
            unwritten = next((bottom.fn for bottom in bottoms if bottom.fn not in self.layers), None)
            if unwritten is not None:
                stack.append((unwritten, iter(unwritten.inputs)))
                continue
            stack.pop()
            if fn not in self.layers:
                self.layers[fn] = self._layer(fn)

    def _layer(self, fn: Function) -> Any:
        layer = schema.LayerParameter(type=fn.type_name)
        layer.bottom.extend(self.layers[bottom.fn].top[bottom.n] for bottom in fn.inputs)
        layer.top.extend(layer.bottom if fn.in_place else [self._name(top, fn) for top in fn.tops])
        layer.name = self._name(fn.tops[0] if fn.tops else fn, fn)
        for key, value in fn.params.items():
            assign_proto(_home(layer, key), key, value)
        return layer

    def _name(self, thing: Top | Function, fn: Function) -> str:
        if thing not in self.names:
            self.counts[fn.type_name] += 1
            self.names[thing] = f"{fn.type_name}{self.counts[fn.type_name]}"
        return self.names[thing]


# -- from keyword arguments to fields ---------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def param_names() -> dict[str, str]:
    """Return which field of a layer holds the parameters of a type: `{"InnerProduct": "inner_product_param", …}`."""
    return {
        field.message_type.name.removesuffix("Parameter"): field.name
        for field in schema.LayerParameter.DESCRIPTOR.fields
        if field.name.endswith("_param")
    }


def _home(layer: Any, key: str) -> Any:
    """Return the message that keyword `key` belongs to: the type's own parameters if they have it, else the layer."""
    if key.endswith("param") and key in layer.DESCRIPTOR.fields_by_name:
        return layer
    return getattr(layer, param_names()[layer.type]) if key in _own_fields(layer) else layer


def assign_proto(proto: Any, name: str, value: Any) -> None:
    """Set field `name` of a message: a dict fills a message, a sequence a repeated field, one value is a list of one.

    Enum fields also take a value's name. NetError for an unknown field, an empty sequence, a value of the wrong type.
    """
    where = f"{proto.DESCRIPTOR.name}{f' of a {proto.type} layer' if proto.DESCRIPTOR.name == 'LayerParameter' else ''}"
    field = proto.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        known = [*proto.DESCRIPTOR.fields_by_name, *_own_fields(proto)]
        raise NetError(f"no field {name!r} in {where}{did_you_mean(name, known)}")
    target = getattr(proto, name)
    repeated = hasattr(target, "extend")
    if repeated and (isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable)):
        value = [value]
    try:
        if repeated:
            _extend(target, field, list(value))
        elif isinstance(value, Mapping):
            target.SetInParent()
            for key, item in value.items():
                assign_proto(target, key, item)
        elif field.message_type is not None:
            target.CopyFrom(value)
        else:
            setattr(proto, name, _scalar(field, value))
    except (TypeError, ValueError) as error:
        raise NetError(f"field {name!r} of {where} cannot hold {value!r}: {error}") from error


def _extend(target: Any, field: Any, values: list[Any]) -> None:
    if not values:
        raise ValueError("a repeated field needs at least one value; leave the argument out for none")
    for value in values:
        if isinstance(value, Mapping):
            message = target.add()
            for key, item in value.items():
                assign_proto(message, key, item)
        else:
            target.append(_scalar(field, value))


def _scalar(field: Any, value: Any) -> Any:
    """Return `value` as protobuf takes it: an enum value by number, NumPy's numbers as Python's."""
    if field.enum_type is not None and isinstance(value, str):
        known = field.enum_type.values_by_name
        if value not in known:
            raise ValueError(f"{field.enum_type.name} is one of {', '.join(known)}{did_you_mean(value, known)}")
        return known[value].number
    return value.item() if hasattr(value, "item") else value


def _own_fields(proto: Any) -> list[str]:
    """The fields of a layer's own parameter message; empty for any other message or a type without one."""
    own = param_names().get(proto.type) if proto.DESCRIPTOR.name == "LayerParameter" else None
    return list(getattr(proto, own).DESCRIPTOR.fields_by_name) if own else []


# -- L and P ----------------------------------------------------------------------------------------------------------


class Layers:
    """`layers.Type(*bottoms, **params)` makes a layer: a Top, a tuple of tops for ntop > 1, the Function for ntop 0."""

    def __getattr__(self, type_name: str) -> Callable[..., Any]:
        if type_name.startswith("__"):
            raise AttributeError(type_name)

        def make(*bottoms: Top, **params: Any) -> Any:
            fn = Function(type_name, bottoms, params)
            if fn.ntop == 0:
                return fn
            return fn.tops[0] if fn.ntop == 1 else fn.tops

        make.__name__ = make.__qualname__ = type_name
        return make


class Parameters:
    """`params.Type.VALUE` is an enum value of the message TypeParameter, as in `params.Eltwise.SUM`."""

    def __getattr__(self, type_name: str) -> Any:
        message = getattr(schema, f"{type_name}Parameter", None)
        if type_name.startswith("__") or message is None:
            raise AttributeError(f"no message {type_name}Parameter{did_you_mean(type_name, param_names())}")
        return message


layers = Layers()
params = Parameters()
