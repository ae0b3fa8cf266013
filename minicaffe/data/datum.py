"""Datum: the message in which databases hold an item: an image (planes, or a file's bytes) or floats, and a label."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.data import images
from minicaffe.errors import DataError
from minicaffe.proto import schema


def parse_datum(value: bytes, name: str = "the item") -> Any:
    """Return the Datum serialized in `value`; DataError, beginning with `name`, if it is none."""
    from google.protobuf.message import DecodeError

    try:
        return schema.Datum.FromString(value)
    except DecodeError:
        raise DataError(f"{name}: {len(value)} bytes that are not a Datum, as convert-imageset writes them") from None


def datum_planes(datum: Any, color: bool | None = None, name: str = "the item") -> np.ndarray:
    """Return what a Datum holds as [C, H, W], uint8 or float32; images have the planes B, G, R.

    `color` only concerns encoded images: True makes three planes of them, False one, None as many as the file has.
    DataError, beginning with `name`, for an image that cannot be decoded or numbers that do not fit the declared shape.
    """
    if datum.encoded:
        planes = images.planes(images.decode(datum.data, color, f"{name}: the encoded image"))
        if planes.dtype != np.uint8:
            raise DataError(f"{name}: the encoded image has {planes.dtype.itemsize * 8} bits a channel; 8 are expected")
        return planes
    x = np.frombuffer(datum.data, np.uint8) if datum.data else np.array(datum.float_data, np.float32)
    shape = (datum.channels, datum.height, datum.width)
    if x.size != datum.channels * datum.height * datum.width or x.size == 0:
        raise DataError(f"{name}: holds {x.size} numbers, but channels, height and width are {shape}")
    return x.reshape(shape)


def image_datum(image: np.ndarray, label: int = 0) -> Any:
    """Return the Datum of an uint8 image [H, W] or [H, W, C], as planes."""
    planes = images.planes(image)
    channels, height, width = planes.shape
    return schema.Datum(channels=channels, height=height, width=width, data=planes.tobytes(), label=label)


def encoded_datum(content: bytes, label: int = 0) -> Any:
    """Return the Datum of an image file's bytes, to be decoded when it is read."""
    return schema.Datum(data=content, label=label, encoded=True)
