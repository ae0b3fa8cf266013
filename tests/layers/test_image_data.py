"""ImageData: lists, sizes, shuffling, resuming, and what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minicaffe.data import images
from minicaffe.errors import DataError, NetError

COUNT = 5


def picture(i: int, height: int = 6, width: int = 8) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(i)).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures and `list.txt`, in which picture i has the label 10 i."""
    (tmp_path / "my images").mkdir()
    for i in range(COUNT):
        (tmp_path / "my images" / f"no {i}.png").write_bytes(images.encode(picture(i), "png"))
    (tmp_path / "list.txt").write_text("".join(f"my images/no {i}.png {10 * i}\n" for i in range(COUNT)))
    return tmp_path


def text(folder: Path, batch: int = 3, more: str = "", transform: str = "") -> str:
    source = (folder / "list.txt").as_posix()
    return (
        f'type: "ImageData" image_data_param {{ source: "{source}" batch_size: {batch} {more} }} '
        f"transform_param {{ {transform} }}"
    )


def test_images_and_labels_in_the_order_of_the_list(folder: Path, feeder: Callable[..., Any]) -> None:
    data = feeder(text(folder))
    assert data.shapes == [(3, 3, 6, 8), (3,)]
    for batch in range(3):
        x, label = data.next()
        items = [(3 * batch + n) % COUNT for n in range(3)]
        assert label.tolist() == [10 * i for i in items]
        np.testing.assert_array_equal(x, [picture(i).transpose(2, 0, 1) for i in items])


def test_the_batch_size_is_one_by_default(folder: Path, feeder: Callable[..., Any]) -> None:
    assert feeder(text(folder).replace("batch_size: 3", "")).shapes[0] == (1, 3, 6, 8)


def test_resizing(folder: Path, feeder: Callable[..., Any]) -> None:
    data = feeder(text(folder, more="new_height: 3 new_width: 16"))
    assert data.shapes[0] == (3, 3, 3, 16)
    x, _ = data.next()
    np.testing.assert_array_equal(x[1], images.resize(picture(1), 3, 16).transpose(2, 0, 1))


def test_grey(folder: Path, feeder: Callable[..., Any]) -> None:
    x, _ = feeder(text(folder, more="is_color: false")).next()
    assert x.shape == (3, 1, 6, 8)
    np.testing.assert_allclose(x[2, 0], picture(2) @ [0.114, 0.587, 0.299], atol=1.01)


def test_transformation(folder: Path, feeder: Callable[..., Any]) -> None:
    x, _ = feeder(text(folder, transform="scale: 0.5 mean_value: 1 mean_value: 2 mean_value: 3")).next()
    np.testing.assert_array_equal(x[0], (picture(0) - np.array([1, 2, 3], np.float32)).transpose(2, 0, 1) * 0.5)


def test_each_image_by_itself_may_have_its_own_size(folder: Path, feeder: Callable[..., Any]) -> None:
    (folder / "my images/no 1.png").write_bytes(images.encode(picture(1, 3, 4), "png"))
    data = feeder(text(folder, batch=1))
    assert [data.next()[0].shape for _ in range(3)] == [(1, 3, 6, 8), (1, 3, 3, 4), (1, 3, 6, 8)]
    with pytest.raises(DataError, match=r"list\.txt:2: 'my images/no 1\.png' has shape \(3, 3, 4\)"):
        feeder(text(folder)).next()


def test_shuffling_visits_every_image_once_an_epoch(folder: Path, feeder: Callable[..., Any]) -> None:
    data = feeder(text(folder, batch=COUNT, more="shuffle: true"))
    epochs = [data.labels(1) for _ in range(20)]
    assert all(sorted(epoch) == [0, 10, 20, 30, 40] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 10
    again = feeder(text(folder, batch=COUNT, more="shuffle: true"))
    assert [again.labels(1) for _ in range(20)] == epochs
    other = feeder(text(folder, batch=COUNT, more="shuffle: true"), seed=2)
    assert [other.labels(1) for _ in range(20)] != epochs


@pytest.mark.parametrize("more", ["", "shuffle: true", "shuffle: true rand_skip: 4"])
@pytest.mark.parametrize("before", [0, 1, 2, 5])
def test_resuming_is_exact(folder: Path, feeder: Callable[..., Any], more: str, before: int) -> None:
    description = text(folder, 2, more, "crop_size: 5 mirror: true")
    first = feeder(description)
    for _ in range(before):
        first.next()
    state = json.loads(json.dumps(first.layer.get_state()))
    expected = [first.next() for _ in range(6)]
    second = feeder(description, seed=5)
    second.next()
    second.layer.set_state(state)
    for wanted in expected:
        for ours, theirs in zip(second.next(), wanted, strict=True):
            assert ours.tobytes() == theirs.tobytes()


def test_rand_skip_begins_below_itself(folder: Path, feeder: Callable[..., Any]) -> None:
    starts = {feeder(text(folder, batch=1, more="rand_skip: 3"), seed=seed).labels(1)[0] for seed in range(30)}
    assert starts == {0, 10, 20}
    with pytest.raises(NetError, match="rand_skip 1000000 may skip more than the 5 images there are"):
        feeder(text(folder, more="rand_skip: 1000000"))


def test_root_folder_is_put_before_the_paths(folder: Path, feeder: Callable[..., Any]) -> None:
    (folder / "list.txt").write_text("no 2.png 7\n")
    root = (folder / "my images").as_posix()
    data = feeder(text(folder, batch=1, more=f'root_folder: "{root}/"'))
    np.testing.assert_array_equal(data.next()[0][0], picture(2).transpose(2, 0, 1))
    with pytest.raises(DataError, match=r"list\.txt:1: image '.*my imagesno 2\.png' does not exist"):
        feeder(text(folder, batch=1, more=f'root_folder: "{root}"'))


def test_one_side_of_the_size_is_not_enough(folder: Path, feeder: Callable[..., Any]) -> None:
    with pytest.raises(NetError, match="new_height and new_width belong together"):
        feeder(text(folder, more="new_height: 3"))


def test_a_missing_image_is_told_with_its_line(folder: Path, feeder: Callable[..., Any]) -> None:
    (folder / "my images" / "no 3.png").rename(folder / "my images" / "n 3.png")
    data = feeder(text(folder))
    data.next()
    with pytest.raises(DataError) as caught:
        data.next()
    message = str(caught.value)
    assert "net.prototxt:1: layer 'data' (ImageData)" in message
    assert "list.txt:4: image 'my images/no 3.png' does not exist (did you mean" in message


def test_a_file_that_is_no_image_is_told_with_its_line(folder: Path, feeder: Callable[..., Any]) -> None:
    (folder / "my images" / "no 0.png").write_text("no image")
    with pytest.raises(DataError, match=r"list\.txt:1: image '.*no 0\.png' cannot be decoded: 8 bytes"):
        feeder(text(folder))


def test_genuine_photographs(shared: Path, feeder: Callable[..., Any], tmp_path: Path) -> None:
    photographs = sorted((shared / "datasets/bccd/JPEGImages").iterdir())[:4]
    (tmp_path / "list.txt").write_text("".join(f"{path.as_posix()} {i}\n" for i, path in enumerate(photographs)))
    x, label = feeder(text(tmp_path, 4, "new_height: 48 new_width: 64")).next()
    assert label.tolist() == [0, 1, 2, 3]
    means = x.mean(axis=(0, 2, 3))  # stained blood: much red, little green
    assert means[2] > means[0] > means[1] > 100
