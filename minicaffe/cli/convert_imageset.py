"""Write images into a database, to be read by Data layers.

With a LIST of lines `PATH LABEL`, paths count from ROOT. Without one, every folder inside ROOT is a class; labels
count the folders in the order of the alphabet, and DB/labels.txt names them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minicaffe.data.lists import Entry

EXAMPLE = """\
  minicaffe convert-imageset --shuffle --resize-height 256 --resize-width 256 images/ train.txt train_lmdb
  minicaffe convert-imageset --shuffle --encoded photos/train train_lmdb
  minicaffe convert-imageset --labels train_lmdb/labels.txt photos/val val_lmdb"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("root", metavar="ROOT", help="folder of the images")
    parser.add_argument("list", nargs="?", metavar="LIST", help="text file with a line PATH LABEL for each image")
    parser.add_argument("database", metavar="DB", help="database to write; must not exist yet")
    _switch(parser, "gray", "store one grey plane instead of blue, green and red")
    _switch(parser, "shuffle", "write the images in random order")
    parser.add_argument("--seed", type=int, metavar="N", help="repeat the order of an earlier --shuffle")
    parser.add_argument("--labels", metavar="FILE", help="class names, one a line, to number ROOT's folders by")
    parser.add_argument("--backend", type=str.lower, choices=["lmdb", "leveldb"], default="lmdb", help="default lmdb")
    parser.add_argument("--resize-width", type=int, default=0, metavar="W", help="resize all images")
    parser.add_argument("--resize-height", type=int, default=0, metavar="H", help="resize all images")
    _switch(parser, "check-size", "stop at the first image of another size than those before it")
    _switch(parser, "encoded", "store image files instead of planes: smaller, but decoded at every reading")
    parser.add_argument("--encode-type", default="", metavar="EXT", help="store image files of this format: jpg, png")


def _switch(parser: argparse.ArgumentParser, name: str, help: str) -> None:
    """Add a flag in every spelling that Caffe's flags may have: --NAME, --NAME=true, --NAME=false, --noNAME."""
    dest = name.replace("-", "_")
    hidden: dict[str, Any] = {"dest": dest, "default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
    parser.add_argument(f"--{name}", action="store_true", help=help)
    parser.add_argument(f"--{name}=true", action="store_true", **hidden)
    parser.add_argument(f"--{name}=false", f"--no{name}", action="store_false", **hidden)


def run(args: argparse.Namespace) -> None:
    if args.seed is not None and not args.shuffle:
        args.usage_error("--seed repeats the order of --shuffle, which is missing")

    from minicaffe.cli.progress import Progress
    from minicaffe.convert.image_folder import write_class_names
    from minicaffe.convert.imageset import ImageForm, convert_images, shuffled
    from minicaffe.solver.log import init_log, log

    init_log()
    entries, names = read_entries(args)
    if args.shuffle:
        entries, seed = shuffled(entries, args.seed)
        log.info("Shuffling data (--seed %d repeats the order)", seed)
    elif len(names) > 1:
        log.warning("The images are written class by class, and Data layers never shuffle: --shuffle mixes them")
    form = ImageForm(
        color=not args.gray,
        height=args.resize_height,
        width=args.resize_width,
        encoded=args.encoded or bool(args.encode_type),
        encoding=args.encode_type,
    )
    with Progress("image") as progress:
        done = convert_images(
            entries, args.root, args.database, form, args.backend.upper(), args.check_size, progress.update
        )
    print(f"{args.database}: {done.count} of {len(entries)} images")
    if names:
        write_class_names(Path(args.database), names)
        print(f"{args.database}/labels.txt: the names of {len(names)} classes, that of label 0 first")


def read_entries(args: argparse.Namespace) -> tuple[list[Entry], list[str]]:
    """Return the images, and the class names if it is folders that tell the labels."""
    from minicaffe.convert.image_folder import list_images, read_class_names
    from minicaffe.data.lists import read_image_list

    if args.list is not None:
        if args.labels:
            args.usage_error("--labels numbers the folders of ROOT; a LIST has labels of its own")
        return read_image_list(Path(args.list)), []
    if Path(args.database).is_file():
        args.usage_error(f"{args.database} is a file: is it the LIST? Then the DB to write is missing")
    return list_images(Path(args.root), read_class_names(Path(args.labels)) if args.labels else None)
