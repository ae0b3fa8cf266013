"""ImageData: image files named in a list. Source: Caffe's image_data_layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe.data import images
from minicaffe.data.lists import Entry, read_image_list
from minicaffe.data.order import Order
from minicaffe.data.parallel import in_parallel
from minicaffe.data.paths import resolve
from minicaffe.data.prefetch import Batch, Feed
from minicaffe.data.transformer import Transformer
from minicaffe.errors import DataError
from minicaffe.layer import register
from minicaffe.layers.base_data import PrefetchedLayer, list_folders

_READ = "source batch_size rand_skip shuffle new_height new_width is_color root_folder"


class ImageReader:
    """Reads the image of a list's entry, in colour or grey, resized if a `size` (height, width) is given."""

    def __init__(self, root: str, folders: Sequence[Path | None], size: tuple[int, int] | None, color: bool):
        self._root = root
        self._folders = folders
        self._size = size
        self._color = color

    def __call__(self, entry: Entry) -> np.ndarray:
        """Return the image as [C, H, W] uint8, planes in the order B, G, R."""
        path = resolve(self._root + entry.path, self._folders, f"{entry.place}: image")
        try:
            image = images.read(path, self._color)
        except DataError as error:
            raise DataError(f"{entry.place}: {error}") from error
        return images.planes(images.resize(image, *self._size) if self._size else image)


class ImageFeed(Feed):
    """Fills batches with the images of a list, in the order that `order` gives."""

    def __init__(
        self, entries: Sequence[Entry], order: Order, read: ImageReader, transformer: Transformer, batch_size: int
    ):
        self._entries = entries
        self._order = order
        self._read = read
        self._transformer = transformer
        self._batch_size = batch_size

    def shapes(self) -> list[tuple[int, ...]]:
        """Return the shapes of the tops, as the next image gives them."""
        entry = self._entries[self._order.peek()]
        return self._shapes(self._read(entry), entry)

    def _shapes(self, image: np.ndarray, entry: Entry) -> list[tuple[int, ...]]:
        shape = self._transformer.output_shape(image.shape, f"{entry.place}: {entry.path!r}")
        return [(self._batch_size, *shape), (self._batch_size,)]

    def fill(self, batch: Batch) -> None:
        entries = [self._entries[i] for i in self._order.take_across(self._batch_size)]
        planes = in_parallel(self._read, entries)
        data, label = batch.take(*self._shapes(planes[0], entries[0]))
        self._transformer(planes, data, [f"{entry.place}: {entry.path!r}" for entry in entries])
        label[...] = [entry.label for entry in entries]

    def get_state(self) -> dict[str, Any]:
        return {"order": self._order.get_state(), "transform": self._transformer.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        self._order.set_state(state["order"], len(self._entries))
        self._transformer.set_state(state["transform"])


@register("ImageData", v1="IMAGE_DATA")
class ImageDataLayer(PrefetchedLayer):
    """Images of the files that the lines `PATH LABEL` of a text file name, shuffled anew in every epoch if asked for.

    tops: data [B, C, H, W] with the planes B, G, R (one plane if is_color is false); label [B].
    `new_height` and `new_width` resize every image; without them, and without a crop, all images of a batch must have
    one size, and each batch takes that of its first. `root_folder` is put before each path as it stands, so it needs
    its final slash. Relative paths are looked for from the working directory, the list's folder and the prototxt's.
    `rand_skip` begins at a random line below it.
    """

    tops = 2

    def open_feed(self, tops: int) -> tuple[Feed, list[tuple[int, ...]]]:
        param = self.param.image_data_param
        (batch_size,) = self.positive("image_data_param", "batch_size")
        self.warn_unused("image_data_param", _READ)
        self.warn_unused("transform_param", "scale mirror crop_size mean_file mean_value")
        self.check(
            (param.new_height > 0) == (param.new_width > 0),
            "new_height and new_width belong together: give both, or neither to leave the images as they are",
        )
        source = self.find(param.source, "image_data_param.source")
        entries = read_image_list(source)
        size = (param.new_height, param.new_width) if param.new_height else None
        folders = list_folders(source, self.setting.folder)
        reader = ImageReader(param.root_folder, folders, size, param.is_color)
        feed = ImageFeed(entries, self._order(len(entries)), reader, self.transformer(), batch_size)
        return feed, feed.shapes()

    def _order(self, count: int) -> Order:
        param = self.param.image_data_param
        start = int(self.generator("skip").integers(param.rand_skip)) if param.rand_skip else 0
        self.check(start < count, f"rand_skip {param.rand_skip} may skip more than the {count} images there are")
        return Order(count, self.generator("order") if param.shuffle else None, start)
