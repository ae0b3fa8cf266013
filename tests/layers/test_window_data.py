"""WindowData: which windows are drawn, and every pixel of them. Reading window files: tests/data/test_windows.py."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minicaffe.data import images
from minicaffe.data.windows import Window, place_window
from minicaffe.errors import DataError, NetError
from minicaffe.proto import schema

SIZES = [(30, 40), (25, 20)]
WINDOWS = [  # image, class, overlap, corners
    (0, 3, 0.9, (5, 6, 24, 20)),
    (0, 2, 0.6, (0, 0, 11, 29)),
    (0, 1, 0.2, (20, 10, 39, 29)),
    (1, 4, 0.5, (3, 2, 19, 24)),
    (1, 0, 0.0, (0, 5, 9, 14)),
]
FOREGROUND, BACKGROUND = (0, 1, 3), (2, 4)


def picture(i: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(i)).integers(0, 256, (*SIZES[i], 3), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = []
    for i, (height, width) in enumerate(SIZES):
        (tmp_path / f"image {i}.png").write_bytes(images.encode(picture(i), "png"))
        boxes = [(label, overlap, *box) for image, label, overlap, box in WINDOWS if image == i]
        lines += [f"# {i}", f"image {i}.png", "3", f"{height}", f"{width}", f"{len(boxes)}"]
        lines += [" ".join(map(str, box)) for box in boxes]
    (tmp_path / "windows.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def text(folder: Path, more: str = "", transform: str = "", batch: int = 8, crop: int = 12) -> str:
    source = (folder / "windows.txt").as_posix()
    return (
        f'type: "WindowData" window_data_param {{ source: "{source}" batch_size: {batch} {more} }} '
        f"transform_param {{ crop_size: {crop} {transform} }}"
    )


def crops(
    crop: int, pad: int, square: bool, mean: np.ndarray, scale: float, mirrors: tuple[bool, ...]
) -> dict[bytes, tuple[int, bool]]:
    """Every crop that can be drawn, made pixel by pixel, and of which window and mirror it is."""
    made = {}
    for n, (i, label, _, box) in enumerate(WINDOWS):
        for mirror in mirrors:
            at = place_window(Window("", label, *box, ""), SIZES[i], crop, pad, square, mirror)
            part = images.resize(picture(i)[at.y1 : at.y2 + 1, at.x1 : at.x2 + 1], at.height, at.width)
            y = np.zeros((3, crop, crop), np.float32)
            for row in range(at.height):
                for column in range(at.width):
                    source = part[row, at.width - 1 - column if mirror else column]
                    place = (slice(None), at.top + row, at.left + column)
                    y[place] = (source.astype(np.float32) - mean[place]) * np.float32(scale)
            made[y.tobytes()] = (n, mirror)
    return made


@pytest.mark.parametrize(("more", "pad", "square"), [
    ("", 0, False),
    ("context_pad: 2", 2, False),
    ('crop_mode: "square"', 0, True),
    ('context_pad: 3 crop_mode: "square"', 3, True),
])  # fmt: skip
@pytest.mark.parametrize("cache", ["", "cache_images: true"])
def test_every_pixel(folder: Path, feeder: Callable[..., Any], more: str, pad: int, square: bool, cache: str) -> None:
    mean = np.broadcast_to(np.array([100, 110, 120], np.float32)[:, None, None], (3, 12, 12))
    transform = "mirror: true mean_value: 100 mean_value: 110 mean_value: 120"
    data = feeder(text(folder, f"scale: 0.5 fg_fraction: 0.5 {more} {cache}", transform))
    assert data.shapes == [(8, 3, 12, 12), (8,)]
    possible = crops(12, pad, square, mean, 0.5, (False, True))
    seen = set()
    for _ in range(8):
        x, label = data.next()
        drawn = [possible[item.tobytes()] for item in x]
        assert all(n in BACKGROUND for n, _ in drawn[:4])
        assert all(n in FOREGROUND for n, _ in drawn[4:])
        assert label.tolist() == [0] * 4 + [WINDOWS[n][1] for n, _ in drawn[4:]]
        seen.update(drawn)
    assert len(seen) == 10


def test_the_centre_of_a_mean_image_is_subtracted_where_the_pixel_lands(
    folder: Path, feeder: Callable[..., Any]
) -> None:
    mean = np.random.Generator(np.random.PCG64(5)).uniform(0, 255, (3, 15, 15)).astype(np.float32)
    blob = schema.BlobProto(data=mean.ravel().tolist(), num=1, channels=3, height=15, width=15)
    (folder / "mean").write_bytes(blob.SerializeToString())
    transform = f'mirror: true mean_file: "{(folder / "mean").as_posix()}"'
    data = feeder(text(folder, "context_pad: 2", transform))
    possible = crops(12, 2, False, mean[:, 1:13, 1:13], 1, (False, True))
    assert all(item.tobytes() in possible for _ in range(4) for item in data.next()[0])


@pytest.mark.parametrize(("batch", "fraction", "foreground"), [(8, 0.25, 2), (7, 0.5, 3), (4, 0, 0), (4, 1, 4)])
def test_the_share_of_foreground_is_rounded_down(
    folder: Path, feeder: Callable[..., Any], batch: int, fraction: float, foreground: int
) -> None:
    labels = feeder(text(folder, f"fg_fraction: {fraction}", batch=batch)).labels(1)
    assert [label > 0 for label in labels] == [False] * (batch - foreground) + [True] * foreground


def test_thresholds(folder: Path, feeder: Callable[..., Any]) -> None:
    data = feeder(text(folder, "fg_threshold: 0.7 bg_threshold: 0.1 fg_fraction: 0.5"))
    possible = crops(12, 0, False, np.zeros((3, 12, 12)), 1, (False,))
    assert {possible[item.tobytes()][0] for _ in range(5) for item in data.next()[0]} == {0, 4}


def test_resuming_is_exact(folder: Path, feeder: Callable[..., Any]) -> None:
    description = text(folder, "context_pad: 1", "mirror: true")
    first = feeder(description)
    first.next()
    state = json.loads(json.dumps(first.layer.get_state()))
    expected = [first.next() for _ in range(4)]
    second = feeder(description, seed=3)
    second.next()
    second.layer.set_state(state)
    for wanted in expected:
        for ours, theirs in zip(second.next(), wanted, strict=True):
            assert ours.tobytes() == theirs.tobytes()


def test_fields_without_effect_are_named_with_their_place(
    folder: Path, feeder: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "minicaffe"):
        feeder(text(folder, "mirror: true crop_size: 3", "scale: 0.5"))
    assert [record.getMessage().partition("): ")[2] for record in caplog.records] == [
        "window_data_param.crop_size has no effect: write it as transform_param { crop_size: ... }",
        "window_data_param.mirror has no effect: write it as transform_param { mirror: ... }",
        "transform_param.scale has no effect: write it as window_data_param { scale: ... }",
    ]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (("crop_size: 12", ""), NetError, "transform_param needs crop_size > 0"),
        (("batch_size: 8", ""), NetError, "window_data_param needs batch_size > 0"),
        (("batch_size: 8", 'batch_size: 8 crop_mode: "round"'), NetError, "crop_mode must be 'warp' or 'square'"),
        (
            ("batch_size: 8", "batch_size: 8 context_pad: 6"),
            NetError,
            "context_pad 6 on both sides leaves nothing of 12",
        ),
        (("batch_size: 8", "batch_size: 8 fg_fraction: 1.5"), NetError, "fg_fraction must lie between 0 and 1"),
        (("batch_size: 8", "batch_size: 8 fg_threshold: 0.95"), DataError, "no foreground windows"),
        (("crop_size: 12", "crop_size: 12 mean_value: 1 mean_value: 2"), NetError, "2 mean_value for 3 channels"),
        (("windows.txt", "window.txt"), DataError, r"did you mean 'windows\.txt'"),
    ],
)
def test_what_cannot_be(
    folder: Path, feeder: Callable[..., Any], change: tuple[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        feeder(text(folder).replace(*change))


def test_images_that_are_not_what_the_file_says(folder: Path, feeder: Callable[..., Any]) -> None:
    path = folder / "windows.txt"
    content = path.read_text()
    path.write_text(content.replace("png\n3\n", "png\n1\n"))
    with pytest.raises(NetError, match="says 1 channels, not 3"):
        feeder(text(folder))
    path.write_text(content.replace("0 5 9 14", "0 5 20 14"))
    with pytest.raises(DataError, match=r"windows\.txt:17: the window \(0, 5, 20, 14\) does not lie in its image"):
        feeder(text(folder, batch=32)).next()
    path.write_text(content)
    (folder / "image 1.png").unlink()
    with pytest.raises(DataError, match=r"windows\.txt:\d+: image 'image 1\.png' does not exist"):
        feeder(text(folder, batch=32)).next()
