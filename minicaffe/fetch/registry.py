"""The list of names: `registry.yml` beside this file, or one of your own in the same form.

NAME:
  about: one line on what it is
  terms: its licence or conditions of use
  files:
    - name: file name it is saved under
      urls: [addresses, tried in this order]
      size: bytes                        # where known
      sha256: …                          # or sha1, or md5; where known
      unpack: true                       # for an archive
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from minicaffe.errors import DataError, did_you_mean
from minicaffe.fetch.download import ALGORITHMS, Checksum

REGISTRY = Path(__file__).with_name("registry.yml")
_ITEM_KEYS = {"about", "terms", "files"}
_SOURCE_KEYS = {"name", "urls", "size", "unpack", *ALGORITHMS}


@dataclass(frozen=True)
class Source:
    """One file and where it can be had; size 0 and no checksum stand for not known."""

    name: str
    urls: tuple[str, ...]
    size: int = 0
    checksum: Checksum | None = None
    unpack: bool = False


@dataclass(frozen=True)
class Item:
    """What one name stands for."""

    name: str
    about: str
    terms: str
    files: tuple[Source, ...]


def read_registry(path: str | Path = REGISTRY) -> dict[str, Item]:
    """Return the items of a registry file by name; DataError for a file that is not of its form."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise DataError(f"{path} is no registry: {error}") from error
    if not isinstance(content, Mapping):
        raise DataError(f"{path} is no registry: expected names, each with 'about', 'terms' and 'files'")
    return {name: _item(f"{path}: {name}", name, entry) for name, entry in content.items()}


def find(name: str, items: Mapping[str, Item]) -> Item:
    """Return the item of this name; DataError with the nearest names if there is none."""
    if name not in items:
        raise DataError(f"nothing is known as {name!r}{did_you_mean(name, items)}\n  known: {', '.join(sorted(items))}")
    return items[name]


def _item(place: str, name: str, entry: Any) -> Item:
    _check(place, entry, _ITEM_KEYS, required={"about", "files"})
    files = tuple(_source(f"{place}: file {i + 1}", file) for i, file in enumerate(entry["files"]))
    return Item(name, entry["about"], entry.get("terms", ""), files)


def _source(place: str, entry: Any) -> Source:
    _check(place, entry, _SOURCE_KEYS, required={"name", "urls"})
    if Path(entry["name"]).name != entry["name"]:
        raise DataError(f"{place}: 'name' must be a plain file name, not {entry['name']!r}")
    checksum = next((Checksum(kind, str(entry[kind]).lower()) for kind in ALGORITHMS if kind in entry), None)
    return Source(entry["name"], tuple(entry["urls"]), entry.get("size", 0), checksum, entry.get("unpack", False))


def _check(place: str, entry: Any, known: set[str], required: set[str]) -> None:
    if not isinstance(entry, Mapping):
        raise DataError(f"{place}: expected the keys {', '.join(sorted(known))}, found {entry!r}")
    for key in entry:
        if key not in known:
            raise DataError(f"{place}: unknown key {key!r}{did_you_mean(str(key), known)}")
    for key in sorted(required - set(entry)):
        raise DataError(f"{place}: the key {key!r} is missing")
