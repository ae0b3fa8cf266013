"""Protobuf's text format, read with the line of every layer kept, and written.

We read it ourselves, and not with google.protobuf.text_format, for the sake of the person who wrote the file: errors
show the place, the nearest valid name and the fields a value could belong to, and every layer remembers its line in
the field `origin`, so that whatever fails later can still say where.
"""

from __future__ import annotations

import logging
from typing import Any

from google.protobuf import text_format

from minicaffe import errors
from minicaffe.proto import schema
from minicaffe.proto.fields import Field, Table, table_of
from minicaffe.proto.tokens import END, MARK, NAME, NUMBER, STRING, Source, Token, tokenize, unescape

_CLOSER = {"{": "}", "<": ">", "[": "]"}


def parse(text: str, message_class: type[Any], file: str = "<string>", ignore_unknown: bool = False) -> Any:
    """Return the `message_class` that `text` describes in protobuf's text format.

    Messages with a field `origin` get FILE:LINE of the line they start in. With `ignore_unknown`, fields the schema
    does not have are skipped and named in one warning of the logger "minicaffe".

    Raises PrototxtError, `FILE:LINE:COLUMN: what` and the line itself, for anything that is not such a text: syntax,
    unknown fields and enum values, values out of range, singular fields given twice, required ones not given.
    """
    source = Source(text, file)
    message = message_class()
    table = table_of(message_class.DESCRIPTOR)
    parser = _Parser(source, ignore_unknown)
    if table.has_origin:
        message.origin = f"{file}:1"
    parser.fields(message, table, END, None)
    if parser.unknown:
        logging.getLogger("minicaffe").warning(
            "%s: %d unknown field(s) ignored: %s", file, len(parser.unknown), ", ".join(parser.unknown)
        )
    return message


def to_text(message: Any) -> str:
    """Return `message` in text format: enums by name, floats as short as float32 allows, `origin` left out."""
    return text_format.MessageToString(without_origin(message), as_utf8=True)


def without_origin(message: Any) -> Any:
    """Return a copy of `message` in which no message, at any depth, has an `origin`."""
    copy = type(message)()
    copy.CopyFrom(message)
    _clear_origin(copy)
    return copy


def _clear_origin(message: Any) -> None:
    for field, value in message.ListFields():
        if field.number == schema.ORIGIN:
            message.ClearField(field.name)
        elif field.message_type is not None:
            for nested in value if schema.is_repeated(field) else (value,):
                _clear_origin(nested)


