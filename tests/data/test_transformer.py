"""The transformation of images: exact values against a plain loop over pixels, and the errors."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe.data.transformer import Transformer, read_mean
from minicaffe.errors import DataError
from minicaffe.phase import TEST, TRAIN, Phase
from minicaffe.proto import schema
from minicaffe.proto.prototxt import parse


def transformer(text: str = "", phase: Phase = TRAIN, seed: int = 1) -> Transformer:
    param = parse(text, schema.TransformationParameter)
    return Transformer(param, phase, np.random.Generator(np.random.PCG64(seed)))


def pictures(count: int = 6, channels: int = 3, height: int = 5, width: int = 7, dtype: type = np.uint8) -> np.ndarray:
    generator = np.random.Generator(np.random.PCG64(0))
    return generator.integers(0, 256, (count, channels, height, width)).astype(dtype)


def run(transform: Transformer, images: np.ndarray, dtype: type = np.float32) -> np.ndarray:
    out = np.empty((len(images), *transform.output_shape(images[0].shape)), dtype)
    transform(list(images), out)
    return out


def write_mean(path: Path, mean: np.ndarray) -> None:
    """Write a mean image as Caffe does: the four legacy sizes, then the floats."""
    blob = schema.BlobProto(data=mean.ravel().tolist())
    blob.num, blob.channels, blob.height, blob.width = (1, *mean.shape)
    path.write_bytes(blob.SerializeToString())


def test_nothing_to_do() -> None:
    x = pictures()
    np.testing.assert_array_equal(run(transformer(), x), x)
    np.testing.assert_array_equal(run(transformer(), x.astype(np.float64), np.float64), x)


def test_one_mean_value_for_all_channels_and_one_for_each() -> None:
    x = pictures()
    np.testing.assert_array_equal(run(transformer("mean_value: 9 scale: 0.5"), x), (x.astype(np.float32) - 9) * 0.5)
    each = np.array([9, 20, 31], np.float32).reshape(3, 1, 1)
    got = run(transformer("mean_value: 9 mean_value: 20 mean_value: 31 scale: 0.00390625"), x)
    np.testing.assert_array_equal(got, (x - each) * 0.00390625)


def test_the_centre_is_rounded_down_in_test() -> None:
    x = pictures(height=5, width=8)
    np.testing.assert_array_equal(run(transformer("crop_size: 3", TEST), x), x[:, :, 1:4, 2:5])
    np.testing.assert_array_equal(run(transformer("crop_size: 4", TEST), x), x[:, :, 0:4, 2:6])


def test_mirroring_happens_to_half_of_the_items_in_both_phases() -> None:
    x = pictures(count=400, channels=1, height=1, width=2)
    for phase in (TRAIN, TEST):
        y = run(transformer("mirror: true", phase), x)
        mirrored = (y == x[..., ::-1]).all(axis=(1, 2, 3)) & (x[..., 0] != x[..., 1]).all(axis=(1, 2))
        assert (mirrored | (y == x).all(axis=(1, 2, 3))).all()
        assert 160 < mirrored.sum() < 240


def test_crops_in_train_are_windows_of_the_image_at_every_place() -> None:
    x = np.repeat(pictures(count=1), 300, axis=0)
    windows = {x[0, :, r : r + 4, c : c + 4].astype(np.float32).tobytes() for r in range(2) for c in range(4)}
    got = [y.tobytes() for y in run(transformer("crop_size: 4"), x)]
    assert set(got) == windows
    assert min(got.count(window) for window in windows) > 10


def by_hand(x: np.ndarray, mean: np.ndarray, choice: tuple[int, int, int], crop: int, scale: float) -> np.ndarray:
    """One pixel after the other, as the rule is written."""
    mirror, top, left = choice
    y = np.empty((len(x), crop, crop), np.float32)
    for c in range(len(x)):
        for i in range(crop):
            for j in range(crop):
                target = crop - 1 - j if mirror else j
                difference = np.float32(x[c, top + i, left + j]) - np.float32(mean[c, top + i, left + j])
                y[c, i, target] = difference * np.float32(scale)
    return y


def test_mean_file_with_crop_and_mirror(tmp_path: Path) -> None:
    x = pictures(count=20)
    mean = pictures(count=21, dtype=np.float32)[20] + np.float32(0.25)
    write_mean(tmp_path / "mean.binaryproto", mean)
    text = f'crop_size: 3 mirror: true scale: 0.1 mean_file: "{(tmp_path / "mean.binaryproto").as_posix()}"'
    got = run(transformer(text), x)
    choices = [(m, r, c) for m in range(2) for r in range(3) for c in range(5)]
    used = set()
    for image, y in zip(x, got, strict=True):
        matching = [choice for choice in choices if np.array_equal(by_hand(image, mean, choice, 3, 0.1), y)]
        assert len(matching) == 1
        used.update(matching)
    assert len(used) > 10


def test_the_mean_image_is_looked_for_beside_the_prototxt(tmp_path: Path) -> None:
    write_mean(tmp_path / "mean.binaryproto", np.full((1, 2, 2), 3.0))
    param = parse('mean_file: "mean.binaryproto"', schema.TransformationParameter)
    transform = Transformer(param, TEST, np.random.Generator(np.random.PCG64(0)), tmp_path)
    np.testing.assert_array_equal(run(transform, np.full((1, 1, 2, 2), 5, np.uint8)), np.full((1, 1, 2, 2), 2))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 999), st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_the_same_seed_gives_the_same_items_however_they_are_batched(seed: int, batches: list[int]) -> None:
    x = pictures(count=sum(batches))
    whole = run(transformer("crop_size: 3 mirror: true", seed=seed), x)
    transform = transformer("crop_size: 3 mirror: true", seed=seed)
    parts = np.split(x, np.cumsum(batches)[:-1])
    np.testing.assert_array_equal(np.concatenate([run(transform, part) for part in parts]), whole)


def test_another_seed_gives_others() -> None:
    x = pictures(count=20)
    a, b = (run(transformer("crop_size: 3 mirror: true", seed=seed), x) for seed in (1, 2))
    assert not np.array_equal(a, b)


def test_the_state_continues_exactly() -> None:
    x = pictures(count=9)
    transform = transformer("crop_size: 2 mirror: true")
    run(transform, x)
    state = json.loads(json.dumps(transform.get_state()))
    expected = run(transform, x)
    other = transformer("crop_size: 2 mirror: true", seed=77)
    other.set_state(state)
    np.testing.assert_array_equal(run(other, x), expected)


def test_images_of_several_sizes_fit_into_a_batch_when_they_are_cropped() -> None:
    images = [pictures(1, 3, 5, 7)[0], pictures(1, 3, 9, 4)[0]]
    out = np.empty((2, 3, 4, 4), np.float32)
    transformer("crop_size: 4", TEST)(images, out)
    np.testing.assert_array_equal(out[0], images[0][:, 0:4, 1:5])
    np.testing.assert_array_equal(out[1], images[1][:, 2:6, 0:4])
    with pytest.raises(DataError, match=r"b has shape \(3, 9, 4\), which does not fit into a batch of \(3, 5, 7\)"):
        transformer()(images, np.empty((2, 3, 5, 7), np.float32), ["a", "b"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('mean_file: "m" mean_value: 1', "both mean_file and mean_value"),
        ("force_color: true force_gray: true", "both force_color and force_gray"),
        ("crop_h: 3", "transform_param.crop_h belongs to a fork"),
        ('mean_file: "no/such.binaryproto"', r"transform_param\.mean_file 'no/such\.binaryproto' does not exist"),
    ],
)
def test_parameters_that_cannot_be(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        transformer(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("crop_size: 6", "the image is 5 x 7: too small for transform_param.crop_size 6"),
        ("mean_value: 1 mean_value: 2", "3 channels but there are 2 mean_value: give 1 or 3"),
    ],
)
def test_images_that_cannot_be(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        run(transformer(text), pictures())


def test_a_mean_image_of_another_size(tmp_path: Path) -> None:
    write_mean(tmp_path / "mean", np.zeros((3, 3, 3)))
    with pytest.raises(DataError, match=r"has shape \(3, 5, 7\) but the mean in mean_file has \(3, 3, 3\)"):
        run(transformer(f'crop_size: 3 mean_file: "{(tmp_path / "mean").as_posix()}"'), pictures())


def test_a_mean_file_that_holds_something_else(tmp_path: Path) -> None:
    blob = schema.BlobProto(data=[1.0, 2.0])
    blob.shape.dim.append(2)
    (tmp_path / "mean").write_bytes(blob.SerializeToString())
    with pytest.raises(DataError, match=r"a mean image has the shape \(1, C, H, W\), this blob has \(2,\)"):
        read_mean(tmp_path / "mean")


def test_forced_colours_are_passed_on() -> None:
    assert transformer().color is None
    assert transformer("force_color: true").color is True
    assert transformer("force_gray: true").color is False


def test_mean_file_bytes_are_those_caffe_writes(tmp_path: Path) -> None:
    mean = np.arange(4, dtype=np.float32).reshape(1, 2, 2)
    packed = b"".join([b"\x08\x01\x10\x01\x18\x02\x20\x02", b"\x2a\x10", struct.pack("<4f", *mean.ravel())])
    (tmp_path / "mean").write_bytes(packed)
    np.testing.assert_array_equal(read_mean(tmp_path / "mean"), mean)
