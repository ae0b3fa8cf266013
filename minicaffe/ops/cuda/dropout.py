"""Dropout on a GPU: each thread jumps to its own place in the random stream, so the bits are those of the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.ops import elementwise as definition
from minicaffe.ops.cuda.launch import MOST_BLOCKS, THREADS, launch, suits

DRAWS = 16  # draws a thread makes, to be worth its jump
HALF = (1 << 64) - 1


def dropout(x: Any, bits: Any, ratio: float, factor: float, mask: Any, y: Any) -> None:
    """As `minicaffe.ops.elementwise.dropout`; the stream is left where it would be after drawing on the host."""
    if not (suits(x, y) and mask.flags.c_contiguous) or not isinstance(bits, np.random.PCG64):
        definition.dropout(x, bits, ratio, factor, mask, y)
        return
    draws = (x.size + 1) // 2
    state = bits.state["state"]
    words = [np.uint64(part) for number in (state["state"], state["inc"]) for part in (number >> 64, number & HALF)]
    blocks = max(1, min(-(-draws // (THREADS * DRAWS)), MOST_BLOCKS))
    numbers = x.size, *words, definition.threshold(ratio), float(factor)
    launch("dropout", "dropout", draws, x, y, mask, *numbers, blocks=blocks)
    advance(bits, draws)


def advance(bits: Any, draws: int) -> None:
    """Move the stream on as if so many draws of 64 bits had been made; what it holds back of an older one stays."""
    before = bits.state
    bits.advance(draws)
    bits.state = {**bits.state, **{name: before[name] for name in ("has_uint32", "uinteger")}}
