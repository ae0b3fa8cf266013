"""From photographs to the net's input: mean subtracted, scaled to a length of the shorter side, zero-padded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.data import images as files
from minicaffe.detection.dataset import Photograph
from minicaffe.errors import DataError


def read_photograph(photograph: Photograph, flipped: bool = False) -> np.ndarray:
    """Return the image, BGR uint8 [H, W, 3], mirrored left to right if `flipped`.

    DataError if it does not decode, or is not of the size that its boxes were annotated for.
    """
    image = files.read(photograph.path)
    height, width = image.shape[:2]
    if (width, height) != photograph.size:
        raise DataError(
            f"image '{photograph.path}' is {width} x {height} pixels, its annotation says "
            f"{photograph.size[0]} x {photograph.size[1]}"
        )
    return image[:, ::-1] if flipped else image


def image_scale(size: Sequence[int], target: int, max_size: int) -> float:
    """Return the factor that makes the shorter side `target` pixels, or less if the longer would exceed `max_size`."""
    factor = target / min(size)
    return max_size / max(size) if round(factor * max(size)) > max_size else factor


def blob_shape(images: Sequence[np.ndarray], scales: Sequence[float]) -> tuple[int, int, int, int]:
    """Return the shape [N, 3, H, W] of the blob of `images` [h, w, 3], each scaled by its factor."""
    height, width = (
        max(_scaled(image.shape[axis], scale) for image, scale in zip(images, scales, strict=True)) for axis in (0, 1)
    )
    return len(images), 3, height, width


def image_blob(
    images: Sequence[np.ndarray], scales: Sequence[float], means: np.ndarray, out: np.ndarray | None = None
) -> np.ndarray:
    """Return BGR `images` [h, w, 3] as one blob [N, 3, H, W] of float32 (or `out`), each at the top left, zero
    elsewhere.

    `means` (B, G, R) is subtracted before scaling, so that the padding is the mean colour.
    """
    blob = np.empty(blob_shape(images, scales), np.float32) if out is None else out
    means = np.asarray(means, np.float32).reshape(1, 1, 3)
    for planes, image, scale in zip(blob, images, scales, strict=True):
        scaled = resize_by(image.astype(np.float32) - means, scale)
        height, width = scaled.shape[:2]
        planes[:, :height, :width] = scaled.transpose(2, 0, 1)
        planes[:, height:] = 0
        planes[:, :height, width:] = 0
    return blob


def resize_by(image: np.ndarray, factor: float) -> np.ndarray:
    """Return float32 `image` [H, W, 3] scaled by `factor`, interpolated linearly, as `cv2.resize` does given factors.

    The new size is rounded, but each pixel is taken from where the exact factor says; `images.resize`, which is given a
    size, would divide the sizes instead.
    """
    try:
        import cv2
    except ImportError:
        return resize_by_linear(image, factor)
    size = _scaled(image.shape[1], factor), _scaled(image.shape[0], factor)
    if min(size) == 1:  # which OpenCV might round to nothing
        return resize_by_linear(image, factor)
    return cv2.resize(np.ascontiguousarray(image), None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)


def resize_by_linear(image: np.ndarray, factor: float) -> np.ndarray:
    """Return what `resize_by` returns, by NumPy alone; like OpenCV, `image` as it is where rounding leaves its size."""
    if image.shape[:2] == (_scaled(image.shape[0], factor), _scaled(image.shape[1], factor)):
        return image
    top, bottom, down = _taps(image.shape[0], factor)
    left, right, across = _taps(image.shape[1], factor)
    rows = image[top] + (image[bottom] - image[top]) * down[:, None, None]
    return rows[:, left] + (rows[:, right] - rows[:, left]) * across[:, None]


def _scaled(side: int, factor: float) -> int:
    return max(round(side * factor), 1)


def _taps(size: int, factor: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for every new coordinate the two old ones it lies between, and how far it is from the first (0 to 1)."""
    position = ((np.arange(_scaled(size, factor)) + 0.5) / factor - 0.5).clip(0, size - 1)
    first = np.floor(position).astype(np.intp)
    return first, np.minimum(first + 1, size - 1), (position - first).astype(np.float32)


def pyramid(
    image: np.ndarray, means: np.ndarray, targets: Sequence[int], max_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return a BGR image at every scale of `targets`: a blob [L, 3, H, W] and the factors [L]."""
    scales = [image_scale(image.shape[:2], target, max_size) for target in targets]
    return image_blob([image] * len(scales), scales, means), np.array(scales)
