"""What a file is, told from its first bytes or from the fields it is made of, so that an error can say it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from minicaffe import errors
from minicaffe.proto.wire.cursor import FIXED32, FIXED64, SPAN, VARINT, Cursor, Store

NET, STATE, BLOB = "NetParameter", "SolverState", "BlobProto"

_MAGIC = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\xff\xfe", "a text file in UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "a text file in UTF-16: save it as UTF-8"),
    (b"\x93NUMPY", "a NumPy array file (.npy)"),
    (b"PK\x03\x04", "a zip archive (.npz, or a PyTorch file)"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"BZh", "a bzip2 archive: unpack it first"),
    (b"\xfd7zXZ\x00", "an xz archive: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
)
_TEXTS = (
    (rb"version https://git-lfs", "a Git LFS pointer: the file itself was never fetched (git lfs pull)"),
    (rb"\s*<(!doctype|html)", "a web page: a download that went wrong"),
    (rb"\s*<\?xml", "an XML file"),
    (rb"(?s).*\b(base_lr|lr_policy|max_iter|train_net|solver_mode)\s*:", "a solver definition (prototxt)"),
    (rb"(?s).*\b(layers?\s*:?\s*[{<]|input\s*:|input_dim\s*:)", "a net definition (prototxt)"),
)

# field number -> wire types it has, for each message that is a file of its own
_FIELDS: dict[str, dict[int, tuple[int, ...]]] = {
    NET: {1: (SPAN,), 2: (SPAN,), 3: (SPAN,), 4: (VARINT, SPAN), 5: (VARINT,), 6: (SPAN,), 7: (VARINT,), 8: (SPAN,)}
    | {100: (SPAN,)},
    STATE: {1: (VARINT,), 2: (SPAN,), 3: (SPAN,), 4: (VARINT,), 5: (FIXED32,), 6: (VARINT,), 20999998: (SPAN,)},
    BLOB: {1: (VARINT,), 2: (VARINT,), 3: (VARINT,), 4: (VARINT,), 5: (SPAN, FIXED32), 6: (SPAN, FIXED32), 7: (SPAN,)}
    | {8: (SPAN, FIXED64), 9: (SPAN, FIXED64), 10: (VARINT,), 11: (VARINT,), 12: (SPAN,), 13: (SPAN,)},
}
_ENOUGH = 256


def is_text(head: bytes) -> bool:
    """Tell whether bytes, the head of a file, are text: no control characters but white space."""
    return not re.search(rb"[\x00-\x08\x0e-\x1f\x7f]", head)


def foreign_kind(head: bytes) -> str | None:
    """Return what a file that begins with `head` is, in words, or None where it may well be a protobuf message."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32 and head[9:10] in b' "':
        return "a safetensors file"
    if not is_text(head):
        return None
    for pattern, kind in _TEXTS:
        if re.match(pattern, head, re.IGNORECASE):
            return kind
    return "a text file"


def message_kinds(store: Store) -> list[str]:
    """Return which of NET, STATE, BLOB the message in `store` can be, by the types of its fields, likeliest first.

    Truncation does not matter, since a field counts as soon as its tag is there.
    """
    matches = dict.fromkeys(_FIELDS, 0)
    for number, wire_type in islice(_tags(store), _ENOUGH):
        for kind in list(matches):
            # Forks give nets more fields, which says nothing; the other two have no field that is not listed.
            if kind == NET and number > 8 and number not in _FIELDS[NET]:
                continue
            if wire_type in _FIELDS[kind].get(number, ()):
                matches[kind] += 1
            else:
                del matches[kind]
    return sorted((kind for kind in matches if matches[kind]), key=lambda kind: -matches[kind])


def _tags(store: Store) -> Iterator[tuple[int, int]]:
    """Yield number and wire type of the fields in `store`, up to the first that is not whole, that one included."""
    cursor = Cursor(store, "the file")
    try:
        while cursor:
            start = cursor.position
            yield cursor.tag()
            cursor.position = start
            cursor.next()
    except errors.WeightsError:
        return
