"""What the text reader knows of each message: its fields, and how a word or number becomes a value of one."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from threading import RLock
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from minicaffe import errors
from minicaffe.proto import schema
from minicaffe.proto.tokens import NAME, NUMBER

_INTEGER = re.compile(r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*")
_DECIMAL = re.compile(r"((?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)((?:[eE][+-]?[0-9]+)?)[fF]?")
_BOOLS = {"true": True, "True": True, "t": True, "false": False, "False": False, "f": False}
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: ("int32", -(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: ("int64", -(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: ("uint32", 0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: ("uint64", 0, 2**64 - 1),
}

Converter = Callable[[str, str, bool], Any]
"""Takes kind and text of a token and whether a minus stood before it; raises ValueError with the reason."""


class Field:
    """A field as the reader needs it: how to convert its scalars, or the table of its message."""

    def __init__(self, descriptor: Any) -> None:
        self.name: str = descriptor.name
        self.repeated = schema.is_repeated(descriptor)
        self.is_bytes = descriptor.type == FieldDescriptor.TYPE_BYTES
        self.is_text = descriptor.type == FieldDescriptor.TYPE_STRING
        self.table = table_of(descriptor.message_type) if descriptor.message_type is not None else None
        self.expects, self.convert = _scalar(descriptor)


class Table:
    """The fields of one message by name."""

    def __init__(self, descriptor: Any) -> None:
        self.name: str = descriptor.name
        self.descriptor = descriptor
        self.fields: dict[str, Field] = {}
        self.required: list[str] = []
        self.has_origin = False

    def fill(self) -> None:
        """Fill in the fields, apart from construction because messages may hold each other."""
        for field in self.descriptor.fields:
            if field.number == schema.ORIGIN:
                self.has_origin = True
                continue
            self.fields[field.name] = Field(field)
            if schema.is_required(field):
                self.required.append(field.name)

    def suggest(self, name: str, around: Sequence[Table]) -> str:
        """Return what may have been meant by the unknown field `name`, in words to append to an error.

        around: the tables of the messages this one is written in, outermost first.
        """
        outer = next((table for table in reversed(around) if name in table.fields), None)
        if outer is not None and outer.fields[name].table is not None:
            return f" (it is a field of {outer.name}: is a closing bracket missing above?)"
        if self.name == "SolverParameter" and name in _names("NetParameter"):
            return " (it is a field of NetParameter: is this the definition of a net?)"
        holders = [field.name for field in self.fields.values() if field.table and name in field.table.fields]
        if 1 <= len(holders) <= 4:
            return f" (it belongs inside {' or '.join(map(repr, holders))})"
        if self.name == "NetParameter" and name in _names("SolverParameter"):
            return " (it is a field of SolverParameter: is this the definition of a solver?)"
        near = errors.did_you_mean(name, self.fields)
        return (
            near if near or outer is None else f" (it is a field of {outer.name}: is a closing bracket missing above?)"
        )


def _names(message: str) -> Any:
    return schema.message_class(message).DESCRIPTOR.fields_by_name


_tables: dict[Any, Table] = {}
_making = RLock()


def table_of(descriptor: Any) -> Table:
    """Return the table of a message Descriptor, made when first asked for."""
    with _making:
        if descriptor not in _tables:
            table = _tables[descriptor] = Table(descriptor)
            table.fill()
        return _tables[descriptor]


def _scalar(descriptor: Any) -> tuple[str, Converter]:
    """Return what a scalar field expects, in words, and its converter."""
    kind = descriptor.cpp_type
    if kind in _RANGES:
        return "expects an integer", _integer(*_RANGES[kind])
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return "expects a number", _number
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return "expects true or false", _boolean
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return _enum(descriptor.enum_type)
    return "expects a string in quotes", _unquoted


def _literal(kind: str, text: str, negative: bool) -> int | None:
    """Return the integer a token spells in decimal, hexadecimal or octal; None where it spells none."""
    if kind != NUMBER or not _INTEGER.fullmatch(text):
        return None
    base = 16 if text[1:2] in ("x", "X") else 8 if text[0] == "0" else 10
    return -int(text, base) if negative else int(text, base)


def _integer(type_name: str, low: int, high: int) -> Converter:
    def convert(kind: str, text: str, negative: bool) -> int:
        value = _literal(kind, text, negative)
        if value is None:
            raise ValueError(f"expects an integer, found {'-' * negative}{text}")
        if not low <= value <= high:
            raise ValueError(f"cannot hold {value}: {type_name} goes from {low} to {high}")
        return value

    return convert


def _number(kind: str, text: str, negative: bool) -> float:
    match = _DECIMAL.fullmatch(text) if kind == NUMBER else None
    if match:
        value = float(match[1] + match[2])
    elif kind == NAME and text.lower() in ("inf", "infinity", "inff", "infinityf"):
        value = math.inf
    elif kind == NAME and text.lower() in ("nan", "nanf"):
        value = math.nan
    else:
        raise ValueError(f"expects a number, found {'-' * negative}{text}")
    return -value if negative else value


def _boolean(kind: str, text: str, negative: bool) -> bool:
    value = _BOOLS.get(text, _literal(kind, text, negative))
    if negative or value not in (0, 1):
        raise ValueError(f"expects true or false, found {'-' * negative}{text}")
    return bool(value)


def _enum(enum: Any) -> tuple[str, Converter]:
    by_name = {value.name: value.number for value in enum.values}
    numbers = set(by_name.values())
    choices = ", ".join(by_name)

    def convert(kind: str, text: str, negative: bool) -> int:
        value = _literal(kind, text, negative) if kind == NUMBER else by_name.get(text)
        if value is None or value not in numbers or (kind == NAME and negative):
            near = errors.did_you_mean(text, by_name)
            raise ValueError(f"has no value {'-' * negative}{text}{near}; expected one of {choices}")
        return value

    return f"expects one of {choices}", convert


def _unquoted(kind: str, text: str, negative: bool) -> str:
    raise ValueError(f'expects a string in quotes, found {"-" * negative}{text}; write "{"-" * negative}{text}"')
