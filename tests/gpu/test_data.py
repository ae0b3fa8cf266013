"""Batches travel to a device ahead of time, and arrive whole, in their order and at their shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicaffe
from minicaffe.data.prefetch import Batch, Feed, Prefetcher
from minicaffe.data.staging import StagedBatch, batches
from minicaffe.proto import prototxt, schema


class Counting(Feed):
    """Batches 0, 1, 2, ...: two arrays full of the number, of shapes that change with it."""

    def __init__(self) -> None:
        self.number = 0

    def fill(self, batch: Batch) -> None:
        for array in batch.take(shape(self.number), (2,)):
            array[...] = self.number
        self.number += 1

    def get_state(self) -> dict[str, Any]:
        return {"number": self.number}

    def set_state(self, state: dict[str, Any]) -> None:
        self.number = state["number"]


def shape(number: int) -> tuple[int, int]:
    return (3, 4 + number % 5)


def taken(prefetcher: Prefetcher, blobs: list[minicaffe.Blob], first: int, count: int) -> list[int]:
    """Deliver `count` batches into the blobs; return the numbers of those that did not arrive as they were filled."""
    wrong = []
    for number in range(first, first + count):
        prefetcher.next().deliver(blobs)
        assert blobs[0].shape == shape(number)
        if not all((blob.data == number).all() for blob in blobs):
            wrong.append(number)
    return wrong


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_batches_arrive(gpu: Any, depth: int) -> None:
    prefetcher = Prefetcher(Counting(), depth, batches(gpu, np.float32))
    blobs = [minicaffe.Blob((1,), xp=gpu.xp) for _ in range(2)]
    assert taken(prefetcher, blobs, 0, 30) == []
    state = prefetcher.get_state()
    assert state == {"number": 30}
    prefetcher.close()
    prefetcher.set_state({"number": 12})
    assert taken(prefetcher, blobs, 12, 5) == []
    prefetcher.close()


def test_memory_filled_again_too_early_would_show(gpu: Any) -> None:
    """The pretended device copies as late as it may: who does not call `recycle` sends the next batch's numbers."""
    if gpu.name != "pretended":
        return
    blobs = [minicaffe.Blob((1,), xp=gpu.xp) for _ in range(2)]
    for careful, arrives in ((True, 7), (False, 8)):
        batch = batches(gpu, np.float32)()
        for array in batch.take((3, 4), (2,)):
            array[...] = 7
        batch.send()
        if careful:
            batch.recycle()
        for array in batch.arrays:
            array[...] = 8
        batch.deliver(blobs)
        assert all((blob.data == arrives).all() for blob in blobs)


def test_a_batch_read_before_it_has_arrived_would_show(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if gpu.name != "pretended":
        return
    monkeypatch.setattr(gpu.xp.cuda.Stream, "wait_event", lambda self, event: None)
    prefetcher = Prefetcher(Counting(), 0, batches(gpu, np.float32))
    assert taken(prefetcher, [minicaffe.Blob((1,), xp=gpu.xp) for _ in range(2)], 0, 3) != []


def test_a_data_layer_feeds_a_net(gpu: Any, tmp_path: Path) -> None:
    from PIL import Image

    for i in range(3):
        Image.fromarray(np.full((6, 5, 3), 40 * (i + 1), np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "list.txt").write_text("".join(f"{i}.png {i}\n" for i in range(3)))
    text = (
        'layer { name: "d" type: "ImageData" top: "data" top: "label" '
        f'image_data_param {{ source: "{tmp_path / "list.txt"}" batch_size: 1 }} }}'
    )
    net = minicaffe.Net(prototxt.parse(text, schema.NetParameter), phase="TRAIN", folder=tmp_path)
    try:
        for i in (0, 1, 2, 0):
            net.forward()
            assert net.blobs["label"].data.tolist() == [i]
            assert (net.blobs["data"].data == 40 * (i + 1)).all()
            assert isinstance(net.layers[0].prefetcher._used, StagedBatch)
    finally:
        net.close()
