"""Detector: a net that scores windows of images, each warped to the net's input, as R-CNN does. After pycaffe's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe import io
from minicaffe.classifier import image_transformer
from minicaffe.errors import DataError
from minicaffe.net import Net
from minicaffe.phase import TEST


class Detector(Net):
    """A window scorer: the net of `model_file` in phase TEST with the weights of `pretrained_file`.

    mean, input_scale, raw_scale, channel_swap: as in `minicaffe.io.Transformer`. context_pad: how many pixels of the
    net's input, on every side, show the window's surroundings; outside the image they show the mean. R-CNN uses 16.
    """

    def __init__(
        self,
        model_file: str | Path,
        pretrained_file: str | Path | None,
        mean: Any = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int | None = None,
    ):
        super().__init__(model_file, phase=TEST, weights=pretrained_file)
        self.transformer = image_transformer(self, mean, input_scale, raw_scale, channel_swap)
        self.configure_crop(context_pad)

    def configure_crop(self, context_pad: int | None) -> None:
        """Set how much context `crop` keeps around a window; None or 0 for none."""
        name = self.inputs[0]
        self.context_pad = context_pad or 0
        blank = np.zeros(self.blobs[name].shape[1:], np.float32)
        # the image that preprocessing turns into zeros: the mean, in the space images are in
        self.crop_mean = self.transformer.deprocess(name, blank).astype(np.float32)
        self.crop_dims = np.array(self.crop_mean.shape)
        if 2 * self.context_pad >= min(self.crop_dims[:2]):
            height, width = self.crop_dims[:2]
            raise DataError(f"context_pad {context_pad} leaves nothing of the net's input of {height} x {width}")

    def detect_windows(self, images_windows: Iterable[tuple[str, Iterable[Sequence[int]]]]) -> list[dict[str, Any]]:
        """Score windows: pairs of an image file and its windows (ymin, xmin, ymax, xmax).

        Returns, for each window, {"window", "prediction": the row of the net's first output, "filename"}.
        """
        name = self.inputs[0]
        windows: list[tuple[str, Sequence[int]]] = []
        data = []
        for filename, image_windows in images_windows:
            image = io.load_image(filename)
            for window in image_windows:
                windows.append((filename, window))
                data.append(self.transformer.preprocess(name, self.crop(image, window)))
        if not windows:
            return []
        predictions = self.forward_all(None, **{name: np.stack(data)})[self.outputs[0]]
        return [
            {"window": window, "prediction": prediction, "filename": filename}
            for (filename, window), prediction in zip(windows, predictions, strict=True)
        ]

    def crop(self, im: np.ndarray, window: Sequence[int]) -> np.ndarray:
        """Return the pixels of `window` (ymin, xmin, ymax, xmax) of image `im`, H x W x K.

        With `context_pad`, an image of the net's input size: the window scaled into its middle, its surroundings
        around it, the mean where those leave the image. DataError for a window with no pixel inside the image.
        """
        low, high = np.array(window[:2]), np.array(window[2:])
        if self.context_pad:
            return self._crop_with_context(im, low, high)
        pixels = im[low[0] : high[0], low[1] : high[1]]
        if not pixels.size:
            raise DataError(f"window {tuple(window)} has no pixel inside an image of {im.shape[0]} x {im.shape[1]}")
        return pixels

    def _crop_with_context(self, im: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """`low` and `high` are (y, x) corners; every quantity here is such a pair."""
        size = self.crop_dims[:2]
        half = (high - low + 1) / 2 * size / (size - 2 * self.context_pad)
        centre = low + (high - low + 1) / 2
        low, high = np.round(centre - half), np.round(centre + half)
        scale = size / (high - low + 1)
        pad = np.round(np.maximum(0, -low) * scale).astype(int)
        low, high = (np.clip(corner, 0, im.shape[:2]).astype(int) for corner in (low, high))
        extent = np.minimum(np.round((high - low + 1) * scale).astype(int), size - pad)
        if np.any(high <= low) or np.any(extent <= 0):
            raise DataError(f"a window with its context has no pixel inside an image of {im.shape[0]} x {im.shape[1]}")
        crop = self.crop_mean.copy()
        pixels = io.resize_image(im[low[0] : high[0], low[1] : high[1]], extent)
        crop[pad[0] : pad[0] + extent[0], pad[1] : pad[1] + extent[1]] = pixels
        return crop
