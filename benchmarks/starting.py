"""Measure how long it takes to get started, in seconds; prints one line of JSON, `cpu.py` calls it.

`import` and `help` are the fastest of several new processes; `plan` is a VGG16 training net read, parsed and built
without weights being touched; `weights` loads the 138 million numbers of a whole VGG16 from a .caffemodel that the
system has in its cache; `compile` is what GoogLeNet's first training step costs beyond the same step with the kernels
on disk, `cached` that step.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import nets

import minicaffe
from minicaffe.proto import read_net

TIMES = 7
FIRST_STEP = """
from time import perf_counter
import engines, rows
runner = engines.Ours(rows.BY_KEY["googlenet-backward"])
start = perf_counter()
runner.run()
print(perf_counter() - start)
"""


def main() -> None:
    found = {
        "import": best([sys.executable, "-c", "import minicaffe"]),
        "help": best([sys.executable, "-m", "minicaffe.cli.main", "--help"]),
        "plan": plan(),
        "weights": weights(),
        **first_step(),
    }
    print(json.dumps(found))


def best(command: list[str]) -> float:
    return min(seconds(command) for _ in range(TIMES))


def seconds(command: list[str]) -> float:
    start = perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return perf_counter() - start


def plan() -> float:
    """Read and build the detector's training net; its data layer, which reads photographs, is inputs here."""
    nets.vgg16_ohem()  # the layers' modules are imported once
    times = []
    for _ in range(3):
        start = perf_counter()
        minicaffe.Net(nets.vgg16_ohem(), phase="TRAIN")
        times.append(perf_counter() - start)
    return min(times)


def weights() -> float:
    definition = read_net(nets.VGG16_OHEM / "test.prototxt")
    net = minicaffe.Net(definition, phase="TEST")
    nets.fill(net)
    times = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vgg16.caffemodel"
        net.save(path)
        for _ in range(3):
            other = minicaffe.Net(definition, phase="TEST")
            start = perf_counter()
            other.copy_from(path)
            times.append(perf_counter() - start)
            del other
    return min(times)


def first_step() -> dict[str, float]:
    """Run GoogLeNet's first step in two new processes: without any compiled kernel on disk, and with them."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-c", FIRST_STEP]
        runs = [subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True) for _ in range(2)]
    cold, warm = (float(run.stdout) for run in runs)
    return {"compile": cold - warm, "cached": warm}


if __name__ == "__main__":
    main()
