"""One number a channel, laid beside its channel."""

from __future__ import annotations

import numpy as np

from minicaffe.layers.channels import column


def test_column() -> None:
    assert column(np.arange(6.0).reshape(2, 3)).shape == (6, 1)
    assert column(np.array(1.0)).shape == (1, 1)
