"""Classifier: resizing, crops and their mean, against scores worked out by hand from a net that only averages."""

from __future__ import annotations

import numpy as np
import pytest

import minicaffe as caffe
from minicaffe import io

# the score of a class is its weight times the mean of one channel over the crop
PROTOTXT = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 3 dim: 4 dim: 6 } } }
layer { name: "mean" type: "Reduction" bottom: "data" top: "mean" reduction_param { operation: MEAN axis: 2 } }
layer { name: "score" type: "Scale" bottom: "mean" top: "score" }
"""

W = np.array([1, 2, -3])


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(PROTOTXT)
    return str(path)


@pytest.fixture
def weights(model, tmp_path):
    net = caffe.Net(model, caffe.TEST)
    net.params["score"][0].data[...] = W
    path = str(tmp_path / "net.caffemodel")
    net.save(path)
    return path


def images(count=3, shape=(8, 10, 3)):
    return np.random.default_rng(0).random((count, *shape)).astype(np.float32)


def test_scores_are_the_mean_over_ten_crops(model, weights):
    classifier = caffe.Classifier(model, weights, image_dims=(8, 10))
    scores = classifier.predict(images())
    expected = [io.oversample([image], (4, 6)).mean(axis=(0, 1, 2)) * W for image in images()]
    assert scores.shape == (3, 3)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_centre_crop(model, weights):
    classifier = caffe.Classifier(model, weights, image_dims=(8, 10))
    scores = classifier.predict(images(), oversample=False)
    expected = images()[:, 2:6, 2:8].mean(axis=(1, 2)) * W
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_images_of_any_size_are_resized(model, weights):
    inputs = [images(1, (5, 7, 3))[0], images(1, (9, 4, 3))[0]]
    classifier = caffe.Classifier(model, weights)
    assert tuple(classifier.image_dims) == (4, 6)
    expected = [io.resize_image(image, (4, 6)).mean(axis=(0, 1)) * W for image in inputs]
    np.testing.assert_allclose(classifier.predict(inputs, oversample=False), expected, rtol=1e-4, atol=1e-5)


def test_preprocessing(model, weights):
    classifier = caffe.Classifier(
        model, weights, mean=np.array([104.0, 117, 123]), raw_scale=255, input_scale=0.5, channel_swap=(2, 1, 0)
    )
    image = images(1, (4, 6, 3))
    channels = (image[0, :, :, ::-1].mean(axis=(0, 1)) * 255 - [104, 117, 123]) * 0.5
    np.testing.assert_allclose(classifier.predict(image, oversample=False), [W * channels], rtol=1e-4, atol=1e-3)


def test_is_a_net_in_phase_test(model, weights):
    classifier = caffe.Classifier(model, weights)
    assert isinstance(classifier, caffe.Net)
    assert classifier.phase == caffe.TEST
    np.testing.assert_array_equal(classifier.params["score"][0].data, W)


def test_image_dims_smaller_than_the_input(model, weights):
    classifier = caffe.Classifier(model, weights, image_dims=(3, 8))
    with pytest.raises(ValueError, match=r"image_dims of 3 x 8 are smaller than the net's input of 4 x 6"):
        classifier.predict(images(), oversample=False)
    with pytest.raises(ValueError, match="cannot give crops of 4 x 6"):
        classifier.predict(images())
