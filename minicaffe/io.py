"""Images and arrays on their way into a net and out of it; pycaffe users know this file as `caffe.io`.

Images are H x W x K arrays, RGB or gray; net inputs are K x H x W. `Transformer` turns the one into the other. The
second half of the file converts arrays to and from the messages Caffe keeps them in: BlobProto (weights, means) and
Datum (LMDB values).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from minicaffe.data.datum import datum_planes
from minicaffe.errors import DataError, WeightsError, did_you_mean, missing_dependency
from minicaffe.proto import schema
from minicaffe.proto.wire import array_to_blob, blob_to_array

# RGB to luminance as the CRT standard of ITU-R BT.709 weighs it; what `as_gray` means to those who trained with Caffe
LUMINANCE = np.array([0.2125, 0.7154, 0.0721], np.float32)


class ArrayError(DataError, ValueError):
    """An array of the wrong number of axes or numbers; also a ValueError, which is what pycaffe raises here."""


# -- between images and net inputs ------------------------------------------------------------------------------------


class Transformer:
    """Turn images into what each input of a net expects, and back.

    `inputs` maps the name of an input to its blob's shape, (N, C, H, W). Settings are kept per input, in the dicts
    `transpose`, `channel_swap`, `raw_scale`, `mean` and `input_scale`, and applied in that order after resizing.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]):
        self.inputs = {name: tuple(int(dim) for dim in shape) for name, shape in inputs.items()}
        self.transpose: dict[str, tuple[int, ...]] = {}
        self.channel_swap: dict[str, tuple[int, ...]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, np.ndarray] = {}
        self.input_scale: dict[str, float] = {}

    def preprocess(self, in_: str, data: Any) -> np.ndarray:
        """Return image `data` (H x W x K) as float32 for input `in_`: K x H' x W' with the usual transpose (2, 0, 1).

        Resize to the input's H' x W', transpose, swap channels, times raw_scale, minus mean, times input_scale.
        """
        size = self._shape_of(in_)[2:]
        x = np.array(data, np.float32)
        if x.shape[:2] != size:
            x = resize_image(x, size)
        if in_ in self.transpose:
            x = x.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            x = x[list(self.channel_swap[in_])]
        if in_ in self.raw_scale:
            x *= self.raw_scale[in_]
        if in_ in self.mean:
            x -= self.mean[in_]
        if in_ in self.input_scale:
            x *= self.input_scale[in_]
        return x

    def deprocess(self, in_: str, data: Any) -> np.ndarray:
        """Return the image that `preprocess` made `data` from: all its steps undone but the resizing.

        `data` is K x H x W, or 1 x K x H x W as a blob of one image holds it.
        """
        axes = len(self._shape_of(in_)) - 1
        x = np.array(data)
        while x.ndim > axes and x.shape[0] == 1:
            x = x[0]
        if in_ in self.input_scale:
            x = x / self.input_scale[in_]
        if in_ in self.mean:
            x = x + self.mean[in_]
        if in_ in self.raw_scale:
            x = x / self.raw_scale[in_]
        if in_ in self.channel_swap:
            x = x[np.argsort(self.channel_swap[in_])]
        if in_ in self.transpose:
            x = x.transpose(np.argsort(self.transpose[in_]))
        return x

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """Set the order of an image's axes in the net; (2, 0, 1) makes K x H x W of H x W x K."""
        axes = len(self._shape_of(in_)) - 1
        if len(order) != axes:
            raise ArrayError(f"transpose of {in_!r} needs an order of {axes} axes (all but the batch), not {order}")
        self.transpose[in_] = tuple(order)

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """Set the order of channels (axis 0 after the transpose); (2, 1, 0) makes BGR of RGB."""
        channels = self._shape_of(in_)[1]
        if len(order) != channels:
            raise ArrayError(f"channel swap of {in_!r} needs an order of its {channels} channels, not {order}")
        self.channel_swap[in_] = tuple(order)

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """Set the factor applied before the mean; 255 for images of [0, 1] and a net trained on [0, 255]."""
        self._shape_of(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: Any) -> None:
        """Set the mean to subtract: one number a channel, an image K x H x W, or H x W for an input of one channel.

        An image of another size than the input's is resized to it.
        """
        shape = self._shape_of(in_)[1:]
        mean = np.asarray(mean)
        if mean.ndim == 1:
            mean = mean[:, np.newaxis, np.newaxis]
        elif mean.ndim == 2:
            mean = mean[np.newaxis]
        if mean.ndim != 3 or mean.shape[0] != shape[0]:
            raise ArrayError(
                f"mean of {in_!r} has shape {mean.shape}; expected {shape[0]} channels as (C,), (C, H, W) or, for one "
                f"channel, (H, W)"
            )
        if mean.shape[1:] not in {(1, 1), shape[1:]}:
            mean = resize_image(mean.transpose(1, 2, 0), shape[1:]).transpose(2, 0, 1)
        self.mean[in_] = mean

    def set_input_scale(self, in_: str, scale: float) -> None:
        """Set the factor applied last, after the mean."""
        self._shape_of(in_)
        self.input_scale[in_] = scale

    def _shape_of(self, in_: str) -> tuple[int, ...]:
        if in_ not in self.inputs:
            raise DataError(
                f"{in_!r} is not one of the net inputs: {', '.join(self.inputs)}{did_you_mean(in_, self.inputs)}"
            )
        return self.inputs[in_]


