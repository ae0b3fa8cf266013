"""Compute the mean of the images in a database.

The mean of each channel goes to the log and, in the words of a prototxt, to standard output; OUT gets the mean image,
for `transform_param { mean_file }`.
"""

from __future__ import annotations

import argparse

ALIASES = ("compute_image_mean",)
EXAMPLE = "  minicaffe compute-mean train_lmdb mean.binaryproto"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("database", metavar="DB", help="database of images of one size")
    parser.add_argument("out", nargs="?", metavar="OUT", help=".binaryproto to write")
    parser.add_argument(
        "--backend", type=str.lower, choices=["lmdb", "leveldb"], help="kind of the database (default: what it is)"
    )


def run(args: argparse.Namespace) -> None:
    from minicaffe.convert.mean import image_mean, write_mean
    from minicaffe.solver.log import init_log, log, number

    init_log()
    log.info("Starting iteration")
    mean = image_mean(args.database, args.backend.upper() if args.backend else None)
    if args.out:
        log.info("Write to %s", args.out)
        write_mean(args.out, mean)
    log.info("Number of channels: %d", len(mean))
    values = [number(value) for value in mean.mean(axis=(1, 2), dtype=float)]
    for channel, value in enumerate(values):
        log.info("mean_value channel [%d]: %s", channel, value)
    print(f"transform_param {{ {' '.join(f'mean_value: {value}' for value in values)} }}")
