"""Measure how long each layer takes, forward and backward.

The log has Caffe's lines; a table follows on standard output, with each layer's mean, its share of the whole, and how
it is computed: the algorithm of a convolution, or the layer that does the work of a layer behind it on the way.
"""

from __future__ import annotations

import argparse

from minicaffe.cli import flags

EXAMPLE = "  minicaffe time models/lenet/deploy.prototxt --iterations 20"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    flags.add_file(parser, "model", "prototxt of the net")
    parser.add_argument("--phase", type=str.upper, choices=["TRAIN", "TEST"], default="TRAIN", help="default TRAIN")
    parser.add_argument(
        "--iterations", type=flags.positive, default=50, metavar="N", help="passes to average (default 50)"
    )
    parser.add_argument(
        "--weights", metavar="FILE", help="accepted as Caffe's flag and not used: weights change no timing"
    )
    flags.add_state(parser)
    flags.add_device(parser)


def run(args: argparse.Namespace) -> None:
    model = flags.file(args, "model")
    gpu = flags.use_device(args)

    from minicaffe.inspect import timing
    from minicaffe.net import Net
    from minicaffe.solver.log import init_log, log

    init_log()
    log.info(flags.device_line(gpu))
    net = Net(model, args.phase, level=args.level, stages=flags.pieces(args.stage))
    log.info("Performing Forward")
    log.info("Initial loss: %g", net.forward_loss())
    log.info("Performing Backward")
    net.run_backward()
    log.info("*** Benchmark begins ***")
    log.info("Testing for %d iterations.", args.iterations)

    def after_pass(number: int, seconds: float) -> None:
        log.info("Iteration: %d forward-backward time: %g ms.", number, 1000 * seconds)

    result = timing.measure(net, args.iterations, after_pass)
    net.close()
    mean = 1000 / result.iterations
    log.info("Average time per layer: ")
    for layer in result.layers:
        log.info("%10s\tforward: %g ms.", layer.name, layer.forward * mean)
        log.info("%10s\tbackward: %g ms.", layer.name, layer.backward * mean)
    log.info("Average Forward pass: %g ms.", result.forward * mean)
    log.info("Average Backward pass: %g ms.", result.backward * mean)
    log.info("Average Forward-Backward: %g ms.", result.total * mean)
    log.info("Total Time: %g ms.", result.total * 1000)
    log.info("*** Benchmark ends ***")
    print("\n".join(timing.table(result)))
