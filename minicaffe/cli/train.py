"""Train the net of a solver file.

The log on standard error has Caffe's lines; on a terminal a bar shows time left, rate and loss. Ctrl-C stops after the
iteration at hand and saves a snapshot; `--snapshot auto` continues from the newest one. With `--data`, or a detection
configuration that names it, the net is a detector and learns from photographs with boxes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minicaffe.cli import detection, flags

EFFECTS = ["stop", "snapshot", "none"]
EXAMPLE = """\
  minicaffe train models/lenet/solver.prototxt
  minicaffe train models/lenet/solver.prototxt --snapshot auto
  minicaffe train --solver=solver.prototxt --weights=base.caffemodel --cpu --log-json run.jsonl
  minicaffe train models/vgg16_ohem/solver.prototxt --weights data/VGG_ILSVRC_16_layers.caffemodel \\
    --cfg models/vgg16_ohem/config.yml --data voc:data/VOCdevkit/VOC2007:trainval"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    flags.add_file(parser, "solver", "prototxt of the solver")
    parser.add_argument(
        "--weights", metavar="A,B", help="start from these .caffemodel or .h5 files instead of the solver's"
    )
    parser.add_argument(
        "--skip-mismatch", action="store_true", help="leave layers whose weights have another shape as they are"
    )
    parser.add_argument(
        "--snapshot", metavar="FILE", help="resume from a .solverstate (or .h5); auto: from the newest, if there is one"
    )
    parser.add_argument("--iters", type=flags.positive, metavar="N", help="train to this iteration, not the solver's")
    flags.add_state(parser)
    flags.add_device(parser)
    parser.add_argument("--sigint-effect", choices=EFFECTS, default="stop", help="what Ctrl-C does (default stop)")
    parser.add_argument(
        "--sighup-effect", choices=EFFECTS, default="snapshot", help="what SIGHUP does (default snapshot)"
    )
    parser.add_argument(
        "--nan", choices=["warn", "stop", "ignore"], default="warn", help="when the loss or gradient is not finite"
    )
    parser.add_argument(
        "--lean", action="store_true", help="less memory: blobs share it, once no layer needs their values any more"
    )
    parser.add_argument("--log-json", metavar="FILE", help="append a JSON line for every display and test")
    parser.add_argument(
        "--data", default="", metavar="WHAT",
        help="of a detector: voc:FOLDER:SET, coco:JSON:IMAGES or a published name (default: TRAIN.DATA)",
    )  # fmt: skip
    detection.add_config(parser)


def run(args: argparse.Namespace) -> None:
    path = Path(flags.file(args, "solver"))
    if args.weights and args.snapshot and args.snapshot != "auto":
        args.usage_error("give a snapshot to resume training or weights to finetune from, not both")

    from minicaffe.cli.progress import Progress
    from minicaffe.proto import read_solver
    from minicaffe.solver import signals
    from minicaffe.solver.log import init_log, log

    param = read_solver(path)
    gpu = flags.use_device(args, gpu_request(path, param), param.device_id)
    init_log()
    tell_device(gpu)
    state = resume_file(args, param)
    apply_flags(args, param, state)
    solver = make_solver(args, path, param)
    try:
        with (
            signals.handled(args.sigint_effect, args.sighup_effect) as solver.request,
            Progress("iter") as solver.progress,
        ):
            if state:
                log.info("Resuming from %s", state)
            log.info("Starting Optimization")
            solver.solve(state)
            log.info("Optimization Done.")
    finally:
        solver.close()


def tell_device(gpu: int | None) -> None:
    """Log Caffe's lines about the device."""
    from minicaffe.device import device_names
    from minicaffe.solver.log import log

    if gpu is None:
        log.info("Use CPU.")
        return
    log.info("Using GPUs %d", gpu)
    log.info("GPU %d: %s", gpu, device_names()[gpu])


def make_solver(args: argparse.Namespace, path: Path, param: Any) -> Any:
    """Return the solver; that of a detector, with its photographs in place, if a flag of detection is given."""
    options = {"folder": path.resolve().parent, "nan": args.nan, "log_json": args.log_json}
    options |= {"skip_mismatch": args.skip_mismatch, "lean": args.lean}
    if not (args.data or args.proposals or args.cfg or args.set):
        from minicaffe.solver import get_solver

        return get_solver(param, **options)

    from minicaffe.detection.training import detector_solver

    with detection.configured(args) as cfg:
        return detector_solver(param, args.data, proposals=args.proposals, config=cfg, **options)


def gpu_request(path: Path, param: Any) -> str:
    """Say where the solver file asks for a GPU, or "". Only an explicit solver_mode does, whatever its default."""
    return f"{path}: solver_mode: GPU" if param.HasField("solver_mode") and param.solver_mode == param.GPU else ""


def resume_file(args: argparse.Namespace, param: Any) -> str | None:
    """Return the solver state to continue from; None to start afresh, as `auto` does without any snapshot."""
    if args.snapshot != "auto":
        return args.snapshot

    from minicaffe.solver.log import log
    from minicaffe.solver.snapshot import latest_snapshot

    latest = latest_snapshot(param.snapshot_prefix)
    if latest is None:
        log.info("No snapshot of %s yet: starting afresh", param.snapshot_prefix)
    return str(latest) if latest else None


def apply_flags(args: argparse.Namespace, param: Any, state: str | None) -> None:
    """Write iterations, level, stages and weights into the definition. A snapshot brings its own weights."""
    if args.iters:
        param.max_iter = args.iters
    param.train_state.level = args.level
    param.train_state.stage.extend(flags.pieces(args.stage))
    if args.weights or state:
        del param.weights[:]
    if args.weights and not state:
        param.weights.extend(flags.pieces(args.weights))
