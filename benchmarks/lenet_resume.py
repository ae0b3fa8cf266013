"""Continue a real Caffe training run of 2014 and arrive where it arrived.

    python benchmarks/lenet_resume.py [--model FOLDER] [--mnist FOLDER]

The model's folder holds `lenet_iter_5000.solverstate` and both `.caffemodel` files of one LeNet run on MNIST, with
its prototxts. This script resumes the state, trains the 5,000 iterations to 10,000 and compares each parameter with
the genuine one: relative error ||ours - theirs|| / ||theirs||, at most 0.03. Then `minicaffe test` scores the genuine
weights on the 10,000 test images.

One thing has to be put right by hand. A Caffe solver state says nothing of the data: after a resume Caffe reads the
database from its first image again. The run compared with was not resumed: it went through, one batch of 64 after the
other in the order of the file, round and round. At iteration 5,000 it had read 320,000 images, five times all 60,000
and 20,000 more, so its next batch began with image 20,000; the data layer is set to stand there.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "models" / "lenet"))

import mnist  # noqa: E402  (models/lenet/mnist.py)

from minicaffe import get_solver, load_weights  # noqa: E402
from minicaffe.proto import read_net, read_solver, to_text  # noqa: E402
from minicaffe.solver.log import init_log  # noqa: E402

START, END = 5000, 10000
TOLERANCE = 0.03
ACCURACY = 0.9905


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = ROOT.parent / "shared"
    parser.add_argument("--model", type=Path, default=shared / "models" / "lenet_mnist_2014", metavar="FOLDER")
    parser.add_argument("--mnist", type=Path, default=shared / "datasets" / "mnist", metavar="FOLDER")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "lenet_resume", metavar="FOLDER")
    args = parser.parse_args()
    for folder in (args.model, args.mnist):
        if not folder.is_dir():
            print(f"skipped: there is no {folder}; name the folders with --model and --mnist")
            return
    net = prepare(args.model, args.mnist, args.work)
    alike = resume(args.model, net)
    scored = score(args.model, net, args.work)
    sys.exit(0 if alike and scored else 1)


def prepare(model: Path, images: Path, work: Path) -> Any:
    """Write the LMDBs, unless they are there, and return the genuine net definition reading from them."""
    definition = read_net(model / "lenet_train_test.prototxt")
    databases = {split: work / f"{split}_lmdb" for split in mnist.FILES}
    for split, path in databases.items():
        if not path.exists():
            mnist.write_lmdb(path, *mnist.read_split(images, split))
    for layer in definition.layer:
        if layer.type == "Data":
            layer.data_param.source = str(databases["test" if layer.include[0].phase else "train"])
    return definition


def resume(model: Path, net: Any) -> bool:
    """Train from the genuine state at START to END; print and judge the distance to the genuine weights at END."""
    param = read_solver(model / "lenet_solver.prototxt")
    param.ClearField("net")
    param.net_param.CopyFrom(net)
    param.snapshot = 0
    param.snapshot_after_train = False
    param.display = 500
    param.test_interval = END - START
    solver = get_solver(param)
    init_log()
    solver.restore(model / f"lenet_iter_{START}.solverstate")
    set_cursor(solver.net.layer_dict["mnist"], START * 64, 60000)
    began = time.monotonic()
    solver.step(END - START)
    seconds = time.monotonic() - began
    solver.close()
    print(f"\n{END - START} iterations in {seconds:.0f} s, {1000 * seconds / (END - START):.1f} ms each\n")
    return compare(solver.net.params, load_weights(model / f"lenet_iter_{END}.caffemodel"))


def set_cursor(layer: Any, images_read: int, images: int) -> None:
    """Let the data layer continue as after `images_read` images; the keys are the images' numbers in eight digits."""
    state = layer.get_state()
    state["source"] = {"count": images_read, "key": (b"%08d" % (images_read % images)).hex()}
    layer.set_state(state)


def compare(ours: Any, theirs: Any) -> bool:
    """Print the relative error of every blob; True if none exceeds the tolerance."""
    worst = 0.0
    print(f"{'blob':10}{'shape':>18}{'relative error':>18}")
    for name, blobs in ours.items():
        for j, blob in enumerate(blobs):
            a, b = np.asarray(blob.data, np.float64).ravel(), np.asarray(theirs[name][j], np.float64).ravel()
            error = float(np.linalg.norm(a - b) / np.linalg.norm(b))
            worst = max(worst, error)
            print(f"{f'{name}[{j}]':10}{'x'.join(map(str, blob.data.shape)):>18}{error:18.5f}")
    print(f"largest: {worst:.5f}, allowed: {TOLERANCE}\n")
    return worst <= TOLERANCE


def score(model: Path, net: Any, work: Path) -> bool:
    """Run `minicaffe test` with the genuine weights; True if it gives the accuracy that is known of them."""
    prototxt = work / "lenet_train_test.prototxt"
    prototxt.write_text(to_text(net))
    weights = model / f"lenet_iter_{END}.caffemodel"
    command = ["test", str(prototxt), "--weights", str(weights), "--iterations", "100"]
    ran = subprocess.run(
        [sys.executable, "-c", "import sys; from minicaffe.cli.main import main; sys.exit(main())", *command],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=ROOT,
    )
    found = re.search(r"\] accuracy = ([\d.]+)", ran.stderr)
    if found is None:
        print(ran.stderr)
        return False
    print(f"minicaffe {' '.join(command)}\naccuracy = {found[1]}, expected {ACCURACY}")
    return float(found[1]) == ACCURACY


if __name__ == "__main__":
    main()
