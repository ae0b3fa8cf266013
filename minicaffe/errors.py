"""Every exception minicaffe raises, and the words that make it useful.

A message is written for the person who wrote the prototxt: where (`FILE:LINE: layer 'NAME' (TYPE):`), what is wrong,
what was expected, what was found, and how to mend it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class Error(Exception):
    """Base of all minicaffe errors; catch this to catch them all."""


class PrototxtError(Error):
    """Text that does not parse as the message it should be, or names a field that does not exist."""


class NetError(Error):
    """A net that cannot be built: its layers, blobs, shapes or parameters do not fit together."""


class WeightsError(Error):
    """A weights or snapshot file that is truncated, foreign, or does not fit the net."""


class SolverError(Error):
    """A solver definition that is incomplete or contradicts itself."""


class DataError(Error):
    """A data source that is missing, empty, or holds something other than what the layer declares."""


class LayerError(NetError, RuntimeError):
    """A layer raised something of its own; the original exception, with its traceback, is the `__cause__`."""


class DeviceError(Error):
    """A device was asked for that is not here."""


class MissingDependencyError(Error):
    """An optional package is needed; the message says what to install."""


def describe(layer_param: Any) -> str:
    """Return `FILE:LINE: layer 'NAME' (TYPE)` for a LayerParameter, without the place when it is not known."""
    place = f"{layer_param.origin}: " if layer_param.origin else ""
    return f"{place}layer {layer_param.name!r} ({layer_param.type})"


def nearest(name: str, candidates: Iterable[str], count: int = 3) -> list[str]:
    """Return up to `count` of `candidates` that look like `name`, the nearest first, ignoring case."""
    by_lower: dict[str, str] = {}
    for candidate in candidates:
        by_lower.setdefault(candidate.lower(), candidate)
    return [by_lower[match] for match in difflib.get_close_matches(name.lower(), list(by_lower), n=count, cutoff=0.6)]


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return ` (did you mean 'a' or 'b'?)`, or an empty string when nothing is near."""
    matches = nearest(name, candidates)
    if not matches:
        return ""
    return f" (did you mean {' or '.join(repr(match) for match in matches)}?)"


def missing_dependency(package: str, extra: str, purpose: str) -> MissingDependencyError:
    """Return the error for an optional package that is not installed: `pip install 'minicaffe[extra]'`."""
    return MissingDependencyError(f"{purpose} needs the package {package!r}: pip install 'minicaffe[{extra}]'")
