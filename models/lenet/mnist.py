"""MNIST for LeNet: turn its four IDX files (gzip-compressed or not) into two LMDBs, `train_lmdb` and `test_lmdb`.

    python models/lenet/mnist.py FOLDER_OF_IDX_FILES [OUTPUT_FOLDER, default runs/mnist]

Images keep the order of the files, under keys of eight digits, as Caffe's own examples store them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np

from minicaffe.data.datum import image_datum
from minicaffe.data.idx import read_idx
from minicaffe.data.sources import create_source
from minicaffe.errors import DataError, Error

FILES = {"train": "train", "test": "t10k"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder with the IDX files")
    parser.add_argument("output", type=Path, nargs="?", default=Path("runs/mnist"), help="folder to write the LMDBs to")
    args = parser.parse_args()
    for split in FILES:
        images, labels = read_split(args.source, split)
        write_lmdb(args.output / f"{split}_lmdb", images, labels)
        print(f"{args.output / f'{split}_lmdb'}: {len(images)} images")


def read_split(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the images (N, 28, 28) and labels (N,) of 'train' or 'test', both uint8."""
    images = read_idx(find(folder, f"{FILES[split]}-images-idx3-ubyte"))
    labels = read_idx(find(folder, f"{FILES[split]}-labels-idx1-ubyte"))
    if len(images) != len(labels):
        raise DataError(f"{folder}: {len(images)} {split} images but {len(labels)} labels")
    return images, labels


def find(folder: Path, name: str) -> Path:
    """Return the file `name` in `folder`, compressed or not."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    raise DataError(f"{folder} holds neither {name} nor {name}.gz")


def write_lmdb(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write grey images (N, H, W) of uint8 with their labels; an LMDB already at `path` is replaced."""
    shutil.rmtree(path, ignore_errors=True)
    with create_source(path) as database:
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            database.put(f"{i:08d}", image_datum(image, int(label)).SerializeToString())


if __name__ == "__main__":
    try:
        main()
    except Error as error:
        sys.exit(f"mnist.py: {error}")
