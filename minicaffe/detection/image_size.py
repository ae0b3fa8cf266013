"""The size of an image, from its header where that can be had."""

from __future__ import annotations

from pathlib import Path

from minicaffe.data import images
from minicaffe.errors import DataError

_ORIENTATION = 0x0112  # the EXIF tag; from 5 on, width and height change places when the image is shown upright


def image_size(path: Path) -> tuple[int, int]:
    """Return (width, height) as `images.read` will give them; DataError if the file is missing or no image.

    Without Pillow the whole image is decoded.
    """
    try:
        from PIL import Image
    except ImportError:
        height, width = images.read(path).shape[:2]
        return width, height
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION, 1) >= 5
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"image {str(path)!r} cannot be read: {error}") from error
    return (height, width) if turned else (width, height)
