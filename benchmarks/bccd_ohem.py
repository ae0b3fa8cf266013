"""Does online hard example mining beat Fast R-CNN's sampling? Both, on blood cells, several seeds each.

    python benchmarks/bccd_ohem.py [--seeds 1,2,3] [--iters N] [--jobs 2] [--data FOLDER --proposals MAT --weights FILE]

Trains models/squeezenet_ohem both ways on BCCD trainval for the same iterations and scores every run on test: mean
average precision at IoU 0.5, plain and with a second round of localisation and box voting ("+B"). Each run is the pair
of commands that the model's README names, one CPU thread a run. Finished runs are not repeated. What comes out, in
runs/bccd_ohem: results.json, table.md, loss.png (needs matplotlib).

The losses that training logs cannot be compared: one is of regions drawn at random, the other of the hardest. So the
picture also shows the mean classification loss of all regions of some training photographs, at every snapshot.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from minicaffe import TEST, Net
from minicaffe.data import images
from minicaffe.detection.config import default_config
from minicaffe.detection.datasets import open_dataset
from minicaffe.detection.detect import im_detect
from minicaffe.detection.ohem import classification_losses
from minicaffe.detection.proposals import choose_source, read_proposals
from minicaffe.detection.roidb import build_roidb
from minicaffe.files import written_aside

ROOT = Path(__file__).resolve().parent.parent
MODEL = Path("models/squeezenet_ohem")
METHODS = {"baseline": "Fast R-CNN", "ohem": "OHEM"}
PROGRAM = "import sys; from minicaffe.cli.main import main; sys.exit(main())"
SNAPSHOTS = 6
PHOTOGRAPHS = 24  # of which the loss of all regions is taken


@dataclass
class Run:
    """One training and what came of it: precisions by class and "mean"; losses as (iteration, loss)."""

    method: str
    seed: int
    ap: dict[str, float] = field(default_factory=dict)
    ap_voted: dict[str, float] = field(default_factory=dict)
    logged: list[tuple[int, float]] = field(default_factory=list)
    all_regions: list[tuple[int, float]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.method}_seed{self.seed}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = ROOT.parent / "shared"
    bccd = shared / "datasets" / "bccd"
    squeezenet = shared / "models" / "squeezenet_v1.0" / "squeezenet_v1.0.caffemodel"
    parser.add_argument("--data", type=Path, default=bccd, metavar="FOLDER", help="BCCD in VOC's layout")
    parser.add_argument("--proposals", type=Path, default=bccd / "selective_search.mat", metavar="FILE")
    parser.add_argument("--weights", type=Path, default=squeezenet, metavar="FILE", help="SqueezeNet v1.0")
    parser.add_argument("--seeds", default="1,2,3", metavar="A,B,…")
    parser.add_argument("--iters", type=int, default=600, metavar="N")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="runs at a time")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "bccd_ohem", metavar="FOLDER")
    args = parser.parse_args()
    for path in (args.data, args.proposals, args.weights):
        if not path.exists():
            sys.exit(f"skipped: there is no {path}; name the files with --data, --proposals and --weights")
    runs = [Run(method, int(seed)) for seed in args.seeds.split(",") for method in METHODS]
    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(lambda run: finish(run, args), runs))
    with written_aside(args.out / "results.json") as aside:
        aside.write_text(json.dumps({"iters": args.iters, "runs": [asdict(run) for run in runs]}, indent=1))
    lines = "\n".join(table(runs))
    (args.out / "table.md").write_text(lines + "\n")
    print(lines)
    plot(runs, args.out / "loss.png")


# -- one run ----------------------------------------------------------------------------------------------------------


def finish(run: Run, args: argparse.Namespace) -> None:
    """Train, score, measure; or read what an earlier call of this script found."""
    done = args.out / f"{run.name}_{args.iters}.json"
    if not done.exists():
        weights = train(run, args)
        run.ap = score(run, args, weights, "plain", "")
        run.ap_voted = score(run, args, weights, "voted", "--rounds 2 --voting")
        run.all_regions = losses_of_all_regions(run, args)
        with written_aside(done) as aside:
            aside.write_text(json.dumps(asdict(run), indent=1))
    vars(run).update(json.loads(done.read_text()))
    print(f"{run.name}: mAP {run.ap['mean']:.4f}, with voting {run.ap_voted['mean']:.4f}", flush=True)


def train(run: Run, args: argparse.Namespace) -> Path:
    """Train to the end; return the weights."""
    log = args.out / f"{run.name}.jsonl"
    log.unlink(missing_ok=True)
    solver = "solver.prototxt" if run.method == "ohem" else "solver_baseline.prototxt"
    config = "config.yml" if run.method == "ohem" else "config_baseline.yml"
    minicaffe(
        run,
        args,
        f"train {MODEL}/{solver} --weights {args.weights} --cfg {MODEL}/{config} --data voc:{args.data}:trainval "
        f"--proposals {args.proposals} --iters {args.iters} --threads 1 --log-json {log} --set RNG_SEED {run.seed} "
        f"TRAIN.SNAPSHOT_INFIX seed{run.seed} TRAIN.SNAPSHOT_ITERS {args.iters // SNAPSHOTS}",
    )
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    run.logged = [(line["iter"], line["loss"]) for line in lines if line["kind"] == "train"]
    return snapshot(run, args.iters)


def snapshot(run: Run, iteration: int) -> Path:
    return ROOT / "runs" / "squeezenet_ohem" / f"{run.name}_iter_{iteration}.caffemodel"


def score(run: Run, args: argparse.Namespace, weights: Path, kind: str, flags: str) -> dict[str, float]:
    """Return the average precisions on test."""
    out = args.out / f"{run.name}_{kind}"
    minicaffe(
        run,
        args,
        f"evaluate {MODEL}/test.prototxt --weights {weights} --cfg {MODEL}/config.yml --data voc:{args.data}:test "
        f"--proposals {args.proposals} --num-dets 200 --det-thresh 0.001 --threads 1 --out {out} {flags}",
    )
    precisions: dict[str, float] = json.loads((out / "ap.json").read_text())
    return precisions


def minicaffe(run: Run, args: argparse.Namespace, command: str) -> None:
    """Run a command of minicaffe from the root of the repository; its output goes to RUN.log."""
    args.out.mkdir(parents=True, exist_ok=True)
    with open(args.out / f"{run.name}.log", "a", encoding="utf-8") as log:
        words = [sys.executable, "-c", PROGRAM, *shlex.split(command)]
        subprocess.run(words, cwd=ROOT, stdout=log, stderr=log, check=True)


def losses_of_all_regions(run: Run, args: argparse.Namespace) -> list[tuple[int, float]]:
    """Return the mean of -ln p(right class) over every region of the first training photographs, at each snapshot."""
    config = default_config()
    config.merge_file(ROOT / MODEL / "config.yml")
    config.TRAIN.USE_FLIPPED = False
    dataset = open_dataset(f"voc:{args.data}:trainval", config)
    proposals = read_proposals(choose_source(dataset, config.TRAIN, config, str(args.proposals)), dataset, config)
    roidb = build_roidb(dataset, proposals, config)[:PHOTOGRAPHS]
    found = []
    for iteration in range(args.iters // SNAPSHOTS, args.iters + 1, args.iters // SNAPSHOTS):
        net = Net(ROOT / MODEL / "test.prototxt", TEST, weights=snapshot(run, iteration))
        losses = []
        for regions in roidb:
            scores, _ = im_detect(net, images.read(regions.photograph.path), regions.boxes, config)
            labels = np.where(regions.max_overlaps >= config.TRAIN.FG_THRESH, regions.max_classes, 0)
            losses.append(classification_losses(scores, labels))
        found.append((iteration, float(np.concatenate(losses).mean())))
    return found


# -- what came out ----------------------------------------------------------------------------------------------------


def table(runs: list[Run]) -> list[str]:
    """Return the rows of a Markdown table: mAP of every seed, mean and standard deviation, mean AP of every class."""
    classes = [name for name in runs[0].ap if name != "mean"]
    seeds = sorted({run.seed for run in runs})
    head = ["method", *(f"seed {seed}" for seed in seeds), "mean", "deviation", *classes]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for method, title in METHODS.items():
        mine = sorted((run for run in runs if run.method == method), key=lambda run: run.seed)
        for suffix, precisions in (("", [run.ap for run in mine]), (" +B", [run.ap_voted for run in mine])):
            means = [100 * ap["mean"] for ap in precisions]
            spread = statistics.stdev(means) if len(means) > 1 else 0.0
            by_class = [100 * statistics.mean(ap[name] for ap in precisions) for name in classes]
            cells = [f"{x:.1f}" for x in (*means, statistics.mean(means), spread, *by_class)]
            lines.append(f"| {title}{suffix} | {' | '.join(cells)} |")
    return lines


def plot(runs: list[Run], path: Path) -> None:
    """Draw the losses of every run: as logged, and of all regions."""
    try:
        import matplotlib
    except ImportError:
        print("no picture of the losses: pip install matplotlib")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    titles = ("loss of the regions learned from, as logged", "classification loss of all regions")
    colours = dict(zip(METHODS, ("tab:blue", "tab:red"), strict=True))
    for axis, title, curves in zip(axes, titles, ("logged", "all_regions"), strict=True):
        for run in runs:
            label = METHODS[run.method] if run.seed == runs[0].seed else None
            axis.plot(*zip(*getattr(run, curves), strict=True), color=colours[run.method], alpha=0.7, label=label)
        axis.set(title=title, xlabel="iteration", ylim=(0, None))
        axis.legend()
    figure.savefig(path, dpi=120)
    print(f"{path}")


if __name__ == "__main__":
    main()