# -- images -----------------------------------------------------------------------------------------------------------


def load_image(filename: str | PathLike[str], color: bool = True) -> np.ndarray:
    """Return an image file as float32 in [0, 1]: H x W x 3 RGB, or H x W x 1 luminance if not `color`.

    A gray image is repeated over three channels if `color`; an alpha channel is dropped. DataError if unreadable.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise missing_dependency("pillow", "data", "reading images") from error
    try:
        with Image.open(filename) as image:
            x = _pixels(image)
    except OSError as error:
        raise DataError(f"{filename}: not a readable image: {error}") from error
    channels = 3 if color else 1
    if x.shape[2] == 3 and not color:
        return (x @ LUMINANCE)[:, :, np.newaxis]
    return np.ascontiguousarray(np.broadcast_to(x, (*x.shape[:2], channels)))


def _pixels(image: Any) -> np.ndarray:
    """Return a Pillow image as float32, H x W x 3 or H x W x 1, integers scaled so that full intensity is 1."""
    if image.mode == "F":
        return np.asarray(image, np.float32)[:, :, np.newaxis]
    if image.mode.startswith("I"):  # gray of 16 bits, whatever integer holds it
        return (np.asarray(image) / np.float32(65535)).astype(np.float32)[:, :, np.newaxis]
    if image.mode in ("1", "L", "LA", "La"):
        return np.asarray(image.convert("L"), np.float32)[:, :, np.newaxis] / 255
    return np.asarray(image.convert("RGB"), np.float32) / 255


def resize_image(im: Any, new_dims: Iterable[int], interp_order: int = 1) -> np.ndarray:
    """Return image `im` (H x W x K) resized to `new_dims` = (H', W'), float32, by splines of order `interp_order`.

    For K = 1 or 3 pixels are squares, their values sit at the centres, and what lies outside the image has the image's
    smallest value: scikit-image's `resize(mode="constant")` on an image stretched to [0, 1], which pycaffe uses,
    without anti-aliasing. For any other K the corner pixels' centres stay in the corners: scipy's `ndimage.zoom`.
    """
    x = np.asarray(im)
    if x.ndim != 3:
        raise ArrayError(f"an image to resize must be H x W x K, not {x.shape}; for a gray one use im[:, :, None]")
    height, width = (int(dim) for dim in new_dims)
    from scipy.ndimage import zoom

    factors = (height / x.shape[0], width / x.shape[1], 1)
    if x.shape[2] not in (1, 3):
        return zoom(x, factors, order=interp_order).astype(np.float32)
    low, high = float(x.min()), float(x.max())
    if not high > low:
        return np.full((height, width, x.shape[2]), low, np.float32)
    unit = (x - low) / (high - low)
    unit = zoom(unit, factors, order=interp_order, mode="grid-constant", grid_mode=True)
    return (np.clip(unit, 0, 1) * (high - low) + low).astype(np.float32)


def oversample(images: Iterable[Any], crop_dims: Iterable[int]) -> np.ndarray:
    """Return ten crops of `crop_dims` = (h, w) of each image, float32 (10 N) x h x w x K; all images are H x W x K.

    In order: top left, top right, bottom left, bottom right, centre, then the same five mirrored left to right.
    """
    x = np.asarray(images if isinstance(images, np.ndarray) else list(images), np.float32)
    h, w = (int(dim) for dim in crop_dims)
    if x.ndim != 4 or x.shape[1] < h or x.shape[2] < w:
        raise ArrayError(f"images of shape {x.shape} (N x H x W x K) cannot give crops of {h} x {w}")
    bottom, right = x.shape[1] - h, x.shape[2] - w
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    crops = np.stack([x[:, top : top + h, left : left + w] for top, left in corners], axis=1)
    crops = np.concatenate([crops, crops[:, :, :, ::-1]], axis=1)
    return crops.reshape(-1, *crops.shape[2:])


# -- arrays in messages -----------------------------------------------------------------------------------------------


def blobproto_to_array(blob: Any, return_diff: bool = False) -> np.ndarray:
    """Return a BlobProto's data (or diff) as an array: float32, or float64 if it holds `double_data`.

    A blob with any of num, channels, height, width set has those four dimensions, otherwise those of its `shape`.
    """
    try:
        x = blob_to_array(blob, return_diff)
    except WeightsError as error:
        raise ArrayError(str(error)) from error
    if blob.shape.dim or any(blob.HasField(name) for name in ("num", "channels", "height", "width")):
        return x.copy()
    if x.size != 1:
        raise ArrayError(f"BlobProto: {x.size} numbers and no shape")
    return x.reshape(()).copy()


def array_to_blobproto(arr: Any, diff: Any = None) -> Any:
    """Return a BlobProto holding `arr` as float32, and `diff` of the same shape if given."""
    return array_to_blob(np.asarray(arr, np.float32), None if diff is None else np.asarray(diff, np.float32))


def arraylist_to_blobprotovector_str(arraylist: Iterable[Any]) -> bytes:
    """Return arrays as the bytes of a BlobProtoVector."""
    return schema.BlobProtoVector(blobs=[array_to_blobproto(arr) for arr in arraylist]).SerializeToString()


def blobprotovector_str_to_arraylist(string: bytes) -> list[np.ndarray]:
    """Return the arrays in the bytes of a BlobProtoVector."""
    return [blobproto_to_array(blob) for blob in schema.BlobProtoVector.FromString(string).blobs]


def array_to_datum(arr: Any, label: int | None = None) -> Any:
    """Return a Datum holding `arr`, C x H x W: as bytes if it is uint8, otherwise as float_data."""
    arr = np.asarray(arr)
    if arr.ndim != 3:
        raise ArrayError(f"an array for a Datum must be C x H x W, not of shape {arr.shape}")
    datum = schema.Datum()
    datum.channels, datum.height, datum.width = arr.shape
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(arr.astype(np.float32).ravel().tolist())
    if label is not None:
        datum.label = int(label)
    return datum


def datum_to_array(datum: Any) -> np.ndarray:
    """Return a Datum as an array C x H x W: uint8, or float32 if it holds float_data.

    An encoded image is decoded, to BGR. DataError where that fails, or the numbers do not fit the shape.
    """
    return datum_planes(datum, name="the Datum").copy()
