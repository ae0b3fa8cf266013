"""Images: decoding, resizing and encoding, and that OpenCV and Pillow agree on them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe.data import images
from minicaffe.errors import DataError, MissingDependencyError


@pytest.fixture(params=["cv2", "pillow"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each of the two libraries in turn, as if the other were not installed."""
    if request.param == "cv2":
        pytest.importorskip("cv2")
    else:
        pytest.importorskip("PIL")
        monkeypatch.setattr(images, "_cv2", lambda: None)
    yield request.param


def smooth(height: int = 30, width: int = 40) -> np.ndarray:
    """A picture without noise, which JPEG keeps nearly as it is, with more blue than green than red."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    planes = [150 + 60 * np.sin(x / 9), 100 + 50 * np.cos(y / 8), 50 + 30 * np.sin((x + y) / 11)]
    return np.stack(planes, axis=2).astype(np.uint8)


def test_png_is_lossless_and_bgr(library: str) -> None:
    image = smooth()
    content = images.encode(image, "png")
    np.testing.assert_array_equal(images.decode(content), image)
    np.testing.assert_array_equal(images.decode(content, None), image)
    assert images.decode(content)[..., 0].mean() > images.decode(content)[..., 2].mean()


def test_jpeg_is_close(library: str) -> None:
    image = smooth()
    assert np.abs(images.decode(images.encode(image)).astype(int) - image).max() <= 12


def test_grey_from_colour_weighs_as_luminance(library: str) -> None:
    image = smooth()
    grey = images.decode(images.encode(image, "png"), False)
    assert grey.shape == (30, 40)
    np.testing.assert_allclose(grey, image @ [0.114, 0.587, 0.299], atol=1.01)


def test_colour_from_grey_repeats_it(library: str) -> None:
    grey = smooth()[..., 0]
    content = images.encode(grey, "png")
    np.testing.assert_array_equal(images.decode(content, True), np.stack([grey] * 3, axis=2))
    np.testing.assert_array_equal(images.decode(content, None), grey)


def test_alpha_is_kept_only_as_stored(library: str) -> None:
    image = np.dstack([smooth(), np.full((30, 40), 9, np.uint8)])
    content = images.encode(image, "png")
    np.testing.assert_array_equal(images.decode(content), image[..., :3])
    np.testing.assert_array_equal(images.decode(content, None), image)


def test_the_two_libraries_decode_a_jpeg_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2")
    pytest.importorskip("PIL")
    content = images.encode(smooth())
    with_cv2 = [images.decode(content, color) for color in (True, False, None)]
    monkeypatch.setattr(images, "_cv2", lambda: None)
    for ours, theirs in zip((images.decode(content, color) for color in (True, False, None)), with_cv2, strict=True):
        assert np.abs(ours.astype(int) - theirs).max() <= 2


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n broken"])
def test_what_is_no_image(library: str, content: bytes) -> None:
    with pytest.raises(DataError, match="the one cannot be decoded"):
        images.decode(content, name="the one")


def test_reading_names_the_file(library: str, tmp_path: Path) -> None:
    (tmp_path / "a b.png").write_bytes(images.encode(smooth(), "png"))
    np.testing.assert_array_equal(images.read(tmp_path / "a b.png"), smooth())
    with pytest.raises(DataError, match=r"image '.*c\.png' cannot be read: No such file"):
        images.read(tmp_path / "c.png")


def test_unknown_format(library: str) -> None:
    with pytest.raises(DataError, match="as 'xyz': try 'jpg' or 'png'"):
        images.encode(smooth(), "xyz")


def test_without_either_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(images, "_cv2", lambda: None)
    monkeypatch.setattr(images, "_pillow", images._pillow.__wrapped__)
    monkeypatch.setattr(images.importlib, "import_module", missing)
    with pytest.raises(MissingDependencyError, match=r"minicaffe\[data\]"):
        images.decode(b"anything")


def test_planes_come_first() -> None:
    image = smooth()
    assert images.planes(image).shape == (3, 30, 40)
    assert images.planes(image[..., 0]).shape == (1, 30, 40)
    np.testing.assert_array_equal(images.planes(image)[2], image[..., 2])


# -- resizing ---------------------------------------------------------------------------------------------------------


def test_resizing_by_hand() -> None:
    row = np.array([[0, 100, 200, 40]], np.uint8)
    # centres of the two new pixels lie between the old ones; of the eight, at -0.25, 0.25, 0.75, ...
    np.testing.assert_array_equal(images.resize_linear(row, 1, 2), [[50, 120]])
    np.testing.assert_array_equal(images.resize_linear(row, 1, 8), [[0, 25, 75, 125, 175, 160, 80, 40]])
    np.testing.assert_array_equal(images.resize_linear(row.T, 2, 1), [[50], [120]])


def test_floats_are_not_rounded() -> None:
    x = np.array([[0.0, 1.0]], np.float32)
    np.testing.assert_allclose(images.resize_linear(x, 1, 4), [[0, 0.25, 0.75, 1]], atol=1e-7)


def test_resizing_keeps_the_kind_of_image(library: str) -> None:
    image = smooth()
    assert images.resize(image, 30, 40) is image
    assert images.resize(image, 7, 9).shape == (7, 9, 3)
    assert images.resize(image[..., :1], 7, 9).shape == (7, 9, 1)
    assert images.resize(image[..., 0], 7, 9).shape == (7, 9)
    assert images.resize(image, 7, 9).dtype == np.uint8


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), *[st.integers(1, 24)] * 4)
def test_our_resizing_agrees_with_opencv(seed: int, height: int, width: int, new_height: int, new_width: int) -> None:
    cv2 = pytest.importorskip("cv2")
    image = np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (height, width, 3), np.uint8)
    theirs = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    assert np.abs(images.resize_linear(image, new_height, new_width).astype(int) - theirs).max() <= 1


def test_a_lie_about_the_size_is_a_data_error(library: str) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(DataError, match="image 'huge' cannot be decoded"):
        images.decode(png, True, "image 'huge'")
