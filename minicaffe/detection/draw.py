"""Pictures of detections: a box in the colour of its class, and above it the class and the score."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe.data import images
from minicaffe.errors import missing_dependency
from minicaffe.files import written_aside

_GOLDEN = 0.618033988749895  # steps of the golden ratio round the colour circle keep any number of hues apart
_LIGHT = 140  # text on a class colour of at least this luma is black


def colour(number: int) -> tuple[int, int, int]:
    """Return the colour (R, G, B) of class `number`: the same in every picture, neighbours far apart."""
    lightness = 0.62 if number % 2 else 0.45
    r, g, b = colorsys.hls_to_rgb((0.11 + number * _GOLDEN) % 1.0, lightness, 0.95)
    return round(255 * r), round(255 * g), round(255 * b)


def draw(image: np.ndarray, found: Sequence[np.ndarray], classes: Sequence[str], threshold: float = 0.0) -> np.ndarray:
    """Return a copy of `image` (BGR uint8 [H, W, 3]) with the detections drawn on it, the surest on top.

    found: [N, 5] for every class (x1, y1, x2, y2, score), background first, as one photograph's column of `Detections`;
    classes: their names. Scores below `threshold` are left out.
    """
    Image, ImageDraw, _ = _pillow()
    picture = Image.fromarray(np.ascontiguousarray(image[:, :, ::-1]))
    pen = ImageDraw.Draw(picture)
    rows = [(float(row[4]), j, row[:4].tolist()) for j, of_class in enumerate(found) for row in of_class]
    rows = sorted((row for row in rows if row[0] >= threshold), key=lambda row: row[0])
    height = label_height(picture.size, [box for _, _, box in rows])
    for score, j, box in rows:
        _box(pen, picture.size, box, f"{classes[j]} {score:.2f}", colour(j), height)
    return np.asarray(picture)[:, :, ::-1].copy()


def label_height(size: tuple[int, int], boxes: Sequence[Sequence[float]]) -> int:
    """Return the pixels for text in a picture of `size`: less where boxes are small, for those are often many."""
    usual = float(np.median([box[3] - box[1] for box in boxes])) if boxes else 0.0
    return max(9, round(min(min(size) / 45, usual / 3)))


def draw_truth(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return a copy of `image` with the annotated `boxes` [G, 4] as thin white frames, to compare detections with."""
    Image, ImageDraw, _ = _pillow()
    picture = Image.fromarray(np.ascontiguousarray(image[:, :, ::-1]))
    pen = ImageDraw.Draw(picture)
    for box in boxes.tolist():
        pen.rectangle(box, outline=(255, 255, 255), width=1)
    return np.asarray(picture)[:, :, ::-1].copy()


def save(path: str | Path, picture: np.ndarray) -> Path:
    """Write a picture (BGR uint8) in the format of the path's extension, PNG or JPEG; return the path."""
    content = images.encode(picture, Path(path).suffix)
    with written_aside(path) as aside:
        aside.write_bytes(content)
    return Path(path)


def _box(pen: Any, size: tuple[int, int], box: list[float], label: str, rgb: tuple[int, int, int], height: int) -> None:
    """Draw a frame and its label: above the frame, or inside it where the image ends."""
    stroke = max(1, height // 8)
    pen.rectangle(box, outline=rgb, width=stroke)
    font = _font(height)
    left, top, right, bottom = pen.textbbox((0, 0), label, font=font)
    w, h = right - left + 4, bottom - top + 4
    x = min(max(box[0], 0), max(size[0] - w, 0))
    y = box[1] - h if box[1] >= h else box[1]
    pen.rectangle((x, y, x + w - 1, y + h - 1), fill=rgb)
    r, g, b = rgb
    ink = (0, 0, 0) if 0.299 * r + 0.587 * g + 0.114 * b >= _LIGHT else (255, 255, 255)
    pen.text((x + 2 - left, y + 2 - top), label, fill=ink, font=font)


def _pillow() -> tuple[Any, Any, Any]:
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        raise missing_dependency("pillow", "data", "drawing detections") from None
    return Image, ImageDraw, ImageFont


@lru_cache(maxsize=8)
def _font(height: int) -> Any:
    """Return Pillow's own font, at `height` pixels where this Pillow can scale it."""
    ImageFont = _pillow()[2]
    try:
        return ImageFont.load_default(height)
    except TypeError:  # before Pillow 10.1 it came in one size
        return ImageFont.load_default()
