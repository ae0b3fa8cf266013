"""The flags that the verbs of detection share: the configuration, and what becomes of scores and boxes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from minicaffe.cli import flags

if TYPE_CHECKING:
    from minicaffe.detection.config import Config
    from minicaffe.detection.detect import Options


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add `--cfg` and `--set`, and `--proposals`, which stands for a key of the configuration."""
    parser.add_argument("--cfg", metavar="YML", help="YAML file with keys of the detection configuration")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar=("KEY VALUE", "KEY VALUE"),
        help="keys and their values, such as TEST.SCALES '(400,)'; they win over those of --cfg",
    )  # fmt: skip
    parser.add_argument(
        "--proposals",
        default="",
        metavar="FILE",
        help=".mat or .npz with the regions of every image (default: computed)",
    )


@contextmanager
def configured(args: argparse.Namespace) -> Iterator[Config]:
    """Give the global configuration the values of `--cfg` and `--set` within the `with` block."""
    from minicaffe.detection.config import cfg

    with cfg.overridden({}):
        if args.cfg:
            cfg.merge_file(args.cfg)
        cfg.set_list(args.set)
        yield cfg


def add_options(parser: argparse.ArgumentParser, threshold: float) -> None:
    """Add the flags that `options` reads; `threshold` is the default of `--det-thresh`."""
    parser.add_argument(
        "--det-thresh", type=float, default=threshold, metavar="P", help=f"drop scores up to this (default {threshold})"
    )
    parser.add_argument(
        "--num-dets", type=int, default=100, metavar="N", help="detections an image, the surest; 0: all (default 100)"
    )
    parser.add_argument(
        "--rounds", type=flags.positive, default=1, metavar="N",
        help="rounds of localisation: 2 scores and moves the moved boxes once more (default 1)",
    )  # fmt: skip
    parser.add_argument(
        "--voting", action="store_true", help="let the boxes that suppression drops move those that stay (box voting)"
    )


def options(args: argparse.Namespace) -> Options:
    """Return what the flags of `add_options` say."""
    from minicaffe.detection.detect import Options

    return Options(args.det_thresh, args.num_dets, args.rounds, args.voting)
