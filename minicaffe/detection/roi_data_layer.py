"""RoIDataLayer: the data layer of Fast R-CNN, which prototxts name as `roi_data_layer.layer`.

Minibatches can be filled ahead. A thread does that, not a process as in the published code: reading, decoding and
scaling images let go of Python's lock, batches are handed over without being copied between processes, and what a run
needs to continue bit for bit, the state after each batch, comes with the batch.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.blob import Blob
from minicaffe.data.parallel import in_parallel
from minicaffe.data.prefetch import Batch, Feed, Prefetcher
from minicaffe.data.staging import batches
from minicaffe.detection.config import Config
from minicaffe.detection.dataset import stops
from minicaffe.detection.image_blob import read_photograph
from minicaffe.detection.image_order import ImageOrder
from minicaffe.detection.layer_settings import settings
from minicaffe.detection.minibatch import assemble, top_names
from minicaffe.detection.roidb import Regions
from minicaffe.errors import DataError, NetError
from minicaffe.layers.base_data import BaseDataLayer

log = logging.getLogger("minicaffe")


class RoIFeed(Feed):
    """Fills minibatches from a roidb; an image that cannot be read is passed over or stops the run: BAD_DATA."""

    def __init__(
        self, roidb: Sequence[Regions], num_classes: int, config: Config, order: ImageOrder, rng: np.random.Generator
    ):
        self._roidb = roidb
        self._num_classes = num_classes
        self._config = config
        self._stop = stops(config.BAD_DATA)
        self._order = order
        self._rng = rng
        self._named: set[str] = set()

    def fill(self, batch: Batch) -> None:
        for _ in range(len(self._roidb)):
            entries, images = self._readable([self._roidb[i] for i in self._order.take()])
            if entries:
                assemble(images, entries, self._num_classes, self._config, self._rng, batch.take)
                return
        raise DataError(f"of {len(self._roidb)} entries of the roidb, none has an image that can be read")

    def _readable(self, entries: Sequence[Regions]) -> tuple[list[Regions], list[np.ndarray]]:
        """Return those of the entries of which the images can be read, with these; name the others, each once."""
        good, images = [], []
        for regions, image in zip(entries, in_parallel(_read, entries), strict=True):
            if isinstance(image, np.ndarray):
                good.append(regions)
                images.append(image)
                continue
            name = regions.photograph.name
            if self._stop:
                raise DataError(f"{name}: {image}; to go on without it: BAD_DATA: skip") from image
            if name not in self._named:
                log.warning("%s: %s: training goes on without it", name, image)
                self._named.add(name)
        return good, images

    def get_state(self) -> dict[str, Any]:
        return {"order": self._order.get_state(), "random": self._rng.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> None:
        self._order.set_state(state["order"])
        self._rng.bit_generator.state = state["random"]


def _read(regions: Regions) -> np.ndarray | DataError:
    try:
        return read_photograph(regions.photograph, regions.flipped)
    except DataError as error:
        return error


class RoIDataLayer(BaseDataLayer):
    """Photographs with their regions, labels and regression targets, from the roidb that `set_roidb` gives.

    tops: data [N, 3, H, W]; rois [R, 5]; labels [R]; and with TRAIN.BBOX_REG bbox_targets, bbox_inside_weights and
    bbox_outside_weights [R, 4 C]; see `minicaffe.detection.minibatch`. Shapes change with every batch; until there is
    one, data has room for the largest image and the others have one row.

    param_str: `'num_classes': C`, background included, beside any key of the configuration (`'TRAIN': {'BATCH_SIZE':
    32}`), which then holds for this layer alone. With TRAIN.USE_PREFETCH, TRAIN.PREFETCH_DEPTH batches are filled
    ahead, in the same order. Of N processes each takes every N-th entry. Source: the RoIDataLayer of Fast R-CNN.
    """

    tops = (3, 6)
    _prefetcher: Prefetcher | None = None
    _pending: dict[str, Any] | None = None  # the state to begin with once there is a roidb

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.config, self.num_classes = settings(self)
        t, names = self.config.TRAIN, top_names(self.config)
        self.check(
            len(top) == len(names),
            f"with TRAIN.BBOX_REG {t.BBOX_REG} the tops are {', '.join(names)}: {len(names)}, not {len(top)}",
        )
        self.check(
            t.BATCH_SIZE % t.IMS_PER_BATCH == 0,
            f"TRAIN.BATCH_SIZE {t.BATCH_SIZE} cannot be shared out evenly among the images of a batch, "
            f"TRAIN.IMS_PER_BATCH {t.IMS_PER_BATCH}",
        )
        self.check(not t.HAS_RPN, "learns from given proposals, not from those of an RPN: TRAIN.HAS_RPN must be False")
        top[0].reshape(t.IMS_PER_BATCH, 3, max(t.SCALES), t.MAX_SIZE)
        top[1].reshape(1, 5)
        top[2].reshape(1)
        for blob in top[3:]:
            blob.reshape(1, 4 * self.num_classes)

    def set_roidb(self, roidb: Sequence[Regions]) -> None:
        """Take the entries to learn from, filtered and with targets, and begin an epoch."""
        self.close()
        rank, size = self.shard
        roidb = list(roidb)[rank::size]
        with self.located():
            self._check_roidb(roidb)
        wide = np.array([r.photograph.size[0] >= r.photograph.size[1] for r in roidb])
        t = self.config.TRAIN
        order = ImageOrder(wide, t.IMS_PER_BATCH, t.ASPECT_GROUPING, self.generator("order"))
        with self.located():
            feed = RoIFeed(roidb, self.num_classes, self.config, order, self.generator("regions"))
        depth = t.PREFETCH_DEPTH if t.USE_PREFETCH else 0
        self._prefetcher = Prefetcher(feed, depth, batches(self.ops, self.setting.dtype), f"prefetch {self.name}")
        if self._pending is not None:
            self._prefetcher.set_state(self._pending)
            self._pending = None

    def _check_roidb(self, roidb: Sequence[Regions]) -> None:
        if not roidb:
            raise DataError("the roidb is empty: there is nothing to learn from")
        for regions in roidb:
            if self.config.TRAIN.BBOX_REG and regions.targets is None:
                raise DataError("the roidb has no bbox targets: call add_targets(roidb, num_classes) first")
            if regions.max_classes.max() >= self.num_classes:
                raise DataError(
                    f"{regions.photograph.name} has an object of class {regions.max_classes.max()}, but param_str says "
                    f"num_classes {self.num_classes}, background included: they must be the data set's (key CLASSES)"
                )

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self._prefetcher is None:
            raise NetError(
                f"{self.where}: has no roidb to take minibatches from: train with 'minicaffe train SOLVER --data …', "
                "or give it one with net.layers[0].set_roidb(roidb)"
            )
        with self.located():
            batch = self._prefetcher.next()
        batch.deliver(top)

    def get_state(self) -> dict[str, Any]:
        """Return where the layer stands in its roidb; nothing, as long as it has none."""
        return self._pending or {} if self._prefetcher is None else self._prefetcher.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue where `get_state` was called, at once or when the roidb is there."""
        if self._prefetcher is None:
            self._pending = state or None
        elif state:
            self._prefetcher.set_state(state)

    def close(self) -> None:
        """Stop filling batches ahead; a later forward begins again where the last one ended."""
        if self._prefetcher is not None:
            self._prefetcher.close()
