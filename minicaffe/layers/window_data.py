"""WindowData: windows of images, warped to one size, as R-CNN trains on. Source: Caffe's window_data_layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe.data import images
from minicaffe.data.parallel import in_parallel
from minicaffe.data.paths import resolve
from minicaffe.data.prefetch import Batch, Feed
from minicaffe.data.transformer import Transformer
from minicaffe.data.windows import Placement, Window, WindowFile, place_window, read_windows
from minicaffe.errors import DataError
from minicaffe.layer import register
from minicaffe.layers.base_data import PrefetchedLayer, list_folders

_READ = "source scale batch_size fg_threshold bg_threshold fg_fraction context_pad crop_mode cache_images root_folder"


class WindowReader:
    """Reads a window's image (once, if `cache` is wanted) and warps the window out of it."""

    def __init__(self, root: str, folders: Sequence[Path | None], cache: bool, crop: int, pad: int, square: bool):
        self._root = root
        self._folders = folders
        self._cache: dict[str, bytes] | None = {} if cache else None
        self._crop, self._pad, self._square = crop, pad, square

    def _image(self, window: Window) -> np.ndarray:
        content = self._cache.get(window.image) if self._cache is not None else None
        if content is None:
            path = resolve(self._root + window.image, self._folders, f"{window.place}: image")
            content = path.read_bytes()
            if self._cache is not None:
                self._cache[window.image] = content
        return images.decode(content, True, f"{window.place}: image {window.image!r}")

    def __call__(self, drawn: tuple[Window, bool]) -> tuple[np.ndarray, Placement]:
        """Return the pixels [3, h, w] of a window, mirrored or not, and where they belong in the crop."""
        window, mirror = drawn
        image = self._image(window)
        at = place_window(window, image.shape[:2], self._crop, self._pad, self._square, mirror)
        if not (0 <= at.x1 <= at.x2 < image.shape[1] and 0 <= at.y1 <= at.y2 < image.shape[0]):
            raise DataError(
                f"{window.place}: the window {window.x1, window.y1, window.x2, window.y2} does not lie in its image "
                f"{window.image!r}, which is {image.shape[1]} wide and {image.shape[0]} high"
            )
        if at.width < 1 or at.height < 1:
            return np.empty((3, 0, 0), np.uint8), at
        pixels = images.resize(image[at.y1 : at.y2 + 1, at.x1 : at.x2 + 1], at.height, at.width)
        return images.planes(pixels[:, ::-1] if mirror else pixels), at


class WindowFeed(Feed):
    """Fills batches with background windows, then foreground windows, drawn with replacement."""

    def __init__(
        self,
        windows: WindowFile,
        read: WindowReader,
        mean: np.ndarray,
        param: Any,
        crop: int,
        mirror: bool,
        generator: np.random.Generator,
    ):
        self._read = read
        self._mean = mean
        self._scale = float(param.scale)
        self._mirror = mirror
        self._generator = generator
        foreground = int(np.float32(param.batch_size) * np.float32(param.fg_fraction))
        self._draws = [(windows.background, param.batch_size - foreground), (windows.foreground, foreground)]
        self.shapes: list[tuple[int, ...]] = [(param.batch_size, 3, crop, crop), (param.batch_size,)]

    def fill(self, batch: Batch) -> None:
        data, label = batch.take(*self.shapes)
        data[...] = 0
        drawn = [self._draw(windows) for windows, count in self._draws for _ in range(count)]
        for y, (pixels, at) in zip(data, in_parallel(self._read, drawn), strict=True):
            _, height, width = pixels.shape
            part = (slice(None), slice(at.top, at.top + height), slice(at.left, at.left + width))
            np.subtract(pixels, self._mean[part] if self._mean.shape[1] > 1 else self._mean, out=y[part], dtype=y.dtype)
        data *= data.dtype.type(self._scale)
        label[...] = [window.label for window, _ in drawn]

    def _draw(self, windows: Sequence[Window]) -> tuple[Window, bool]:
        window = windows[int(self._generator.integers(len(windows)))]
        return window, bool(self._mirror and self._generator.integers(2))

    def get_state(self) -> dict[str, Any]:
        return {"random": self._generator.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> None:
        self._generator.bit_generator.state = state["random"]


@register("WindowData", v1="WINDOW_DATA")
class WindowDataLayer(PrefetchedLayer):
    """Windows drawn from a window file (see `minicaffe.data.windows`), warped to crop_size x crop_size.

    tops: data [B, 3, crop, crop] with the planes B, G, R; label [B], the window's class, 0 for background.
    Of B windows, the last int(B · fg_fraction) are foreground. `crop_mode` "square" widens windows to squares before
    warping them, "warp" does not; `context_pad` pixels of context surround each. What would lie outside of the image is
    zero after the mean is subtracted. crop_size, mirror, mean_file and mean_value are those of transform_param, of a
    mean image the central crop is used; scale is that of window_data_param. `cache_images` keeps the files in memory.
    """

    tops = 2

    def open_feed(self, tops: int) -> tuple[Feed, list[tuple[int, ...]]]:
        param, transform = self.param.window_data_param, self.param.transform_param
        self.positive("window_data_param", "batch_size")
        (crop,) = self.positive("transform_param", "crop_size")
        self.warn_unused("window_data_param", _READ)
        self.warn_unused("transform_param", "crop_size mirror mean_file mean_value", home="window_data_param")
        self.check(
            param.crop_mode in ("warp", "square"), f"crop_mode must be 'warp' or 'square', not {param.crop_mode!r}"
        )
        self.check(
            2 * param.context_pad < crop,
            f"context_pad {param.context_pad} on both sides leaves nothing of {crop} pixels",
        )
        self.check(0 <= param.fg_fraction <= 1, f"fg_fraction must lie between 0 and 1, not {param.fg_fraction}")
        source = self.find(param.source, "window_data_param.source")
        windows = read_windows(source, param.fg_threshold, param.bg_threshold)
        self.check(
            windows.channels == 3, f"windows are read in colour: {source} says {windows.channels} channels, not 3"
        )
        folders = list_folders(source, self.setting.folder)
        square = param.crop_mode == "square"
        reader = WindowReader(param.root_folder, folders, param.cache_images, crop, param.context_pad, square)
        mean = self._mean(self.transformer(), crop)
        feed = WindowFeed(windows, reader, mean, param, crop, transform.mirror, self.generator("windows"))
        return feed, feed.shapes

    def _mean(self, transformer: Transformer, crop: int) -> np.ndarray:
        """Return what to subtract from a crop: [3, crop, crop] of a mean image, or else [3, 1, 1]."""
        mean = transformer.mean_image
        if mean is None:
            values = transformer.mean_values if transformer.mean_values.size else np.zeros((1, 1, 1), np.float32)
            self.check(len(values) in (1, 3), f"{len(values)} mean_value for 3 channels: give 1 or 3")
            return np.broadcast_to(values, (3, 1, 1))
        if mean.shape[0] != 3 or min(mean.shape[1:]) < crop:
            raise DataError(
                f"the mean in mean_file has shape {mean.shape}: 3 channels of at least {crop} x {crop} are needed"
            )
        first = (mean.shape[2] - crop) // 2
        self.check(
            first + crop <= mean.shape[1], f"the mean in mean_file is {mean.shape[1]} high: too flat for its centre"
        )
        return mean[:, first : first + crop, first : first + crop]
