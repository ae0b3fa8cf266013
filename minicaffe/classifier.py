"""Classifier: a net that takes images as they are and gives class scores, averaged over ten crops. After pycaffe's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe import io
from minicaffe.net import Net
from minicaffe.phase import TEST


def image_transformer(
    net: Net, mean: Any = None, input_scale: Any = None, raw_scale: Any = None, channel_swap: Any = None
) -> io.Transformer:
    """Return a Transformer from H x W x K images to the first input of `net`; settings left out are not applied."""
    name = net.inputs[0]
    transformer = io.Transformer({name: net.blobs[name].shape})
    transformer.set_transpose(name, (2, 0, 1))
    if mean is not None:
        transformer.set_mean(name, mean)
    if input_scale is not None:
        transformer.set_input_scale(name, input_scale)
    if raw_scale is not None:
        transformer.set_raw_scale(name, raw_scale)
    if channel_swap is not None:
        transformer.set_channel_swap(name, channel_swap)
    return transformer


class Classifier(Net):
    """An image classifier: the net of `model_file` in phase TEST with the weights of `pretrained_file`.

    image_dims: height and width images are brought to before cropping (default: those of the net's input).
    mean, input_scale, raw_scale, channel_swap: as in `minicaffe.io.Transformer`.
    """

    def __init__(
        self,
        model_file: str | Path,
        pretrained_file: str | Path | None,
        image_dims: Sequence[int] | None = None,
        mean: Any = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ):
        super().__init__(model_file, phase=TEST, weights=pretrained_file)
        self.transformer = image_transformer(self, mean, input_scale, raw_scale, channel_swap)
        self.crop_dims = np.array(self.blobs[self.inputs[0]].shape[2:])
        self.image_dims = self.crop_dims if image_dims is None else np.array(image_dims)

    def predict(self, inputs: Sequence[np.ndarray], oversample: bool = True) -> np.ndarray:
        """Return the first output for each image: N x C scores for N images, each H x W x K.

        Each image is resized to `image_dims`; `oversample` averages the scores of its ten crops (`io.oversample`),
        otherwise only the centre crop is scored.
        """
        images = np.stack([io.resize_image(image, self.image_dims) for image in inputs])
        crops = io.oversample(images, self.crop_dims) if oversample else self._centre(images)
        name = self.inputs[0]
        data = np.stack([self.transformer.preprocess(name, crop) for crop in crops])
        scores = self.forward_all(None, **{name: data})[self.outputs[0]]
        return scores.reshape(len(images), 10 if oversample else 1, -1).mean(axis=1)

    def _centre(self, images: np.ndarray) -> np.ndarray:
        height, width = self.crop_dims
        top, left = (self.image_dims - self.crop_dims) // 2
        if top < 0 or left < 0:
            dims = " x ".join(str(dim) for dim in self.image_dims)
            raise io.ArrayError(f"image_dims of {dims} are smaller than the net's input of {height} x {width}")
        return images[:, top : top + height, left : left + width]
