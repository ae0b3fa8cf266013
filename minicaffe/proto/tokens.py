"""Protobuf's text format cut into tokens that know their line, and the errors that point at them."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

from minicaffe import errors

NAME, NUMBER, STRING, MARK, BAD, END = "name", "number", "string", "mark", "bad", "end"

# A number is taken as C's preprocessor takes it, up to the first thing that cannot belong to one, and judged later:
# `3x` is then one bad number instead of a good one and a stray field.
_TOKEN = re.compile(
    r"""[ \t\r\n\f\v]+ | \#[^\n]*
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<mark>[{}<>\[\]:,;-])
      | (?P<number>\.?[0-9](?:[eE][+-]|[0-9A-Za-z_.])*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<bad>.)""",
    re.VERBOSE,
)
_EXCERPT = 120


class Token(NamedTuple):
    """A piece of text: its kind, what it says, and where it starts."""

    kind: str
    text: str
    offset: int


class Source:
    """A text with the name of its file; turns offsets into lines and errors."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def line(self, offset: int) -> int:
        """Return the number of the line `offset` lies in, from 1."""
        return bisect_right(self._starts, offset)

    def error(self, offset: int, what: str) -> errors.PrototxtError:
        """Return the error `FILE:LINE:COLUMN: what` with the line it happened in and a caret under the place."""
        line = self.line(offset)
        start = self._starts[line - 1]
        column = offset - start
        whole = self.text[start:].split("\n", 1)[0].rstrip("\r")
        cut = max(0, column - _EXCERPT // 2) if len(whole) > _EXCERPT else 0
        excerpt = whole[cut : cut + _EXCERPT].encode("utf-8", "replace").decode("utf-8")
        caret = re.sub(r"[^\t]", " ", excerpt[: column - cut]) + "^"
        return errors.PrototxtError(f"{self.file}:{line}:{column + 1}: {what}\n  {excerpt}\n  {caret}")


def tokenize(source: Source) -> list[Token]:
    """Return the tokens of `source` without white space and comments, an END token last.

    Raises PrototxtError at a character that begins no token and at a string that does not end in its line.
    """
    tokens = [
        Token(match.lastgroup, match.group(), match.start())
        for match in _TOKEN.finditer(source.text)
        if match.lastgroup
    ]
    for token in tokens:
        if token.kind == BAD:
            if token.text in "\"'":
                raise source.error(token.offset, f"string without its closing {token.text} in the same line")
            raise source.error(token.offset, f"unexpected character {token.text!r}")
    tokens.append(Token(END, "", len(source.text)))
    return tokens


_ESCAPE = re.compile(
    rb"\\(?:([abfnrtv\\'\"?])|([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|)"
)
_SIMPLE = dict(zip(b"abfnrtv\\'\"?", b"\a\b\f\n\r\t\v\\'\"?", strict=True))


def unescape(token: Token, source: Source) -> bytes:
    """Return the bytes a STRING token stands for, C escapes and `\\u` of its body replaced."""
    body = token.text[1:-1].encode("utf-8", "surrogateescape")
    if b"\\" not in body:
        return body

    def replace(match: re.Match[bytes]) -> bytes:
        simple, octal, hexadecimal, short, long = match.groups()
        if simple:
            return bytes([_SIMPLE[simple[0]]])
        if octal and int(octal, 8) < 256:
            return bytes([int(octal, 8)])
        if hexadecimal:
            return bytes([int(hexadecimal, 16)])
        code = int(short or long or b"110000", 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise source.error(token.offset, f"string with an escape that stands for nothing in {token.text}")
        return chr(code).encode("utf-8")

    return _ESCAPE.sub(replace, body)
