"""Small data sets on disk and in memory: noise for photographs, boxes where the test wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.io import savemat

from minicaffe.data import images
from minicaffe.detection.dataset import BACKGROUND, Dataset, Photograph
from minicaffe.detection.roidb import Regions, find_overlaps

Box = tuple[float, float, float, float]
Thing = tuple[str, Box]


def write_image(path: Path, width: int, height: int, seed: int = 0) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(images.encode(pixels, path.suffix))
    return pixels


def xml(things: Sequence[Thing], size: tuple[int, int] | None = (60, 40), more: str = "") -> str:
    """An annotation whose boxes are given 0-based, and written 1-based."""
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>" if size else ""
    objects = "".join(
        f"<object><name>{name}</name><difficult>0</difficult><bndbox>"
        + "".join(f"<{side}>{x + 1:g}</{side}>" for side, x in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
        + "</bndbox></object>"
        for name, box in things
    )
    return f"<annotation>{sides}{objects}{more}</annotation>"


def write_voc(root: Path, annotations: Mapping[str, str], image_set: str = "trainval", extension: str = "png") -> Path:
    """A VOC folder with a photograph of 60 x 40 pixels for each annotation."""
    for i, (name, text) in enumerate(annotations.items()):
        write_image(root / "JPEGImages" / f"{name}.{extension}", 60, 40, i)
        (root / "Annotations").mkdir(exist_ok=True)
        (root / "Annotations" / f"{name}.xml").write_text(text)
    sets = root / "ImageSets" / "Main"
    sets.mkdir(parents=True, exist_ok=True)
    (sets / f"{image_set}.txt").write_text("".join(f"{name}\n" for name in annotations))
    return root


def write_mat(path: Path, boxes: Sequence[Sequence[Box]], names: Sequence[str] | None = None) -> Path:
    """Proposals, given 0-based as x1 y1 x2 y2, in the layout of Selective Search."""
    cells = np.empty((1, len(boxes)), object)
    for i, one in enumerate(boxes):
        cells[0, i] = np.array(one, np.float64).reshape(-1, 4)[:, (1, 0, 3, 2)] + 1
    content = {"boxes": cells}
    if names is not None:
        content["images"] = np.array([[name] for name in names], object)
    savemat(path, content)
    return path


def random_boxes(rng: np.random.Generator, count: int, width: int, height: int) -> np.ndarray:
    """Boxes [count, 4] of at least 8 pixels on whole pixels, inside the image."""
    x1, y1 = rng.integers(0, width - 10, count), rng.integers(0, height - 10, count)
    x2 = x1 + 7 + rng.integers(0, width, count) % (width - x1 - 7)
    y2 = y1 + 7 + rng.integers(0, height, count) % (height - y1 - 7)
    return np.stack([x1, y1, x2, y2], axis=1).astype(np.float32)


def photograph(name: str = "a", boxes: Sequence[Box] = (), classes: Sequence[int] = (), **more: object) -> Photograph:
    known = {"path": Path(f"{name}.png"), "size": (60, 40), "difficult": np.zeros(len(boxes), bool)}
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return Photograph(name, boxes=array, classes=np.array(classes, np.int64), **(known | more))  # type: ignore[arg-type]


def dataset(*photographs: Photograph, classes: Sequence[str] = ("cat", "dog", "cow")) -> Dataset:
    return Dataset("scenes", (BACKGROUND, *classes), list(photographs))


def jittered(rng: np.random.Generator, objects: np.ndarray, each: int) -> np.ndarray:
    """Boxes near the objects, `each` for every one."""
    near = np.repeat(objects, each, axis=0) + rng.integers(-3, 4, (len(objects) * each, 4))
    near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 4)
    return np.clip(near, 0, [59, 39, 59, 39]).astype(np.float32)


def random_roidb(rng: np.random.Generator, count: int, proposals: int = 40) -> list[Regions]:
    """Regions of photographs with one to three objects, a third of the proposals near them."""
    roidb = []
    for i in range(count):
        objects = random_boxes(rng, int(rng.integers(1, 4)), 60, 40)
        near = jittered(rng, objects, proposals // 3)
        boxes = np.concatenate([near, random_boxes(rng, proposals, 60, 40)])
        one = photograph(f"p{i}")
        roidb.append(find_overlaps(one, objects, rng.integers(1, 4, len(objects)), boxes))
    return roidb


def on_disk(folder: Path, roidb: Sequence[Regions]) -> list[np.ndarray]:
    """Give every photograph of the roidb a file; return the images."""
    pixels = []
    for i, regions in enumerate(roidb):
        regions.photograph.path = folder / f"{regions.photograph.name}.png"
        pixels.append(write_image(regions.photograph.path, *regions.photograph.size, i))
    return pixels
