"""Start the published VGG16 net with online hard example mining, unmodified, and see it step, save and resume.

    python benchmarks/vgg16_ohem_smoke.py [--published FOLDER] [--photographs FOLDER] [--iterations N]

`--published` holds the published code's `models/`, with its solver and train prototxt; `--photographs` two VOC
photographs with the Selective Search boxes published for them, and their objects as JSON. They are laid out as
VOC2007 trainval and a `.mat` of proposals; VGG16's convolutions, fc6 and fc7 get random weights in a `.caffemodel`.
Then `minicaffe train` makes N updates at full size, saving half way, and a second call resumes from there: both must
end with the same weights, bit for bit. Takes minutes, gigabytes of memory and some on disk, which are freed at the end.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import resource
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

from minicaffe import TEST, Net
from minicaffe.proto import read_net
from minicaffe.rng import Streams

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "models" / "vgg16_ohem"
SOLVER = "models/pascal_voc/VGG16/fast_rcnn_ohem/solver.prototxt"
PHOTOGRAPHS = ("000004", "001551")
PROGRAM = "import sys; from minicaffe.cli.main import main; sys.exit(main())"
OBJECTS = "gt_from_pascal_test2007_json.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = ROOT.parent / "shared"
    parser.add_argument("--published", type=Path, default=shared / "prototxts" / "abhi2610_ohem", metavar="FOLDER")
    parser.add_argument("--photographs", type=Path, default=shared / "datasets" / "voc2007_demo", metavar="FOLDER")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "vgg16_ohem_smoke", metavar="FOLDER")
    parser.add_argument("--iterations", type=int, default=4, metavar="N", help="updates of two photographs (default 4)")
    args = parser.parse_args()
    for path in (args.published / SOLVER, args.photographs / OBJECTS):
        if not path.is_file():
            print(f"skipped: there is no {path}; name the folders with --published and --photographs")
            return
    published, photographs, work = (path.resolve() for path in (args.published, args.photographs, args.work))
    try:
        lay_out(photographs, work / "data")
        weights = random_weights(work / "random_vgg16.caffemodel")
        alike = run(work, published, weights, args.iterations)
    finally:
        shutil.rmtree(work / "run", ignore_errors=True)
        (work / "random_vgg16.caffemodel").unlink(missing_ok=True)
    print(f"the resumed run ends {'with the same weights, bit for bit' if alike else 'with OTHER WEIGHTS'}")
    sys.exit(0 if alike else 1)


# -- data -------------------------------------------------------------------------------------------------------------


def lay_out(photographs: Path, data: Path) -> None:
    """Write VOC2007 trainval with two photographs, and the proposals for them, as the published code expects them."""
    voc = data / "VOCdevkit2007" / "VOC2007"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (voc / folder).mkdir(parents=True, exist_ok=True)
    (voc / "ImageSets" / "Main" / "trainval.txt").write_text("".join(f"{name}\n" for name in PHOTOGRAPHS))
    objects = json.loads((photographs / OBJECTS).read_text())
    cells = np.empty(len(PHOTOGRAPHS), object)
    for i, name in enumerate(PHOTOGRAPHS):
        image = photographs / f"{name}.jpg"
        shutil.copy(image, voc / "JPEGImages")
        (voc / "Annotations" / f"{name}.xml").write_text(annotation(image, objects[f"{name}.jpg"]))
        x1, y1, x2, y2 = scipy.io.loadmat(photographs / f"{name}_boxes.mat")["boxes"].astype(np.float64).T
        cells[i] = np.stack([y1, x1, y2, x2], axis=1) + 1
    (data / "selective_search_data").mkdir(exist_ok=True)
    scipy.io.savemat(data / "selective_search_data" / "voc_2007_trainval.mat", {"boxes": cells})


def annotation(image: Path, objects: list[Any]) -> str:
    """Return the XML of a photograph whose objects are (class, (x, y, width, height), difficult), x and y from 0."""
    with Image.open(image) as opened:
        width, height = opened.size
    text = f"<annotation><size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    for name, (x, y, w, h), difficult in objects:
        corners = {"xmin": x + 1, "ymin": y + 1, "xmax": x + w, "ymax": y + h}
        box = "".join(f"<{key}>{value}</{key}>" for key, value in corners.items())
        text += f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{box}</bndbox></object>"
    return f"{text}</annotation>\n"


def random_weights(path: Path) -> Path:
    """Write weights for the layers that have ImageNet ones: normal, so large that activations stay about 1."""
    definition = read_net(MODEL / "test.prototxt")
    for layer in [each for each in definition.layer if each.name in ("cls_score", "bbox_pred", "cls_prob")]:
        definition.layer.remove(layer)
    net = Net(definition, phase=TEST)
    streams = Streams(1)
    for name, (W, _) in net.params.items():
        fan_in = W.count // W.shape[0]
        W.data[...] = streams.stream(name).standard_normal(W.shape, np.float32) * np.sqrt(2 / fan_in)
    net.params["conv1_1"][0].data[...] /= 60  # about the deviation of pixels
    net.save(path)
    return path


# -- training ---------------------------------------------------------------------------------------------------------


def run(work: Path, published: Path, weights: Path, iterations: int) -> bool:
    """Train, and train the second half again from the snapshot; True if both end alike."""
    folder = work / "run"  # the solver names its net, and the snapshots, from here
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "models").symlink_to(published / "models")
    half = max(iterations // 2, 1)
    command = (
        f"train {SOLVER} --cfg {MODEL}/config.yml --data voc_2007_trainval --iters {iterations} "
        f"--set DATA_DIR {work}/data TRAIN.SNAPSHOT_ITERS {half} USE_CACHE False"
    )
    end = folder / f"vgg16_fast_rcnn_iter_{iterations}.caffemodel"
    minicaffe(folder, iterations, f"{command} --weights {weights}")
    through = end.rename(folder / "through.caffemodel")
    minicaffe(folder, iterations - half, f"{command} --snapshot vgg16_fast_rcnn_iter_{half}.solverstate")
    return filecmp.cmp(through, end, shallow=False)


def minicaffe(folder: Path, updates: int, command: str) -> None:
    """Run a command of minicaffe in `folder`; say what its updates took."""
    print(f"$ minicaffe {command}", flush=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run([sys.executable, "-c", PROGRAM, *shlex.split(command)], cwd=folder, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{updates} updates: {(used.ru_utime - before) / updates:.0f} s of processor time each, with loading and "
        f"saving; most memory so far {used.ru_maxrss / 2**20:.2f} GiB",
        flush=True,
    )


if __name__ == "__main__":
    main()
