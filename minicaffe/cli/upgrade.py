"""Rewrite a net or solver of an older Caffe in today's form.

IN is the prototxt of a net or a solver, or a .caffemodel: its content tells which. Text stays text and binary stays
binary, weights bit for bit. A file in today's form is copied. The exit code is 1 where something could not be kept.
"""

from __future__ import annotations

import argparse
import sys

ALIASES = ("upgrade_net_proto_text", "upgrade_net_proto_binary", "upgrade_solver_proto_text")
EXAMPLE = """\
  minicaffe upgrade old/train_val.prototxt train_val.prototxt
  minicaffe upgrade old/solver.prototxt solver.prototxt
  minicaffe upgrade old.caffemodel new.caffemodel"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="IN", help="prototxt of a net or solver, or .caffemodel")
    parser.add_argument("target", metavar="OUT", help="file to write; may be IN")


def run(args: argparse.Namespace) -> None:
    from minicaffe.convert.upgrade import upgrade_file

    done = upgrade_file(args.source, args.target)
    print(f"{args.source}: {done.kind}{'' if done.changes else ', already in the form of today: copied as it is'}")
    for change in done.changes:
        print(f"  {change}")
    if done.comments:
        print(f"  comments are not carried over: {done.comments} of them")
    print(f"written to {args.target}")
    for each in done.lost:
        print(f"minicaffe: {each}", file=sys.stderr)
    if done.lost:
        raise SystemExit(1)
