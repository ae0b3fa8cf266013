"""Score a net on its own test data: the mean of every output over a number of batches."""

from __future__ import annotations

import argparse

from minicaffe.cli import flags

EXAMPLE = (
    "  minicaffe test --model models/lenet/train_test.prototxt --weights runs/mnist/lenet_iter_10000.caffemodel "
    "--iterations 100"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    flags.add_file(parser, "model", "prototxt of the net, with its data layers for phase TEST")
    parser.add_argument("--weights", required=True, metavar="FILE", help=".caffemodel or .h5 to score")
    parser.add_argument(
        "--iterations", type=flags.positive, default=50, metavar="N", help="batches to run (default 50)"
    )
    flags.add_state(parser)
    flags.add_device(parser)


def run(args: argparse.Namespace) -> None:
    model = flags.file(args, "model")
    gpu = flags.use_device(args)

    from minicaffe.cli.progress import Progress
    from minicaffe.net import Net
    from minicaffe.phase import TEST
    from minicaffe.solver.log import init_log, log, net_outputs, number

    init_log()
    log.info(flags.device_line(gpu))
    net = Net(model, TEST, level=args.level, stages=flags.pieces(args.stage), weights=args.weights, lean=True)
    log.info("Running for %d iterations.", args.iterations)
    loss = 0.0
    means: dict[tuple[str, int], float] = {}
    with Progress("batch") as progress:
        for i in range(args.iterations):
            loss += net.forward_loss() / args.iterations
            for name, _, values in net_outputs(net):
                for element, value in enumerate(values):
                    log.info("Batch %d, %s = %s", i, name, number(value))
                    means[name, element] = means.get((name, element), 0.0) + value / args.iterations
            progress.update(i + 1, args.iterations)
    net.close()
    log.info("Loss: %s", number(loss))
    weights = dict(net.output_weights)
    for (name, _), mean in means.items():
        share = f" (* {number(weights[name])} = {number(weights[name] * mean)} loss)" if weights[name] else ""
        log.info("%s = %s%s", name, number(mean), share)
