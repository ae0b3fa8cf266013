"""The quick start: train a detector of tree crowns from nothing, and see what it finds on a photograph it has not seen.

    python models/quickstart/run.py

Every step is a command of `minicaffe` that is printed before it runs, so that each can be repeated, and changed, by
hand. Data, weights and the picture go to runs/quickstart.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path

import trees

import minicaffe
from minicaffe.cli.main import main as run_verb
from minicaffe.proto import read_solver
from minicaffe.rng import Streams
from minicaffe.solver.log import init_log

MODEL = Path("models/quickstart")
RUN = Path("runs/quickstart")
FINER = "--set GRID.STEP 0.33"  # one photograph is soon looked at, so its grid may be closer than in training


def main() -> None:
    if not MODEL.is_dir():
        sys.exit("run this from the root of the repository: its paths count from there")
    began = time.monotonic()
    if not (RUN / "trees" / "ImageSets" / "Main" / "test.txt").exists():
        trees.prepare(trees.fetch_wheel(RUN), RUN / "trees")
    config = f"--cfg {MODEL}/config.yml"
    solver = read_solver(MODEL / "solver.prototxt")
    weights = {
        "before": RUN / "untrained.caffemodel",
        "after": Path(f"{solver.snapshot_prefix}_iter_{solver.max_iter}.caffemodel"),
    }
    write_untrained(solver, weights["before"])
    minicaffe_(f"train {MODEL}/solver.prototxt {config}")
    precisions = {}
    for when, file in weights.items():
        detector = f"{MODEL}/test.prototxt --weights {file} {config} {FINER}"
        minicaffe_(f"evaluate {detector} --num-dets 1000 --det-thresh 0.001 --out {RUN}/{when}")
        precisions[when] = json.loads((RUN / when / "ap.json").read_text())["tree"]
    photograph = RUN / "trees" / "JPEGImages" / f"{trees.TESTING}.png"
    minicaffe_(f"detect {detector} --classes tree --num-dets 1000 --det-thresh 0.3 --out {RUN}/pictures {photograph}")
    print("\nAverage precision on a photograph that was not learned from, at an overlap of 0.5:")
    for when, ap in precisions.items():
        print(f"  {when} training: {ap:6.1%}")
    print(f"{time.monotonic() - began:.0f} s in all. What it found: {RUN}/pictures/{trees.TESTING}.jpg")


def write_untrained(solver: object, path: Path) -> None:
    """Save the net as training will begin with it."""
    init_log(1)
    net = minicaffe.Net(solver.train_net, minicaffe.TRAIN, streams=Streams(solver.random_seed))
    net.save(path)
    net.close()


def minicaffe_(command: str) -> None:
    """Print a command of minicaffe and run it; end the program if it fails."""
    print(f"\n$ minicaffe {command}", flush=True)
    code = run_verb(shlex.split(command))
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main()
