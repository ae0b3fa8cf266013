"""Datum: images and floats, raw and encoded."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe.data import images
from minicaffe.data.datum import datum_planes, encoded_datum, image_datum, parse_datum
from minicaffe.errors import DataError
from minicaffe.proto import schema

IMAGE = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (4, 6, 3), np.uint8)


def test_a_raw_image_is_stored_as_planes() -> None:
    datum = parse_datum(image_datum(IMAGE, 7).SerializeToString())
    assert (datum.channels, datum.height, datum.width, datum.label, datum.encoded) == (3, 4, 6, 7, False)
    assert datum.data[:6] == IMAGE[0, :, 0].tobytes()
    planes = datum_planes(datum)
    assert planes.dtype == np.uint8
    np.testing.assert_array_equal(planes, IMAGE.transpose(2, 0, 1))


def test_a_grey_image_has_one_plane() -> None:
    np.testing.assert_array_equal(datum_planes(image_datum(IMAGE[..., 1])), IMAGE[..., 1][None])


def test_floats() -> None:
    datum = schema.Datum(channels=2, height=1, width=2, float_data=[0.5, -1, 2, 3])
    planes = datum_planes(datum)
    assert planes.dtype == np.float32
    np.testing.assert_array_equal(planes, [[[0.5, -1]], [[2, 3]]])


@pytest.mark.parametrize(("color", "channels"), [(None, 3), (True, 3), (False, 1)])
def test_an_encoded_image_is_decoded_as_wanted(color: bool | None, channels: int) -> None:
    datum = encoded_datum(images.encode(IMAGE, "png"), 3)
    assert (datum.encoded, datum.label) == (True, 3)
    planes = datum_planes(datum, color)
    assert planes.shape == (channels, 4, 6)
    if channels == 3:
        np.testing.assert_array_equal(planes, IMAGE.transpose(2, 0, 1))


def test_colour_does_not_touch_raw_images() -> None:
    assert datum_planes(image_datum(IMAGE), color=False).shape == (3, 4, 6)


def test_what_is_no_datum() -> None:
    with pytest.raises(DataError, match="db: item 'x': 3 bytes that are not a Datum"):
        parse_datum(b"\xff\xff\xff", "db: item 'x'")


@pytest.mark.parametrize(
    ("datum", "message"),
    [
        (schema.Datum(channels=3, height=2, width=2, data=b"abc"), r"holds 3 numbers, but .* are \(3, 2, 2\)"),
        (schema.Datum(), r"holds 0 numbers"),
        (schema.Datum(encoded=True, data=b"abc"), "the encoded image cannot be decoded"),
        (
            encoded_datum(images.encode(np.full((2, 2), 40000, np.uint16), "png")),
            "the encoded image has 16 bits a channel",
        ),
    ],
)
def test_what_does_not_fit(datum: object, message: str) -> None:
    with pytest.raises(DataError, match=f"it: {message}"):
        datum_planes(datum, name="it")
