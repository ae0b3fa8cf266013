"""Data: images or arrays from a database. Source: Caffe's data_layer."""

from __future__ import annotations

from typing import Any

from minicaffe.data.datum import datum_planes, parse_datum
from minicaffe.data.parallel import in_parallel
from minicaffe.data.prefetch import Batch, Feed
from minicaffe.data.sources import BACKENDS, Source, open_source
from minicaffe.data.transformer import Transformer
from minicaffe.layer import register
from minicaffe.layers.base_data import PrefetchedLayer, log


class DataFeed(Feed):
    """Fills batches with the items of a source that belong to this `shard` (rank, size), in their order, for ever."""

    def __init__(
        self, source: Source, transformer: Transformer, batch_size: int, labelled: bool, shard: tuple[int, int]
    ):
        self._source = source
        self._transformer = transformer
        self._batch_size = batch_size
        self._labelled = labelled
        self._rank, self._size = shard

    def shapes(self) -> list[tuple[int, ...]]:
        """Return the shapes of the tops, as the item at hand gives them."""
        name, datum = self._item()
        if self._transformer.color is not None and not datum.encoded:
            log.warning("%s is no encoded image: transform_param.force_color and force_gray have no effect on it", name)
        return self._shapes(datum_planes(datum, self._transformer.color, name).shape, name)

    def _shapes(self, image: tuple[int, ...], name: str) -> list[tuple[int, ...]]:
        data = (self._batch_size, *self._transformer.output_shape(image, name))
        return [data, (self._batch_size,)] if self._labelled else [data]

    def _item(self) -> tuple[str, Any]:
        name = f"{self._source.path}: item {self._source.key.decode(errors='replace')!r}"
        return name, parse_datum(self._source.value, name)

    def _next_items(self) -> list[tuple[str, Any]]:
        items = []
        for _ in range(self._batch_size):
            while self._source.count % self._size != self._rank:
                self._source.advance()
            items.append(self._item())
            self._source.advance()
        return items

    def fill(self, batch: Batch) -> None:
        items = self._next_items()
        color = self._transformer.color
        if any(datum.encoded for _, datum in items):
            images = in_parallel(lambda item: datum_planes(item[1], color, item[0]), items)
        else:
            images = [datum_planes(datum, color, name) for name, datum in items]
        data, *label = batch.take(*self._shapes(images[0].shape, items[0][0]))
        self._transformer(images, data, [name for name, _ in items])
        for values in label:
            values[...] = [datum.label for _, datum in items]

    def get_state(self) -> dict[str, Any]:
        return {"source": self._source.get_state(), "transform": self._transformer.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        self._source.set_state(state["source"])
        self._transformer.set_state(state["transform"])


@register("Data", v1="DATA")
class DataLayer(PrefetchedLayer):
    """Items of an LMDB or LevelDB of Datum messages, in the order of their keys, again from the first after the last.

    tops: data [B, C, H, W]; optionally label [B]. Each batch takes its shape from its first item.
    `transform_param` says what becomes of the images. With data-parallel training, in TRAIN, each process takes every
    size-th item. As in Caffe's last version, `rand_skip` and `force_encoded_color` have no effect, and neither have
    scale, mean_file, crop_size and mirror inside data_param (older prototxts that mean them are upgraded when they are
    read).
    """

    tops = (1, 2)

    def open_feed(self, tops: int) -> tuple[Feed, list[tuple[int, ...]]]:
        param = self.param.data_param
        (batch_size,) = self.positive("data_param", "batch_size")
        self.warn_unused("data_param", "source batch_size backend prefetch")
        source = open_source(self.find(param.source, "data_param.source"), BACKENDS[param.backend])
        feed = DataFeed(source, self.transformer(), batch_size, tops == 2, self.shard)
        return feed, feed.shapes()