class _Parser:
    """Recursive descent over the tokens of one source."""

    def __init__(self, source: Source, ignore_unknown: bool) -> None:
        self.source = source
        self.tokens = tokenize(source)
        self.position = 0
        self.token = self.tokens[0]
        self.ignore_unknown = ignore_unknown
        self.unknown: list[str] = []
        self.around: list[Table] = []

    def advance(self) -> Token:
        """Step over the current token and return it."""
        token = self.token
        self.position += 1
        self.token = self.tokens[min(self.position, len(self.tokens) - 1)]
        return token

    def accept(self, mark: str) -> bool:
        """Step over the punctuation `mark` if it comes next."""
        if self.token.kind == MARK and self.token.text == mark:
            self.advance()
            return True
        return False

    def error(self, token: Token, what: str) -> errors.PrototxtError:
        return self.source.error(token.offset, what)

    def fields(self, message: Any, table: Table, closer: str, opened: Token | None) -> None:
        """Read fields into `message` until `closer`: a bracket, or END for the whole text."""
        given: dict[str, Token] = {}
        while True:
            token = self.advance()
            if token.kind == NAME:
                self.field(message, table, token, given)
                if not self.accept(","):
                    self.accept(";")
            elif token.kind == END:
                if closer != END:
                    assert opened is not None
                    raise self.error(opened, f"{table.name} opened here is never closed with {closer!r}")
                break
            elif token.text == closer:
                break
            else:
                expected = "the name of a field" if closer == END else f"the name of a field or {closer!r}"
                raise self.error(token, f"expected {expected}, found {token.text!r}")
        missing = [name for name in table.required if name not in given]
        if missing:
            where = opened or self.tokens[0]
            raise self.error(where, f"{table.name} lacks the required field(s) {', '.join(missing)}")

    def field(self, message: Any, table: Table, name: Token, given: dict[str, Token]) -> None:
        """Read what follows the field name `name`."""
        field = table.fields.get(name.text)
        if field is None:
            self.unknown_field(table, name)
            return
        if not field.repeated:
            if name.text in given:
                first = self.source.line(given[name.text].offset)
                raise self.error(name, f"field {name.text!r} of {table.name} is given twice, first in line {first}")
            given[name.text] = name
        colon = self.accept(":")
        if field.table is None and not colon:
            raise self.error(self.token, f"expected ':' after {name.text!r}, found {self.token.text!r}")
        if self.token.text == "[" and self.token.kind == MARK:
            self.short_list(message, table, field, name)
        else:
            self.one(message, table, field, name)

    def short_list(self, message: Any, table: Table, field: Field, name: Token) -> None:
        """Read `[a, b, ...]`, the short form of a repeated field."""
        bracket = self.advance()
        if not field.repeated:
            raise self.error(bracket, f"field {name.text!r} takes one value, not a list")
        if self.accept("]"):
            return
        while True:
            self.one(message, table, field, name)
            if self.accept("]"):
                return
            if not self.accept(","):
                raise self.error(self.token, f"expected ',' or ']' in the list, found {self.token.text!r}")

    def one(self, message: Any, table: Table, field: Field, name: Token) -> None:
        """Read one value of `field`: a message in brackets or a scalar."""
        if field.table is not None:
            self.nested(message, table, field, name)
            return
        value = self.scalar(field)
        if field.repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)

    def nested(self, message: Any, outer: Table, field: Field, name: Token) -> None:
        """Read a message in brackets, a field of a message of table `outer`."""
        opener = self.token
        if opener.kind != MARK or opener.text not in "{<":
            found = repr(opener.text) if opener.text else "the end of the text"
            raise self.error(opener, f"{name.text!r} is a message: expected '{{' after it, found {found}")
        self.advance()
        table = field.table
        assert table is not None
        if field.repeated:
            nested = getattr(message, field.name).add()
        else:
            nested = getattr(message, field.name)
            nested.SetInParent()
        self.around.append(outer)
        if table.has_origin:
            nested.origin = f"{self.source.file}:{self.source.line(name.offset)}"
        self.fields(nested, table, _CLOSER[opener.text], name)
        self.around.pop()

    def scalar(self, field: Field) -> Any:
        """Read a scalar: a number with its sign, a word, or one or more strings that stand side by side."""
        token = self.advance()
        negative = token.kind == MARK and token.text == "-"
        value = self.advance() if negative else token
        if value.kind == STRING and not negative:
            return self.string(field, value)
        if value.kind not in (NAME, NUMBER):
            found = repr(value.text) if value.text else "the end of the text"
            raise self.error(value, f"field {field.name!r} {field.expects}, found {found}")
        try:
            return field.convert(value.kind, value.text, negative)
        except ValueError as problem:
            raise self.error(token, f"field {field.name!r} {problem}") from None

    def string(self, field: Field, first: Token) -> Any:
        """Read the strings from `first` on, joined: text for string fields, bytes for bytes fields."""
        if not field.is_text and not field.is_bytes:
            raise self.error(first, f"field {field.name!r} {field.expects}, without quotes; found {first.text}")
        parts = [unescape(first, self.source)]
        while self.token.kind == STRING:
            parts.append(unescape(self.advance(), self.source))
        joined = b"".join(parts)
        if field.is_bytes:
            return joined
        try:
            return joined.decode("utf-8")
        except UnicodeDecodeError:
            raise self.error(first, f"field {field.name!r} takes text in UTF-8, which this is not") from None

    def unknown_field(self, table: Table, name: Token) -> None:
        """Skip the value of a field the schema lacks if that was asked for, else say what might have been meant."""
        if not self.ignore_unknown:
            raise self.error(name, f"{table.name} has no field {name.text!r}{table.suggest(name.text, self.around)}")
        self.unknown.append(f"{table.name}.{name.text} (line {self.source.line(name.offset)})")
        self.accept(":")
        if self.token.text in _CLOSER and self.token.kind == MARK:
            self.skip_brackets()
            return
        self.accept("-")
        value = self.advance()
        if value.kind not in (NAME, NUMBER, STRING):
            raise self.error(value, f"expected a value for {name.text!r}, found {value.text!r}")
        while value.kind == STRING and self.token.kind == STRING:
            self.advance()

    def skip_brackets(self) -> None:
        """Step over a message or list, whatever it holds."""
        open_brackets: list[Token] = []
        while True:
            token = self.advance()
            if token.kind == END:
                raise self.error(open_brackets[-1], f"{open_brackets[-1].text!r} is never closed")
            if token.kind != MARK:
                continue
            if token.text in _CLOSER:
                open_brackets.append(token)
            elif token.text in _CLOSER.values():
                if token.text != _CLOSER[open_brackets.pop().text]:
                    raise self.error(token, f"{token.text!r} closes nothing that is open here")
                if not open_brackets:
                    return
