"""Show what this machine has to compute with, and what to install for more.

Python, NumPy and its BLAS, numba (or why it is not used), CPU features, threads; NVIDIA driver, CuPy, cuDNN and GPUs.
"""

from __future__ import annotations

import argparse

ALIASES = ("device_query",)
EXAMPLE = "  minicaffe devices"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--gpu", default="all", metavar="IDS", help="accepted as Caffe's flag; every GPU is always shown"
    )


def run(args: argparse.Namespace) -> None:
    from minicaffe.inspect.devices import survey

    for label, finding in survey():
        print(f"{label + ':':15}{finding}")
