"""Detector: windows, their context, and the mean outside the image."""

from __future__ import annotations

import numpy as np
import pytest

import minicaffe as caffe
from minicaffe import io
from minicaffe.errors import DataError

# the score of a window is the mean of each channel of what the net sees
PROTOTXT = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }
layer { name: "mean" type: "Reduction" bottom: "data" top: "mean" reduction_param { operation: MEAN axis: 2 } }
"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(PROTOTXT)
    return str(path)


@pytest.fixture
def picture(tmp_path):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    path = tmp_path / "picture.png"
    Image.fromarray(pixels).save(path)
    return str(path)


def test_windows_are_scored_in_order(model, picture):
    detector = caffe.Detector(model, None)
    image = io.load_image(picture)
    windows = [(0, 0, 10, 12), (5, 6, 13, 14), (2, 3, 20, 30)]
    found = detector.detect_windows([(picture, windows[:2]), (picture, windows[2:])])
    assert [detection["window"] for detection in found] == windows
    for detection, (top, left, bottom, right) in zip(found, windows, strict=True):
        assert detection["filename"] == picture
        seen = io.resize_image(image[top:bottom, left:right], (8, 8))
        np.testing.assert_allclose(detection["prediction"], seen.mean(axis=(0, 1)), rtol=1e-4)


def test_windows_as_an_array(model, picture):
    found = caffe.Detector(model, None).detect_windows([(picture, np.array([[0, 0, 4, 4], [1, 2, 9, 9]]))])
    np.testing.assert_array_equal(found[1]["window"], [1, 2, 9, 9])


def test_no_windows(model, picture):
    assert caffe.Detector(model, None).detect_windows([(picture, [])]) == []


class TestContext:
    """2 of the input's 8 pixels on every side for context: a window of 4 x 4 is seen with as many again around it."""

    IMAGE = np.random.default_rng(1).random((20, 30, 3)).astype(np.float32)

    def detector(self, model, **more):
        return caffe.Detector(model, None, context_pad=2, **more)

    def test_window_inside_the_image(self, model):
        # rows 8 to 11: the centre is at 10, half the height is 2, with context 4
        crop = self.detector(model).crop(self.IMAGE, (8, 10, 11, 13))
        np.testing.assert_allclose(crop, self.IMAGE[6:14, 8:16], atol=1e-5)

    def test_window_is_scaled_to_the_input(self, model):
        # rows 4 to 11: the centre is at 8, half the height is 4, with context 8
        crop = self.detector(model).crop(self.IMAGE, (4, 6, 11, 13))
        np.testing.assert_allclose(crop, io.resize_image(self.IMAGE[0:16, 2:18], (8, 8)), atol=1e-5)

    def test_outside_is_the_mean_in_image_space(self, model):
        detector = self.detector(model, mean=np.array([10.0, 20, 30]), raw_scale=100, channel_swap=(2, 1, 0))
        crop = detector.crop(self.IMAGE, (0, 0, 3, 3))  # its context begins 2 pixels above and left of the image
        mean = np.broadcast_to(np.float32([0.3, 0.2, 0.1]), crop.shape)
        np.testing.assert_allclose(crop[:2], mean[:2], rtol=1e-6)
        np.testing.assert_allclose(crop[:, :2], mean[:, :2], rtol=1e-6)
        np.testing.assert_allclose(crop[2:, 2:], self.IMAGE[:6, :6], atol=1e-5)
        seen = detector.transformer.preprocess("data", crop)
        np.testing.assert_allclose(seen[:, 0, 0], 0, atol=1e-4)

    def test_beyond_the_other_border(self, model):
        crop = self.detector(model).crop(self.IMAGE, (16, 26, 19, 29))
        np.testing.assert_allclose(crop[:6, :6], self.IMAGE[14:, 24:], atol=1e-5)
        assert not crop[6:].any()
        assert not crop[:, 6:].any()

    def test_mean_image(self, model):
        mean = np.random.default_rng(2).random((3, 8, 8)).astype(np.float32)
        crop = self.detector(model, mean=mean).crop(self.IMAGE, (0, 0, 3, 3))
        np.testing.assert_allclose(crop[:2], mean.transpose(1, 2, 0)[:2], rtol=1e-6)

    def test_pad_can_be_changed(self, model):
        detector = self.detector(model)
        detector.configure_crop(None)
        np.testing.assert_array_equal(detector.crop(self.IMAGE, (1, 2, 5, 9)), self.IMAGE[1:5, 2:9])

    def test_too_much_context(self, model):
        with pytest.raises(DataError, match="context_pad 4 leaves nothing of the net's input of 8 x 8"):
            caffe.Detector(model, None, context_pad=4)


@pytest.mark.parametrize("pad", [None, 2])
@pytest.mark.parametrize("window", [(50, 50, 60, 60), (-40, -40, -20, -20)])
def test_window_outside_the_image(model, pad, window):
    detector = caffe.Detector(model, None, context_pad=pad)
    with pytest.raises(DataError, match=r"no pixel inside an image of 20 x 30"):
        detector.crop(np.zeros((20, 30, 3), np.float32), window)
