"""Run a net over its data and keep what blobs of it hold.

Each OUT is a new database with one Datum an item, or, by its suffix, a .h5 or .npz file. A single .h5 or .npz takes
all blobs.
"""

from __future__ import annotations

import argparse

from minicaffe.cli import flags

EXAMPLE = """\
  minicaffe extract-features lenet.caffemodel train_test.prototxt ip1 features_lmdb 10
  minicaffe extract-features lenet.caffemodel train_test.prototxt ip1,prob,label features.h5 10"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", metavar="WEIGHTS", help=".caffemodel or .h5")
    parser.add_argument("model", metavar="PROTO", help="prototxt of the net, with data layers for phase TEST")
    parser.add_argument("blobs", metavar="BLOB[,..]", help="names of the blobs to keep")
    parser.add_argument("outs", metavar="OUT[,..]", help="what to write each blob to")
    parser.add_argument("batches", metavar="N", type=flags.positive, help="batches to run")
    parser.add_argument(
        "backend", metavar="DBTYPE", nargs="?", type=str.lower, choices=["lmdb", "leveldb"], default="lmdb",
        help="kind of the databases: lmdb (default) or leveldb",
    )  # fmt: skip
    parser.add_argument("device", metavar="CPU|GPU", nargs="?", type=str.upper, choices=["CPU", "GPU"], help="device")
    parser.add_argument("device_id", metavar="ID", nargs="?", default="0", help="number of the GPU")
    flags.add_state(parser)
    flags.add_device(parser)


def run(args: argparse.Namespace) -> None:
    if args.weights.endswith(".prototxt"):
        args.usage_error(f"WEIGHTS comes before PROTO, and {args.weights} is no file of weights")
    args.gpu = args.gpu or (args.device_id if args.device == "GPU" else "")
    args.cpu = args.cpu or args.device == "CPU"
    gpu = flags.use_device(args)

    from minicaffe.cli.progress import Progress
    from minicaffe.convert.features import extract_features
    from minicaffe.net import Net
    from minicaffe.phase import TEST
    from minicaffe.solver.log import init_log, log

    init_log()
    log.info(flags.device_line(gpu))
    net = Net(args.model, TEST, level=args.level, stages=flags.pieces(args.stage), weights=args.weights)
    log.info("Extracting Features")
    try:
        with Progress("batch") as progress:
            counts = extract_features(
                net,
                flags.pieces(args.blobs),
                flags.pieces(args.outs),
                args.batches,
                args.backend.upper(),
                progress.update,
            )
    finally:
        net.close()
    for name, count in counts.items():
        log.info("Extracted features of %d query images for feature blob %s", count, name)
    log.info("Successfully extracted the features!")
