"""Detect objects in images: a picture of each with boxes, classes and scores, and a line that counts what was found."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minicaffe.cli import detection, flags

if TYPE_CHECKING:
    from minicaffe.detection.config import Config
    from minicaffe.detection.dataset import Dataset

EXAMPLE = """\
  minicaffe detect models/squeezenet_ohem/test.prototxt street.jpg --weights runs/ohem_iter_600.caffemodel \\
    --cfg models/squeezenet_ohem/config.yml --out pictures"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="prototxt of the detector, with inputs data and rois")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="files to look at")
    parser.add_argument("--weights", required=True, metavar="FILE", help=".caffemodel or .h5")
    parser.add_argument(
        "--classes",
        default="",
        metavar="A,B",
        help="names of the classes (default: CLASSES of the configuration, or VOC's)",
    )
    parser.add_argument("--out", default="detections", metavar="FOLDER", help="where pictures go (default detections)")
    parser.add_argument("--format", choices=["png", "jpg"], default="jpg", help="of the pictures (default jpg)")
    detection.add_options(parser, threshold=0.5)
    detection.add_config(parser)
    flags.add_device(parser)


def run(args: argparse.Namespace) -> None:
    flags.use_device(args)

    from minicaffe.data import images
    from minicaffe.detection.detect import detect, load
    from minicaffe.detection.draw import draw, save
    from minicaffe.detection.proposals import choose_source, read_proposals
    from minicaffe.solver.log import init_log

    init_log(1)
    with detection.configured(args) as cfg:
        net = load(args.model, args.weights, cfg)
        dataset = photographs(args.images, class_names(args, net, cfg))
        dataset.report(cfg.BAD_DATA)
        proposals = read_proposals(choose_source(dataset, cfg.TEST, cfg, args.proposals), dataset, cfg)
        for photograph, boxes in zip(dataset, proposals, strict=True):
            image = images.read(photograph.path)
            found = detect(net, image, boxes, cfg, detection.options(args))
            picture = save(Path(args.out, f"{photograph.name}.{args.format}"), draw(image, found, dataset.classes))
            counts = {
                name: len(of_class) for name, of_class in zip(dataset.classes, found, strict=True) if len(of_class)
            }
            said = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing found"
            print(f"{photograph.path}: {said} -> {picture}")


def class_names(args: argparse.Namespace, net: object, cfg: Config) -> tuple[str, ...]:
    """Return the names of the classes that `net` tells apart, background first."""
    from minicaffe.detection.dataset import BACKGROUND
    from minicaffe.detection.detect import class_count
    from minicaffe.detection.voc import VOC_CLASSES

    count = class_count(net, cfg) - 1
    names = flags.pieces(args.classes) or cfg.CLASSES or (VOC_CLASSES if count == len(VOC_CLASSES) else ())
    if names and len(names) != count:
        args.usage_error(f"the net tells {count} classes apart, {len(names)} names are given: {', '.join(names)}")
    return (BACKGROUND, *(names or (f"class {j + 1}" for j in range(count))))


def photographs(paths: Sequence[str], classes: tuple[str, ...]) -> Dataset:
    """Return the images as a data set without objects, each with a name of its own; those unreadable are problems."""
    from minicaffe.detection.dataset import Dataset, Photograph
    from minicaffe.detection.image_size import image_size
    from minicaffe.errors import DataError

    taken: Counter[str] = Counter()
    shown, problems = [], []
    for path in map(Path, paths):
        taken[path.stem] += 1
        name = path.stem if taken[path.stem] == 1 else f"{path.stem}_{taken[path.stem]}"
        try:
            shown.append(Photograph(name, path, image_size(path)))
        except DataError as error:
            problems.append(f"{error}: left out")
    return Dataset("images", classes, shown, problems)
