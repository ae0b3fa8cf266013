"""Files of older Caffes rewritten in today's form: prototxts of nets and solvers, and .caffemodels.

What a file is, its content decides. The rules are those of `minicaffe.proto.upgrade`; here they meet files, and what
they changed is put into words. Source: Caffe's upgrade_net_proto_text, upgrade_net_proto_binary and
upgrade_solver_proto_text.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from minicaffe import errors
from minicaffe.convert.blobs_apart import read_apart, write_joined
from minicaffe.convert.changes import net_changes, net_kind
from minicaffe.files import written_aside
from minicaffe.proto import prototxt, schema, write_text
from minicaffe.proto.tokens import MARK, NAME, Source, Token, tokenize
from minicaffe.proto.upgrade import needs_upgrade, upgrade_net, upgrade_solver
from minicaffe.proto.wire.recognise import foreign_kind, is_text

_HEAD = 65536
_INNER_NETS = ("net_param", "train_net_param", "test_net_param")


@dataclass
class Upgrade:
    """What `upgrade_file` found and did.

    kind: what the file was, such as "a V1 net of 9 layers".
    changes: what is said differently now, in words; none where the file was in today's form already.
    lost: values that mean nothing to their layers, and were left out.
    comments: how many comments the text had, which its new form lacks.
    """

    kind: str
    changes: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    comments: int = 0


def upgrade_file(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> Upgrade:
    """Write the net or solver in `source` to `target` in today's form, text as text and binary as binary.

    A file that is in today's form already is copied. `target` may be `source`; it is written whole or not at all.
    Raises PrototxtError, SolverError or WeightsError for a file that is none of these, is damaged, or cannot be
    upgraded.
    """
    source, target = Path(source), Path(target)
    try:
        content = source.read_bytes() if _is_text(source) else None
    except OSError as problem:
        there = source.parent.iterdir() if source.parent.is_dir() and not source.exists() else ()
        near = errors.did_you_mean(source.name, (path.name for path in there))
        raise errors.PrototxtError(f"Could not open file {source}: {problem.strerror}{near}") from problem
    if content is None:
        return _upgrade_binary(source, target)
    # Comments may be in any encoding; what is not UTF-8 is refused only where it would be a value.
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    tokens = tokenize(Source(text, str(source)))
    if _defines_solver(tokens, source):
        upgraded, done = _upgrade_solver(prototxt.parse(text, schema.SolverParameter, str(source)))
    else:
        upgraded, done = _upgrade_net(prototxt.parse(text, schema.NetParameter, str(source)))
    if done.changes:
        write_text(upgraded, target)
        done.comments = _count_comments(text, tokens)
    else:
        _copy(source, target)
    return done


def _is_text(path: Path) -> bool:
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise errors.PrototxtError(f"{path}: the file is empty")
    kind = foreign_kind(head)
    if kind is None or kind.endswith("(prototxt)") or kind == "a text file":
        return is_text(head)
    raise errors.PrototxtError(f"{path}: expected a net or a solver, but this is {kind}")


def _copy(source: Path, target: Path) -> None:
    try:
        with written_aside(target) as aside:
            shutil.copyfile(source, aside)
    except OSError as problem:
        raise errors.PrototxtError(f"Could not write file {target}: {problem.strerror}") from problem


# -- text -------------------------------------------------------------------------------------------------------------


def _defines_solver(tokens: list[Token], path: Path) -> bool:
    """Tell whether a text defines a solver, and not a net, by the fields it gives at its outer level."""
    names = _outer_names(tokens)
    net, solver = (
        set(schema.message_class(kind).DESCRIPTOR.fields_by_name) for kind in ("NetParameter", "SolverParameter")
    )
    for_net, for_solver = (sum(name in known for name in names) for known in (net - solver, solver - net))
    if for_net == for_solver:
        found = f"its fields are {', '.join(dict.fromkeys(names))}" if names else "it has no fields"
        raise errors.PrototxtError(f"{path}: defines neither a net nor a solver: {found}")
    return for_solver > for_net


def _outer_names(tokens: list[Token]) -> list[str]:
    """Return the names of the fields that are not inside any other."""
    names, depth = [], 0
    for token, following in pairwise(tokens):
        if token.kind == MARK:
            depth += (token.text in "{<[") - (token.text in "}>]")
        elif token.kind == NAME and depth == 0 and following.text in (":", "{", "<"):
            names.append(token.text)
    return names


def _count_comments(text: str, tokens: list[Token]) -> int:
    ends = [0, *(token.offset + len(token.text) for token in tokens)]
    gaps = (text[end : token.offset] for end, token in zip(ends, tokens, strict=False))
    return sum(len(re.findall(r"#[^\n]*", gap)) for gap in gaps)


def _upgrade_net(net: Any) -> tuple[Any, Upgrade]:
    done = Upgrade(net_kind(net))
    upgraded = upgrade_net(net, done.lost)
    if needs_upgrade(net):
        done.changes = net_changes(net, upgraded)
    return upgraded, done


def _upgrade_solver(solver: Any) -> tuple[Any, Upgrade]:
    """Upgrade a solver and the nets written inside it.

    Caffe leaves such nets alone, and would then train a net without layers; upgraded they are what was meant.
    """
    upgraded = upgrade_solver(solver)
    done = Upgrade("a solver")
    if solver.HasField("solver_type"):
        old = schema.SolverParameter.SolverType.Name(solver.solver_type)
        done.changes.append(f'solver_type: {old} is now type: "{upgraded.type}"')
    for name in _INNER_NETS:
        value = getattr(upgraded, name)
        inner = list(value) if name == "test_net_param" else [value] if upgraded.HasField(name) else []
        for message in inner:
            net, more = _upgrade_net(message)
            done.changes += [f"{name}: {change}" for change in more.changes]
            done.lost += more.lost
            message.CopyFrom(net)
    return upgraded, done


# -- binary -----------------------------------------------------------------------------------------------------------


def _upgrade_binary(source: Path, target: Path) -> Upgrade:
    net, blobs = read_apart(source)
    upgraded, done = _upgrade_net(net)
    if any(blobs.values()):
        done.kind += " with its weights"
    if done.changes:
        write_joined(target, upgraded, blobs)
    else:
        _copy(source, target)
    return done
