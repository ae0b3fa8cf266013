"""How a GPU is to compute: exactly or fast, the same every time or not, and with how much memory to work in."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field


def size(text: str) -> int:
    """Read a number of bytes: "8.7G", "900M", "64K"; ValueError for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError(f"{text!r} is no size: write 8.7G or 900M")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


@dataclass
class Options:
    """`tf32`: cuBLAS and cuDNN round the factors of products to 10 bits of mantissa, for several times the speed.
    `deterministic`: only algorithms of cuDNN that give the same bits every time; all else here always does.
    `workspace`: bytes that one convolution may take to work in, by default those of the
    variable MINICAFFE_WORKSPACE."""

    tf32: bool = False
    deterministic: bool = False
    workspace: int = field(default_factory=lambda: size(os.environ.get("MINICAFFE_WORKSPACE", "256M")))


OPTIONS = Options()
