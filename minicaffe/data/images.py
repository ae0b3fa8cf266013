"""Images as Caffe sees them through OpenCV: uint8, rows × columns (× channels), channels in the order B, G, R.

OpenCV is used where it can be imported, otherwise Pillow; the two agree to within a grey level or two.
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe.errors import DataError, Error, missing_dependency

_COEFFICIENT_BITS = 11  # OpenCV weighs 8-bit pixels with fixed-point coefficients of this precision


@lru_cache(maxsize=1)
def _cv2() -> Any:
    try:
        return importlib.import_module("cv2")
    except ImportError:
        return None


@lru_cache(maxsize=1)
def _pillow() -> Any:
    try:
        for plugin in ("Image", "ImageOps"):
            importlib.import_module(f"PIL.{plugin}")
        return importlib.import_module("PIL")
    except ImportError:
        raise missing_dependency("pillow", "data", "reading and writing images") from None


# -- reading ----------------------------------------------------------------------------------------------------------


def read(path: str | PathLike[str], color: bool | None = True) -> np.ndarray:
    """Return the image in a file, decoded as `decode` does; DataError if it is missing or no image."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"image {str(path)!r} cannot be read: {error.strerror or error}") from error
    return decode(content, color, f"image {str(path)!r}")


def decode(content: bytes, color: bool | None = True, name: str = "image") -> np.ndarray:
    """Return an encoded image (JPEG, PNG, …) as uint8.

    color True: [H, W, 3] in BGR; False: grey, [H, W]; None: as stored (grey, BGR or BGRA; alpha and 16 bits are kept).
    `name` begins the message of the DataError for content that is no image.
    """
    try:
        image = _decode_cv2(content, color) if _cv2() else _decode_pillow(content, color)
    except Error:
        raise
    except Exception as error:  # decoders have errors of their own for bytes that lie, such as a size of terabytes
        raise DataError(f"{name} cannot be decoded: {str(error).strip()}") from error
    if image is None:
        raise DataError(f"{name} cannot be decoded: {len(content)} bytes that are no image of a known format")
    return image


def _decode_cv2(content: bytes, color: bool | None) -> np.ndarray | None:
    cv2 = _cv2()
    flag = {True: cv2.IMREAD_COLOR, False: cv2.IMREAD_GRAYSCALE, None: cv2.IMREAD_UNCHANGED}[color]
    return cv2.imdecode(np.frombuffer(content, np.uint8), flag) if content else None


def _decode_pillow(content: bytes, color: bool | None) -> np.ndarray | None:
    import io

    Image, ImageOps = _pillow().Image, _pillow().ImageOps
    try:
        image = Image.open(io.BytesIO(content))
        if color is False:
            image.draft("L", image.size)  # a JPEG's own luminance, as OpenCV takes it, instead of a mixture of R, G, B
        image.load()
    except (OSError, SyntaxError, ValueError):
        return None
    if color is None:
        return _as_stored(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    image = ImageOps.exif_transpose(image)
    if not color:
        return np.array(image.convert("L"))
    return np.array(image.convert("RGB"))[:, :, ::-1]


def _as_stored(image: Any) -> np.ndarray:
    if image.mode in ("1", "L"):
        return np.array(image.convert("L"))
    if image.mode.startswith("I;16"):
        return np.array(image)
    alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    pixels = np.array(image.convert("RGBA" if alpha else "RGB"))
    return pixels[:, :, [2, 1, 0, 3]] if alpha else pixels[:, :, ::-1]


# -- shaping ----------------------------------------------------------------------------------------------------------


def planes(image: np.ndarray) -> np.ndarray:
    """Return a view [C, H, W] of an image [H, W, C] or [H, W]."""
    return image[None] if image.ndim == 2 else image.transpose(2, 0, 1)


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return an image [H, W] or [H, W, C] at a new size, interpolated linearly as OpenCV's `INTER_LINEAR` does.

    Pixel centres are at half coordinates, borders repeat, and nothing is averaged when shrinking.
    """
    if image.shape[:2] == (height, width):
        return image
    if _cv2():
        resized = _cv2().resize(np.ascontiguousarray(image), (width, height), interpolation=_cv2().INTER_LINEAR)
        return resized.reshape(height, width, *image.shape[2:])
    return resize_linear(image, height, width)


def resize_linear(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return what `resize` returns, by NumPy alone; 8-bit pixels in fixed point, within one grey level of OpenCV."""
    top, bottom, down = _taps(image.shape[0], height)
    left, right, across = _taps(image.shape[1], width)
    down = down.reshape(-1, 1, *[1] * (image.ndim - 2))
    across = across.reshape(1, -1, *[1] * (image.ndim - 2))
    if image.dtype != np.uint8:
        x = np.asarray(image, np.float64)
        rows = x[top] + (x[bottom] - x[top]) * down
        return (rows[:, left] + (rows[:, right] - rows[:, left]) * across).astype(image.dtype)
    one = 1 << _COEFFICIENT_BITS
    across, down = np.rint(across * one).astype(np.int32), np.rint(down * one).astype(np.int32)
    x = image.astype(np.int32)
    rows = x[:, left] * (one - across) + x[:, right] * across
    y = rows[top].astype(np.int64) * (one - down) + rows[bottom].astype(np.int64) * down
    return ((y + (1 << (2 * _COEFFICIENT_BITS - 1))) >> (2 * _COEFFICIENT_BITS)).astype(np.uint8)


def _taps(size: int, new_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for every new coordinate the two old ones it lies between, and how far it is from the first (0 to 1)."""
    position = ((np.arange(new_size) + 0.5) * (size / new_size) - 0.5).astype(np.float32).clip(0, size - 1)
    first = np.floor(position).astype(np.intp)
    return first, np.minimum(first + 1, size - 1), position - first


# -- writing ----------------------------------------------------------------------------------------------------------


def encode(image: np.ndarray, extension: str = "jpg") -> bytes:
    """Return a uint8 image ([H, W] grey, [H, W, 3] BGR or [H, W, 4] BGRA) in the format of a file name's extension.

    JPEG takes OpenCV's default quality, 95. DataError for an extension that stands for no known format.
    """
    extension = extension.lower().removeprefix(".")
    content = _encode_cv2(image, extension) if _cv2() else _encode_pillow(image, extension)
    if content is None:
        raise DataError(f"cannot encode an image {image.shape} of {image.dtype} as {extension!r}: try 'jpg' or 'png'")
    return content


def _encode_cv2(image: np.ndarray, extension: str) -> bytes | None:
    cv2 = _cv2()
    try:
        done, content = cv2.imencode(f".{extension}", np.ascontiguousarray(image))
    except cv2.error:
        return None
    return content.tobytes() if done else None


def _encode_pillow(image: np.ndarray, extension: str) -> bytes | None:
    import io

    Image = _pillow().Image
    kind = Image.registered_extensions().get(f".{extension}")
    if kind is None:
        return None
    if image.ndim == 3:
        image = image[:, :, [2, 1, 0, 3][: image.shape[2]]] if image.shape[2] > 1 else image[:, :, 0]
    content = io.BytesIO()
    try:
        Image.fromarray(np.ascontiguousarray(image)).save(content, kind, **({"quality": 95} if kind == "JPEG" else {}))
    except (OSError, ValueError, TypeError):
        return None
    return content.getvalue()
