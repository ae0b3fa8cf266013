"""Transformer: what `transform_param` does to images on their way into a net. Source: Caffe's data_transformer.

    y = (x - mean) · scale,   of a crop of x, mirrored or not

The crop is drawn at random in TRAIN and is the centre in TEST; mirroring has probability ½ for each item, in both
phases. A mean image is as large as the images before cropping and is cropped and mirrored with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe.data.paths import resolve
from minicaffe.errors import DataError
from minicaffe.phase import TEST, Phase

_FIELDS = frozenset(("scale", "mirror", "crop_size", "mean_file", "mean_value", "force_color", "force_gray", "origin"))


class Transformer:
    """Transforms batches of images as a TransformationParameter says.

    `generator` gives the crops and mirrors: three numbers an item, so the same seed gives the same ones whatever the
    batch size. `folder` is where `mean_file` is also looked for. DataError for parameters that contradict each other or
    belong to a fork.
    """

    def __init__(self, param: Any, phase: Phase, generator: np.random.Generator, folder: Path | None = None):
        _check(param)
        self._crop = int(param.crop_size)
        self._mirror = bool(param.mirror)
        self._scale = float(param.scale)
        self._random_crop = self._crop > 0 and phase != TEST
        self._generator = generator
        self.mean_values = np.array(param.mean_value, np.float32).reshape(-1, 1, 1)
        self.mean_image: np.ndarray | None = None
        if param.HasField("mean_file"):
            self.mean_image = read_mean(resolve(param.mean_file, [folder], "transform_param.mean_file"))
        self.color = True if param.force_color else False if param.force_gray else None

    def output_shape(self, shape: Sequence[int], name: str = "the image") -> tuple[int, int, int]:
        """Return the shape (C, h, w) that an image (C, H, W) will have; DataError if it cannot be transformed."""
        channels, height, width = shape
        if self._crop > min(height, width):
            raise DataError(f"{name} is {height} x {width}: too small for transform_param.crop_size {self._crop}")
        if self.mean_image is not None and self.mean_image.shape != tuple(shape):
            raise DataError(
                f"{name} has shape {tuple(shape)} but the mean in mean_file has {self.mean_image.shape}: the mean "
                "must be that of the images before cropping"
            )
        if self.mean_values.size not in (0, 1, channels):
            raise DataError(
                f"{name} has {channels} channels but there are {self.mean_values.size} mean_value: give 1 or {channels}"
            )
        return (channels, self._crop or height, self._crop or width)

    def __call__(self, images: Sequence[np.ndarray], out: np.ndarray, names: Sequence[str] = ()) -> None:
        """Transform `images`, each [C, H, W], into `out` [B, C, h, w]. `names` of the images serve messages.

        DataError if an image has not the shape that `out` was made for: all of a batch must have the first one's
        channels and, unless they are cropped, its size.
        """
        for i, image in enumerate(images):
            name = names[i] if names else f"image {i}"
            if self.output_shape(image.shape, name) != out.shape[1:]:
                raise DataError(
                    f"{name} has shape {image.shape}, which does not fit into a batch of {out.shape[1:]}: all images "
                    "of a batch must have the same channels and, unless transform_param.crop_size is set, the same size"
                )
        for y, x, (mirror, top, left) in zip(out, images, self._draw(images), strict=True):
            self._place(x, top, left, y[:, :, ::-1] if mirror else y)
        if self._scale != 1:
            out *= out.dtype.type(self._scale)

    def _place(self, x: np.ndarray, top: int, left: int, y: np.ndarray) -> None:
        window = (slice(None), slice(top, top + y.shape[1]), slice(left, left + y.shape[2]))
        if self.mean_image is not None:
            np.subtract(x[window], self.mean_image[window], out=y, dtype=y.dtype)
        elif self.mean_values.size:
            np.subtract(x[window], self.mean_values, out=y, dtype=y.dtype)
        else:
            y[...] = x[window]

    def _draw(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return for every image: mirrored or not, and the first row and column of its crop, [B, 3]."""
        choices = np.ones((len(images), 3), np.int64)
        if self._mirror:
            choices[:, 0] = 2
        if self._crop:
            choices[:, 1:] = [[x.shape[1] - self._crop + 1, x.shape[2] - self._crop + 1] for x in images]
        anything = self._mirror or self._random_crop
        drawn = self._generator.integers(0, choices) if anything else np.zeros_like(choices)
        if self._crop and not self._random_crop:
            drawn[:, 1:] = (choices[:, 1:] - 1) // 2
        return drawn

    def get_state(self) -> dict[str, Any]:
        """Return what repeats the random numbers from here on, JSON-able."""
        return dict(self._generator.bit_generator.state)

    def set_state(self, state: dict[str, Any]) -> None:
        """Draw again what was drawn after `get_state`."""
        self._generator.bit_generator.state = state


def read_mean(path: Path) -> np.ndarray:
    """Return the mean image in a .binaryproto as float32 [C, H, W]."""
    from minicaffe.proto.wire import read_blobproto

    mean = np.asarray(read_blobproto(path), np.float32)
    while mean.ndim > 3 and mean.shape[0] == 1:
        mean = mean[0]
    if mean.ndim != 3:
        raise DataError(f"{path}: a mean image has the shape (1, C, H, W), this blob has {mean.shape}")
    return mean


def _check(param: Any) -> None:
    if param.HasField("mean_file") and len(param.mean_value):
        raise DataError("transform_param has both mean_file and mean_value: give one of them")
    if param.force_color and param.force_gray:
        raise DataError("transform_param has both force_color and force_gray: an image cannot be both")
    foreign = sorted(field.name for field, _ in param.ListFields() if field.name not in _FIELDS)
    if foreign:
        raise DataError(
            f"transform_param.{foreign[0]} belongs to a fork of Caffe, and without it the images would be others: this "
            f"layer knows {', '.join(sorted(_FIELDS))}"
        )
