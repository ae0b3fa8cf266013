"""MemoryData: arrays handed over, datums and images added, batch sizes changed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minicaffe.data.datum import image_datum
from minicaffe.errors import DataError, NetError
from minicaffe.phase import TEST

SIZES = {"batch_size": 3, "channels": 2, "height": 4, "width": 5}


def text(sizes: dict[str, int]) -> str:
    fields = " ".join(f"{name}: {value}" for name, value in sizes.items())
    return f'type: "MemoryData" memory_data_param {{ {fields} }}'


TEXT = text(SIZES)


def arrays(count: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.Generator(np.random.PCG64(0))
    return generator.standard_normal((count, 2, 4, 5), np.float32), np.arange(count, dtype=np.float32)


def test_arrays_go_round_batch_by_batch(feeder: Callable[..., Any]) -> None:
    memory = feeder(TEXT)
    assert memory.shapes == [(3, 2, 4, 5), (3,)]
    data, labels = arrays(9)
    memory.layer.set_input_arrays(data, labels)
    for batch in range(7):
        x, y = memory.next()
        rows = slice(3 * batch % 9, 3 * batch % 9 + 3)
        np.testing.assert_array_equal(x, data[rows])
        np.testing.assert_array_equal(y, labels[rows].reshape(3, 1, 1, 1))


def test_labels_may_have_four_axes_and_arrays_stay_live(feeder: Callable[..., Any]) -> None:
    memory = feeder(TEXT)
    data, labels = arrays(3)
    memory.layer.reset(data, labels.reshape(3, 1, 1, 1))
    memory.next()
    data += 1
    np.testing.assert_array_equal(memory.next()[0], data)


def test_new_arrays_begin_at_their_first_item(feeder: Callable[..., Any]) -> None:
    memory = feeder(TEXT)
    data, labels = arrays(6)
    memory.layer.reset(data, labels)
    memory.next()
    memory.layer.reset(data[::-1].copy(), labels[::-1].copy())
    assert memory.labels(1) == [5, 4, 3]


def test_the_place_can_be_kept(feeder: Callable[..., Any]) -> None:
    first, second = feeder(TEXT), feeder(TEXT)
    for memory in (first, second):
        memory.layer.reset(*arrays(9))
    first.next()
    second.layer.set_state(first.layer.get_state())
    assert second.labels(1) == first.labels(1) == [3, 4, 5]


def test_forward_without_data(feeder: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match=r"there is no data yet: call net\.set_input_arrays"):
        feeder(TEXT).next()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:4], y[:4]), "4 items are not a multiple of batch_size 3"),
        (lambda x, y: (x[:0], y[:0]), "0 items are not a multiple"),
        (lambda x, y: (x.astype(np.float64), y), "data must be a contiguous float32 array"),
        (lambda x, y: (x[::-1], y), "data must be a contiguous float32 array"),
        (lambda x, y: (x[:, :1].copy(), y), r"data has shape \(6, 1, 4, 5\); expected \(6, 2, 4, 5\)"),
        (lambda x, y: (x, y[:3]), r"labels has shape \(3,\); expected \(6,\)"),
        (lambda x, y: (x, y.reshape(2, 3)), r"labels has shape \(2, 3\); expected \(6, 1, 1, 1\)"),
        (lambda x, y: (x, list(y)), "labels must be a contiguous float32 array"),
    ],
)
def test_arrays_that_do_not_fit(feeder: Callable[..., Any], change: Callable[..., Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        feeder(TEXT).layer.set_input_arrays(*change(*arrays(6)))


@pytest.mark.parametrize("field", SIZES)
def test_every_size_is_needed(feeder: Callable[..., Any], field: str) -> None:
    with pytest.raises(NetError, match=f"memory_data_param needs {field} > 0"):
        feeder(text({name: value for name, value in SIZES.items() if name != field}))


# -- items to be transformed ------------------------------------------------------------------------------------------

ADDING = (
    'type: "MemoryData" memory_data_param { batch_size: 2 channels: 3 height: 4 width: 4 } '
    "transform_param { crop_size: 4 scale: 0.5 mean_value: 8 }"
)
PICTURES = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (4, 6, 6, 3), np.uint8)
EXPECTED = (PICTURES[:, 1:5, 1:5].transpose(0, 3, 1, 2) - np.float32(8)) * np.float32(0.5)


def test_datums_and_images_are_transformed(feeder: Callable[..., Any]) -> None:
    memory = feeder(ADDING, phase=TEST)
    memory.layer.add_datums([image_datum(image, i) for i, image in enumerate(PICTURES)])
    taken = [memory.next() for _ in range(2)]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in taken]), EXPECTED)
    np.testing.assert_array_equal(np.concatenate([y for _, y in taken]).ravel(), [0, 1, 2, 3])
    memory.layer.add_images(list(PICTURES[2:]), [7, 8])
    x, y = memory.next()
    np.testing.assert_array_equal(x, EXPECTED[2:])
    assert y.ravel().tolist() == [7, 8]


def test_items_cannot_be_added_before_the_last_ones_are_used_up(feeder: Callable[..., Any]) -> None:
    memory = feeder(ADDING, phase=TEST)
    memory.layer.add_images(list(PICTURES), [0] * 4)
    memory.next()
    with pytest.raises(DataError, match="has not been used up"):
        memory.layer.add_images(list(PICTURES), [0] * 4)
    with pytest.raises(DataError, match="cannot change while data is being used"):
        memory.layer.change_batch_size(4)
    memory.next()
    memory.layer.change_batch_size(4)
    memory.layer.add_images(list(PICTURES), [0, 1, 2, 3])
    assert memory.labels(1) == [0, 1, 2, 3]


def test_items_that_do_not_fit(feeder: Callable[..., Any]) -> None:
    memory = feeder(ADDING, phase=TEST)
    with pytest.raises(DataError, match="3 items are not a multiple of batch_size 2"):
        memory.layer.add_images(list(PICTURES[:3]), [0] * 3)
    with pytest.raises(DataError, match="4 images with 3 labels"):
        memory.layer.add_images(list(PICTURES), [0] * 3)
    with pytest.raises(DataError, match=r"layer 'data' \(MemoryData\): image 0 has shape \(1, 6, 6\)"):
        memory.layer.add_images(list(PICTURES[..., 0]), [0] * 4)


def test_arrays_are_not_transformed_and_the_log_says_so(
    feeder: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    memory = feeder(ADDING)
    data = np.ones((2, 3, 4, 4), np.float32)
    with caplog.at_level(logging.WARNING, "minicaffe"):
        memory.layer.set_input_arrays(data, np.zeros(2, np.float32))
        memory.layer.set_input_arrays(data, np.zeros(2, np.float32))
    assert [record.getMessage().partition("): ")[2] for record in caplog.records] == [
        "transform_param is not applied to arrays that are handed over"
    ]
    np.testing.assert_array_equal(memory.next()[0], data)
