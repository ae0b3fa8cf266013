"""A layer's param_str: its number of classes, and keys of the configuration for it alone."""

from __future__ import annotations

import pytest

from minicaffe.detection.config import ConfigError, cfg
from minicaffe.detection.layer_settings import layer_config


def test_published() -> None:
    conf, own = layer_config("'num_classes': 21")
    assert own == {"num_classes": 21}
    assert conf.to_dict().keys() == cfg.to_dict().keys()


def test_keys_for_one_layer() -> None:
    with cfg.overridden({"TRAIN": {"MAX_SIZE": 500}}):
        conf, own = layer_config("{num_classes: 4, TRAIN: {BATCH_SIZE: 32}}")
    assert (own["num_classes"], conf.TRAIN.BATCH_SIZE, conf.TRAIN.MAX_SIZE) == (4, 32, 500)
    assert cfg.TRAIN.BATCH_SIZE == 128


def test_nothing() -> None:
    assert layer_config("")[1] == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("'num_clases': 4", r"there is no key 'num_clases' \(did you mean 'num_classes'"),
        ("TRIAN: {BATCH_SIZE: 1}", r"there is no key 'TRIAN' \(did you mean 'TRAIN'"),
        ("TRAIN: {BATCH: 1}", r"no key 'TRAIN\.BATCH' \(did you mean 'BATCH_SIZE'"),
        ("21", "should hold keys and values"),
        ("a: [", "is no YAML"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        layer_config(text)
