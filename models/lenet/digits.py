"""1,797 handwritten digits that come with scikit-learn, brought to LeNet's 28 x 28 pixels.

    python models/lenet/digits.py runs/digits             write train_lmdb (1,437 images) and test_lmdb (360)
    python models/lenet/digits.py runs/digits --report    say what the training that log.jsonl recorded has learned

The digits are the test part of the UCI set "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, 1998):
8 x 8 counts of inked pixels, 0 to 16. Each is enlarged three times and given a margin of two, to look like MNIST.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from mnist import write_lmdb
from scipy import ndimage
from sklearn.datasets import load_digits

TEST_IMAGES = 360
SEED = 2026


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the LMDBs and the log lie")
    parser.add_argument("--report", action="store_true", help="report on the training instead of preparing it")
    args = parser.parse_args()
    if args.report:
        report(args.folder / "log.jsonl")
    else:
        prepare(args.folder)


def prepare(folder: Path) -> None:
    """Write both LMDBs; which image is a test image is drawn once and for all."""
    (folder / "log.jsonl").unlink(missing_ok=True)
    digits = load_digits()
    order = np.random.default_rng(SEED).permutation(len(digits.target))
    for split, chosen in (("train", order[TEST_IMAGES:]), ("test", order[:TEST_IMAGES])):
        write_lmdb(folder / f"{split}_lmdb", enlarge(digits.images[chosen]), digits.target[chosen])
        print(f"{folder / f'{split}_lmdb'}: {len(chosen)} images")


def enlarge(images: np.ndarray) -> np.ndarray:
    """Turn (N, 8, 8) images of 0 to 16 into (N, 28, 28) ones of 0 to 255, uint8."""
    grown = ndimage.zoom(images * (255 / 16), (1, 3, 3), order=1, grid_mode=True, mode="nearest")
    return np.pad(np.round(grown).astype(np.uint8), ((0, 0), (2, 2), (2, 2)))


def report(log: Path) -> None:
    """Print the accuracy of the first and of the last test in the log, as wrong answers people can count."""
    tests = [line for line in map(json.loads, log.read_text().splitlines()) if line["kind"] == "test"]
    print(f"\nLeNet on {TEST_IMAGES} handwritten digits it was not trained on:")
    for when, test in (("before", tests[0]), ("after", tests[-1])):
        accuracy = test["outputs"]["accuracy"]
        wrong = round(TEST_IMAGES * (1 - accuracy))
        print(f"  {when} training: {accuracy:6.1%} right, {wrong} wrong")


if __name__ == "__main__":
    main()
