"""Score a detector on a data set: average precision of every class, and their mean.

The detections are written too: a file a class in VOC's format, and all of them in COCO's.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from minicaffe.cli import detection, flags

if TYPE_CHECKING:
    from minicaffe.detection.config import Config
    from minicaffe.detection.dataset import Dataset
    from minicaffe.detection.results import Detections

EXAMPLE = """\
  minicaffe evaluate models/vgg16_ohem/test.prototxt --weights vgg16_ohem_iter_40000.caffemodel \\
    --data voc:VOCdevkit/VOC2007:test --num-dets 2000 --det-thresh 0.00001"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    flags.add_file(parser, "model", "prototxt of the detector, with inputs data and rois")
    parser.add_argument("--weights", required=True, metavar="FILE", help=".caffemodel or .h5 to score")
    parser.add_argument(
        "--data", default="", metavar="WHAT",
        help="voc:FOLDER:SET, coco:JSON:IMAGES or a published name (default: TEST.DATA of the configuration)",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="FOLDER", help="where detections go (default: WEIGHTS_DATASET beside the weights)"
    )
    parser.add_argument(
        "--metric", choices=["auto", "07", "area"], default="auto",
        help="average precision at eleven recalls (07) or as an area; auto: 07 for VOC data up to 2009, else area",
    )  # fmt: skip
    parser.add_argument(
        "--overlap", type=float, default=0.5, metavar="IOU", help="a right box overlaps its object more (default 0.5)"
    )
    detection.add_options(parser, threshold=0.05)
    detection.add_config(parser)
    flags.add_device(parser)


def run(args: argparse.Namespace) -> None:
    model = flags.file(args, "model")
    flags.use_device(args)

    from minicaffe.detection.datasets import open_dataset
    from minicaffe.detection.evaluate import evaluate_voc, report, uses_eleven_points
    from minicaffe.solver.log import init_log

    init_log(1)
    with detection.configured(args) as cfg:
        data = args.data or cfg.TEST.DATA
        if not data:
            args.usage_error("which data? give --data voc:FOLDER:SET, or TEST.DATA in the configuration")
        dataset = open_dataset(data, cfg)
        detections = detect_all(model, args, cfg, dataset)
    use_07 = uses_eleven_points(dataset.name) if args.metric == "auto" else args.metric == "07"
    precisions = evaluate_voc(dataset, detections, use_07, args.overlap)
    print("\n".join(report(precisions, use_07)))
    folder = Path(args.out or f"{Path(args.weights).with_suffix('')}_{dataset.name}")
    write(folder, dataset, detections, precisions)
    print(f"Wrote detections to {folder}")


def detect_all(model: str, args: argparse.Namespace, cfg: Config, dataset: Dataset) -> Detections:
    """Run the net over every photograph."""
    from minicaffe.cli.progress import Progress
    from minicaffe.detection.detect import detect_dataset, load
    from minicaffe.detection.proposals import choose_source, read_proposals

    proposals = read_proposals(choose_source(dataset, cfg.TEST, cfg, args.proposals), dataset, cfg)
    net = load(model, args.weights, cfg)
    with Progress("image") as progress:
        return detect_dataset(net, dataset, proposals, cfg, detection.options(args), progress.update)


def write(folder: Path, dataset: Dataset, detections: Detections, precisions: dict[str, float]) -> None:
    """Write the detections in both formats, and `ap.json`: precisions by class (null: no objects) and their mean."""
    from minicaffe.detection.evaluate import mean_ap
    from minicaffe.detection.results import write_coco, write_voc
    from minicaffe.files import written_aside

    write_voc(folder, dataset, detections, dataset.name)
    write_coco(folder / "detections.json", dataset, detections)
    known = {name: None if math.isnan(ap) else ap for name, ap in {**precisions, "mean": mean_ap(precisions)}.items()}
    with written_aside(folder / "ap.json") as aside:
        aside.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
