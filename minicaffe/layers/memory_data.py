"""MemoryData: arrays that the program hands over. Source: Caffe's memory_data_layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.blob import Blob
from minicaffe.data import images as image_files
from minicaffe.data.datum import datum_planes
from minicaffe.errors import DataError
from minicaffe.layer import register
from minicaffe.layers.base_data import BaseDataLayer, log


@register("MemoryData", v1="MEMORY_DATA")
class MemoryDataLayer(BaseDataLayer):
    """Batches of arrays given with `set_input_arrays` (or `reset`), one after the other and again from the first.

    tops: data [B, C, H, W]; label [B], which becomes [B, 1, 1, 1] with the first batch, as in Caffe.
    The arrays are not copied: what is changed in them is seen by the next forward. `add_datums` and `add_images` take
    items that transform_param still has to be applied to; C, H and W are what it makes of them.
    """

    tops = 2

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        names = ("batch_size", "channels", "height", "width")
        self.batch_size, *item = self.positive("memory_data_param", *names)
        self.item_shape = tuple(item)
        self.data: np.ndarray | None = None
        self.labels: np.ndarray | None = None
        self.position = 0
        self.unseen = False
        with self.located():
            self.transform = self.transformer()
        top[0].reshape(self.batch_size, *self.item_shape)
        top[1].reshape(self.batch_size)

    def reset(self, data: np.ndarray, labels: np.ndarray) -> None:
        """Feed arrays from now on, as they are, beginning with the first item.

        data: [R, C, H, W], labels: [R] or [R, 1, 1, 1]; both float32 and contiguous, R a multiple of the batch size.
        DataError if they are anything else.
        """
        if self.param.HasField("transform_param") and self.data is None:
            log.warning("%s: transform_param is not applied to arrays that are handed over", self.where)
        self._take(data, labels)

    set_input_arrays = reset

    def _take(self, data: np.ndarray, labels: np.ndarray) -> None:
        self._check_array("data", data, (len(data), *self.item_shape))
        self._check_array("labels", labels, (len(data),) if np.ndim(labels) == 1 else (len(data), 1, 1, 1))
        if not len(data) or len(data) % self.batch_size:
            self._refuse(f"{len(data)} items are not a multiple of batch_size {self.batch_size}")
        self.data, self.labels = data, labels.reshape(-1)
        self.position = 0

    def _check_array(self, name: str, array: Any, shape: tuple[int, ...]) -> None:
        if not isinstance(array, np.ndarray) or array.dtype != np.float32 or not array.flags.c_contiguous:
            self._refuse(
                f"{name} must be a contiguous float32 array: np.ascontiguousarray({name}, np.float32) makes one"
            )
        if array.shape != shape:
            self._refuse(f"{name} has shape {array.shape}; expected {shape}")

    def _refuse(self, message: str) -> None:
        raise DataError(f"{self.where}: {message}")

    def add_datums(self, datums: Sequence[Any]) -> None:
        """Feed Datum messages, transformed as transform_param says; their number a multiple of the batch size."""
        color = self.transform.color
        with self.located():
            planes = [datum_planes(datum, color, f"datum {i}") for i, datum in enumerate(datums)]
        self._add(planes, [datum.label for datum in datums])

    def add_images(self, images: Sequence[np.ndarray], labels: Sequence[int]) -> None:
        """Feed images, uint8 [H, W, C] in BGR or [H, W], transformed as transform_param says, and their labels."""
        if len(images) != len(labels):
            self._refuse(f"{len(images)} images with {len(labels)} labels")
        self._add([image_files.planes(image) for image in images], labels)

    def _add(self, planes: Sequence[np.ndarray], labels: Sequence[int]) -> None:
        if self.unseen:
            self._refuse("the data given before has not been used up: run forward until its last batch, then add more")
        data = np.empty((len(planes), *self.item_shape), np.float32)
        with self.located():
            self.transform(planes, data)
        self._take(data, np.array(labels, np.float32))
        self.unseen = True

    def change_batch_size(self, batch_size: int) -> None:
        """Let the following batches have another size, before data of a multiple of it is given."""
        if self.unseen:
            self._refuse(
                "the batch size cannot change while data is being used: run forward until its last batch first"
            )
        self.check(batch_size > 0, f"a batch size of {batch_size} is not > 0")
        self.batch_size = batch_size
        self.data = self.labels = None

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self.data is None or self.labels is None:
            raise DataError(
                f"{self.where}: there is no data yet: call net.set_input_arrays(data, labels) before forward"
            )
        top[0].reshape(self.batch_size, *self.item_shape)
        top[1].reshape(self.batch_size, 1, 1, 1)
        batch = slice(self.position, self.position + self.batch_size)
        top[0].data[...] = self.data[batch]
        top[1].data[...] = self.labels[batch].reshape(-1, 1, 1, 1)
        self.position = (self.position + self.batch_size) % len(self.data)
        self.unseen = self.unseen and self.position != 0

    def get_state(self) -> dict[str, Any]:
        return {"position": self.position, "transform": self.transform.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        self.position = int(state["position"]) if self.data is not None else 0
        self.transform.set_state(state["transform"])
