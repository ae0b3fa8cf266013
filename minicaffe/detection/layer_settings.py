"""What a Python layer of Fast R-CNN reads in its `param_str`: the number of classes, and keys of the configuration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minicaffe.detection.config import Config, ConfigError, UnknownKeyError, cfg
from minicaffe.errors import did_you_mean
from minicaffe.layer import Layer


def settings(layer: Layer) -> tuple[Config, int]:
    """Return the configuration that holds for `layer` and its number of classes, background included.

    NetError, at the place of the layer, for a `param_str` that does not give them.
    """
    param_str = layer.param.python_param.param_str
    try:
        config, own = layer_config(param_str)
    except ConfigError as error:
        layer.fail(str(error))
    count = own.get("num_classes", 0)
    layer.check(
        isinstance(count, int) and count > 1,
        "param_str must give the number of classes, background included, as in \"'num_classes': 21\"; it is "
        f"{param_str!r}",
    )
    return config, count


def layer_config(param_str: str, own: Iterable[str] = ("num_classes",)) -> tuple[Config, dict[str, Any]]:
    """Return `cfg` as it is now with the keys of `param_str` merged in, and those keys that are the layer's own.

    `param_str` is YAML, as in the published prototxts (`'num_classes': 21`); keys of the configuration stand beside the
    layer's `own`, nested (`'TRAIN': {'BATCH_SIZE': 32}`). ConfigError for any other key.
    """
    import yaml

    try:
        values = yaml.safe_load(param_str) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"param_str {param_str!r} is no YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"param_str {param_str!r} should hold keys and values, such as \"'num_classes': 21\"")
    config, own = cfg.copy(), tuple(own)
    for key in values:
        if key not in own and key not in config:
            raise UnknownKeyError(f"param_str: there is no key {key!r}{did_you_mean(str(key), [*own, *config])}")
    config.merge_dict({key: value for key, value in values.items() if key not in own})
    return config, {key: value for key, value in values.items() if key in own}
