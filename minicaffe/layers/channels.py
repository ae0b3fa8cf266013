"""One number for each of D channels, beside arrays seen as (outer, D, inner); their sums: `ops.channel_sums`."""

from __future__ import annotations

import numpy as np


def column(b: np.ndarray) -> np.ndarray:
    """Return `b`, one number a channel, as (D, 1): it broadcasts over (outer, D, inner)."""
    return b.reshape(-1, 1)
