"""Definitions in files: nets and solvers read in any of Caffe's forms, messages written as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from minicaffe import errors
from minicaffe.files import written_aside
from minicaffe.proto import prototxt, schema
from minicaffe.proto.upgrade import upgrade_net, upgrade_solver
from minicaffe.proto.wire.cursor import Store
from minicaffe.proto.wire.recognise import NET, foreign_kind, is_text, message_kinds

_HEAD = 65536


def read_net(path: str | Path, ignore_unknown: bool = False) -> Any:
    """Return the NetParameter in the file at `path`, in today's form.

    The file is a prototxt or a NetParameter in binary, such as a .caffemodel, which its content decides; V0 and V1 nets
    and `input` fields are upgraded. Every layer read from text has its FILE:LINE in `origin`. With `ignore_unknown`,
    unknown fields of a prototxt are skipped with a warning. Raises PrototxtError where the file cannot be read.
    """
    content = _read(path)
    if is_text(content[:_HEAD]):
        return upgrade_net(_parse(content, schema.NetParameter, path, ignore_unknown))
    foreign = foreign_kind(content[:_HEAD])
    kinds = [] if foreign else message_kinds(Store(content[:_HEAD], str(path)))
    if NET not in kinds:
        found = foreign or f"a {kinds[0]}" if foreign or kinds else "something else"
        raise errors.PrototxtError(f"{path}: expected the definition of a net, but this is {found}")
    try:
        return upgrade_net(schema.NetParameter.FromString(content))
    except DecodeError as problem:
        raise errors.PrototxtError(f"{path}: Failed to parse NetParameter file: truncated or damaged") from problem


def read_solver(path: str | Path, ignore_unknown: bool = False) -> Any:
    """Return the SolverParameter in the prototxt at `path`, in today's form.

    The old solver_type becomes type; snapshot_prefix, if unset, becomes the path without its extension. Nets written
    inside the solver are left as they are. Raises PrototxtError where the file cannot be read.
    """
    content = _read(path)
    if not is_text(content[:_HEAD]):
        kind = foreign_kind(content[:_HEAD]) or "a binary file"
        raise errors.PrototxtError(f"{path}: expected the definition of a solver, but this is {kind}")
    return upgrade_solver(_parse(content, schema.SolverParameter, path, ignore_unknown), path)


def write_text(message: Any, path: str | Path) -> None:
    """Write `message` in text format to the file at `path`, all of it or nothing."""
    try:
        with written_aside(path) as aside:
            aside.write_text(prototxt.to_text(message), encoding="utf-8")
    except OSError as problem:
        raise errors.PrototxtError(f"Could not write file {path}: {problem.strerror}") from problem


def _parse(content: bytes, message_class: type[Any], path: str | Path, ignore_unknown: bool) -> Any:
    # Comments may be in any encoding; what is not UTF-8 is kept apart and refused only where it would be a value.
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    return prototxt.parse(text, message_class, str(path), ignore_unknown)


def _read(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as problem:
        raise errors.PrototxtError(
            f"Could not open file {path}: {problem.strerror}{_neighbours(Path(path))}"
        ) from problem


def _neighbours(path: Path) -> str:
    """Return the files of like name in the same folder, in words, for a file that is not there."""
    if path.exists():
        return ""
    if not path.parent.is_dir():
        return f"; there is no folder {path.parent}"
    return errors.did_you_mean(path.name, [other.name for other in path.parent.iterdir()])
