"""The configuration: `cfg.TRAIN.BATCH_SIZE`, changed by YAML files, `--set KEY VALUE` and a layer's param_str.

`cfg` is the one that everything uses which is not given another. The rules of merging are those of the published code:
a key must exist, and a value must have the type of the default (an array takes whatever casts to it, a tuple any list).
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from pprint import pformat
from typing import Any

import numpy as np

from minicaffe.detection.defaults import defaults
from minicaffe.errors import Error, did_you_mean


class ConfigError(Error):
    """A configuration that names a key which does not exist, or gives one a value it cannot take."""


class UnknownKeyError(ConfigError, AttributeError, KeyError):
    """A key that does not exist; the message names the nearest that do."""

    __str__ = Exception.__str__  # a KeyError would put its message in quotes


class Config(Mapping[str, Any]):
    """Nested keys, read as `config.TRAIN.SCALES` or `config["TRAIN"]["SCALES"]`.

    Assigning to an attribute sets the value as it is; the `merge_*` and `set_list` methods check its type.
    """

    def __init__(self, values: Mapping[str, Any], path: str = ""):
        under = f"{path}." if path else ""
        nested = {k: Config(v, under + k) if isinstance(v, Mapping) else deepcopy(v) for k, v in values.items()}
        vars(self).update(_values=nested, _path=under)

    # -- reading ------------------------------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        self._known(key)
        return self._values[key]

    def __getattr__(self, key: str) -> Any:
        if key.startswith("_"):  # asked for by pickle and copy, before there are any values
            raise AttributeError(key)
        return self[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def __repr__(self) -> str:
        return pformat(self.to_dict(), sort_dicts=False)

    def _known(self, key: str) -> None:
        if key not in self._values:
            raise UnknownKeyError(f"there is no key {self._path + key!r}{_near(key, self)}")

    def to_dict(self) -> dict[str, Any]:
        """Return the values as nested dictionaries of their own."""
        return {k: v.to_dict() if isinstance(v, Config) else deepcopy(v) for k, v in self._values.items()}

    def copy(self) -> Config:
        """Return a configuration with the same values, that changes on its own."""
        return Config(self.to_dict())

    # -- changing -----------------------------------------------------------------------------------------------------

    def __setitem__(self, key: str, value: Any) -> None:
        self._known(key)
        self._values[key] = value

    __setattr__ = __setitem__

    def merge_dict(self, values: Mapping[str, Any]) -> None:
        """Take over nested `values`; ConfigError for a key that does not exist or a value of another type."""
        for key, value in values.items():
            old = self[key]
            if isinstance(old, Config):
                if not isinstance(value, Mapping):
                    raise ConfigError(f"{self._path}{key} is a section with keys of its own, not {value!r}")
                old.merge_dict(value)
            else:
                self._values[key] = _fitted(self._path + key, old, value)

    def merge_file(self, path: str | os.PathLike[str]) -> None:
        """Take over the values of a YAML file. Errors begin with FILE:LINE."""
        values, lines = _read_yaml(Path(path))
        for key, value in values.items():
            self._merge_at(path, lines, (str(key),), value)

    def _merge_at(self, path: Any, lines: dict[tuple[str, ...], int], at: tuple[str, ...], value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                self._merge_at(path, lines, (*at, str(key)), inner)
            if value:
                return
        for key in reversed(at):
            value = {key: value}
        try:
            self.merge_dict(value)
        except ConfigError as error:
            line = lines.get(at, lines.get(at[:1], 1))  # what a YAML merge key brought has no line of its own
            raise type(error)(f"{path}:{line}: {error}") from None

    def set_list(self, items: Sequence[str]) -> None:
        """Take over `["TRAIN.SCALES", "(400,)", "EXP_DIR", "mine"]`: dotted keys, each with a literal or text."""
        if len(items) % 2:
            raise ConfigError(f"--set takes pairs of a key and a value: {items[-1]!r} has no value")
        for key, text in zip(items[::2], items[1::2], strict=True):
            *sections, last = key.split(".")
            node = self
            for section in sections:
                node = node[section]
                if not isinstance(node, Config):
                    raise ConfigError(f"{section} in {key!r} is no section")
            node.merge_dict({last: _literal(text, node[last])})

    @contextmanager
    def overridden(self, values: Mapping[str, Any]) -> Iterator[Config]:
        """Take over nested `values` within the `with` block, and put back afterwards what was there before."""
        before = self.to_dict()
        try:
            self.merge_dict(values)
            yield self
        finally:
            self._put_back(before)

    def _put_back(self, values: Mapping[str, Any]) -> None:
        for key, value in values.items():
            if isinstance(self._values[key], Config):
                self._values[key]._put_back(value)
            else:
                self._values[key] = value


def default_config() -> Config:
    """Return a configuration in which every key has its default."""
    return Config(defaults())


cfg = default_config()


# -- values -----------------------------------------------------------------------------------------------------------


def _fitted(name: str, old: Any, new: Any) -> Any:
    """Return `new` as a value for the key `name`, which holds `old`; ConfigError if it has another type."""
    if isinstance(old, np.ndarray):
        try:
            return np.array(new, old.dtype)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{name} is an array like {old.tolist()}, {new!r} is none") from error
    if isinstance(old, (tuple, list)) and isinstance(new, (tuple, list)):
        if old and not isinstance(old[0], str) and not all(type(x) in (int, float) for x in new):
            raise ConfigError(f"{name} takes numbers, not {new!r}")
        return tuple(new)
    if type(old) is not type(new):
        raise ConfigError(
            f"{name} is of type {type(old).__name__}, not {type(new).__name__} like {new!r}{_remedy(old, new)}"
        )
    return new


def _remedy(old: Any, new: Any) -> str:
    if isinstance(old, float) and type(new) is int:
        return f": write {new}.0"
    if isinstance(old, bool):
        return ": write True or False"
    if isinstance(old, (tuple, list)):
        return ": write [A, B]" if isinstance(new, str) else f": write [{new!r}]"
    return ""


def _literal(text: str, old: Any) -> Any:
    """Return what a word of a command line stands for: a Python literal, otherwise, or where text is wanted, itself."""
    if isinstance(old, str):
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _near(key: str, config: Config) -> str:
    """Return ` (did you mean …?)`, and where else the very same key exists."""
    homes = [f"{name}.{key}" for name, section in config.items() if isinstance(section, Config) and key in section]
    return f" (did you mean {' or '.join(map(repr, homes))}?)" if homes else did_you_mean(str(key), config)


def _read_yaml(path: Path) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    """Return the values of a YAML file, and the line on which each key, at any depth, stands."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        values, root = yaml.safe_load(text), yaml.compose(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is no YAML: {error}") from error
    if values is None:
        return {}, {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path}: should hold keys and values, such as 'EXP_DIR: mine', not a {type(values).__name__}"
        )
    lines: dict[tuple[str, ...], int] = {}

    def walk(node: Any, at: tuple[str, ...]) -> None:
        for key, value in node.value:
            lines[(*at, key.value)] = key.start_mark.line + 1
            if isinstance(value, yaml.MappingNode):
                walk(value, (*at, key.value))

    walk(root, ())
    return values, lines


# -- names of the published module ------------------------------------------------------------------------------------


def cfg_from_file(filename: str | os.PathLike[str]) -> None:
    """Merge a YAML file into `cfg`."""
    cfg.merge_file(filename)


def cfg_from_list(cfg_list: Sequence[str]) -> None:
    """Merge `--set` pairs into `cfg`."""
    cfg.set_list(cfg_list)


def get_output_dir(imdb: Any, net: Any = None) -> str:
    """Return ROOT_DIR/output/EXP_DIR/<imdb.name>[/<net.name>], made if it is not there."""
    folder = Path(cfg.ROOT_DIR, "output", cfg.EXP_DIR, imdb.name, *([net.name] if net is not None else []))
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)
