"""Images in and out, and arrays in messages, against what scikit-image and pycaffe make of the same things."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from minicaffe import io
from minicaffe.errors import DataError, Error
from minicaffe.proto import schema


def test_importing_loads_no_optional_package():
    code = (
        "import sys, minicaffe.io, minicaffe.net_spec, minicaffe.coord_map, minicaffe.compat.caffe; "
        "print(sorted({'PIL', 'cv2', 'scipy', 'numba', 'h5py', 'lmdb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SQUARES = np.array([[0, 1, 4], [9, 16, 25]], np.float32)[:, :, np.newaxis]
COLOURS = ((np.arange(36) * 7) % 23).astype(np.float32).reshape(3, 4, 3)


def images(channels=3, least=2):
    sides = st.integers(least, 6)
    shapes = st.tuples(sides, sides, st.just(channels))
    return shapes.flatmap(lambda shape: arrays.arrays(np.float32, shape, elements=st.floats(0, 1, width=32)))


class TestResize:
    @pytest.mark.parametrize(
        ("size", "expected"),
        [
            ((4, 3), [[0, 0.75, 3], [2.25, 4.75, 9.25], [6.75, 12.25, 19.75], [6.75, 12, 18.75]]),
            ((1, 2), [[5.5, 13]]),
            (
                (3, 5),
                [[0, 1 / 3, 5 / 6, 7 / 3, 8 / 3], [3.6, 6.1, 8.5, 12.1, 11.6], [6, 59 / 6, 40 / 3, 107 / 6, 50 / 3]],
            ),
        ],
    )
    def test_gray_agrees_with_scikit_image(self, size, expected):
        resized = io.resize_image(SQUARES, size)
        assert resized.dtype == np.float32
        np.testing.assert_allclose(resized[:, :, 0], expected, rtol=1e-6)

    def test_colour_agrees_with_scikit_image(self):
        first = [[3.375, 14.425, 18, 16.4, 13.5], [8.1, 7.6, 6, 4.4, 2.7]]
        last = [[10.8, 10.6, 9, 7.4, 5.4], [15.525, 15.85, 14.25, 12.65, 10.125]]
        resized = io.resize_image(COLOURS, (2, 5))
        np.testing.assert_allclose(resized[:, :, 0], first, rtol=1e-6)
        np.testing.assert_allclose(resized[:, :, 2], last, rtol=1e-6)

    def test_other_orders_agree_with_scikit_image(self):
        cubic = [[10.40953836, 10.48307034, 7.46948155, 6.44878183, 4.20075879]]
        np.testing.assert_allclose(io.resize_image(COLOURS, (2, 5), 3)[:1, :, 1], cubic, rtol=1e-6)
        nearest = [[5, 1], [5, 1], [20, 16], [12, 8], [12, 8]]
        np.testing.assert_allclose(io.resize_image(COLOURS, (5, 2), 0)[:, :, 1], nearest, rtol=1e-6)

    @settings(deadline=None, max_examples=20)
    @given(images(), st.integers(1, 9), st.integers(1, 9))
    def test_agrees_with_scikit_image_where_that_is_installed(self, image, height, width):
        transform = pytest.importorskip("skimage.transform")
        low, high = image.min(), image.max()
        if not high > low:
            return
        unit = (image.astype(np.float64) - low) / (high - low)
        theirs = transform.resize(unit, (height, width), order=1, mode="constant", anti_aliasing=False)
        np.testing.assert_allclose(io.resize_image(image, (height, width)), theirs * (high - low) + low, atol=1e-6)

    def test_constant_image_stays_constant_up_to_the_border(self):
        resized = io.resize_image(np.full((3, 4, 3), 7, np.uint8), (9, 10))
        assert resized.shape == (9, 10, 3)
        assert np.all(resized == 7)

    def test_other_channel_counts_keep_corners_in_corners(self):
        ramp = np.arange(3, dtype=np.float32)[:, np.newaxis, np.newaxis] * np.ones((3, 3, 2), np.float32)
        resized = io.resize_image(ramp, (5, 3))
        np.testing.assert_allclose(resized[:, 0, 1], [0, 0.5, 1, 1.5, 2], atol=1e-6)
        assert resized.dtype == np.float32

    def test_same_size_gives_the_same_image(self):
        np.testing.assert_allclose(io.resize_image(COLOURS, (3, 4)), COLOURS, atol=1e-5)

    def test_gray_matrix_is_refused_with_advice(self):
        with pytest.raises(ValueError, match=r"H x W x K, not \(2, 3\).*im\[:, :, None\]"):
            io.resize_image(np.zeros((2, 3)), (4, 4))


class TestOversample:
    def test_ten_crops_in_order(self):
        image = np.arange(4 * 5, dtype=np.float32).reshape(4, 5, 1)
        crops = io.oversample([image], (2, 2))[:, :, :, 0]
        corners = [[[0, 1], [5, 6]], [[3, 4], [8, 9]], [[10, 11], [15, 16]], [[13, 14], [18, 19]], [[6, 7], [11, 12]]]
        np.testing.assert_array_equal(crops[:5], corners)
        np.testing.assert_array_equal(crops[5:], np.array(corners)[:, :, ::-1])

    def test_images_follow_each_other(self):
        first, second = np.zeros((4, 4, 3)), np.ones((4, 4, 3))
        crops = io.oversample([first, second], (3, 3))
        assert crops.shape == (20, 3, 3, 3)
        assert crops.dtype == np.float32
        assert not crops[:10].any()
        assert crops[10:].all()

    def test_generator_of_images(self):
        assert io.oversample((np.zeros((3, 3, 1)) for _ in range(2)), np.array([3, 3])).shape == (20, 3, 3, 1)

    def test_crop_larger_than_image(self):
        with pytest.raises(io.ArrayError, match=r"cannot give crops of 5 x 2"):
            io.oversample([np.zeros((4, 4, 3))], (5, 2))


class TestLoadImage:
    def save(self, folder, pixels, name="image.png", mode=None):
        from PIL import Image

        image = Image.fromarray(pixels)
        path = folder / name
        (image.convert(mode) if mode else image).save(path)
        return path

    def test_colour_is_rgb_in_unit_range(self, tmp_path):
        pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
        image = io.load_image(self.save(tmp_path, pixels))
        assert image.dtype == np.float32
        np.testing.assert_allclose(image, pixels / 255, atol=1e-7)

    def test_gray_is_repeated(self, tmp_path):
        pixels = np.random.default_rng(1).integers(0, 256, (5, 4), np.uint8)
        image = io.load_image(self.save(tmp_path, pixels))
        assert image.shape == (5, 4, 3)
        for channel in range(3):
            np.testing.assert_allclose(image[:, :, channel], pixels / 255, atol=1e-7)
        image[0, 0, 0] = 2  # the caller may write
        assert image[0, 0, 1] != 2

    def test_alpha_is_dropped(self, tmp_path):
        pixels = np.random.default_rng(2).integers(0, 256, (3, 3, 4), np.uint8)
        np.testing.assert_allclose(io.load_image(self.save(tmp_path, pixels)), pixels[:, :, :3] / 255, atol=1e-7)

    def test_not_colour(self, tmp_path):
        path = self.save(tmp_path, np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8))
        np.testing.assert_allclose(io.load_image(path, color=False)[:, :, 0], [[0.2125, 0.7154, 0.0721]], rtol=1e-6)
        gray = self.save(tmp_path, np.array([[0, 51]], np.uint8), "gray.png")
        np.testing.assert_allclose(io.load_image(gray, color=False), [[[0], [0.2]]], rtol=1e-6)

    def test_sixteen_bits(self, tmp_path):
        path = self.save(tmp_path, np.array([[0, 65535, 13107]], np.uint16))
        np.testing.assert_allclose(io.load_image(path, color=False)[0, :, 0], [0, 1, 0.2], rtol=1e-6)

    def test_palette_and_bilevel(self, tmp_path):
        pixels = np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)
        path = self.save(tmp_path, pixels, "palette.png", "P")
        np.testing.assert_allclose(io.load_image(path), pixels / 255)
        path = self.save(tmp_path, np.array([[0, 255]], np.uint8), "bilevel.png", "1")
        np.testing.assert_array_equal(io.load_image(path)[:, :, 2], [[0, 1]])

    def test_real_numbers_stay(self, tmp_path):
        path = self.save(tmp_path, np.array([[0.25, -3]], np.float32), "real.tiff")
        np.testing.assert_array_equal(io.load_image(path, color=False)[:, :, 0], [[0.25, -3]])

    @pytest.mark.parametrize("content", [None, b"not an image"])
    def test_unreadable(self, tmp_path, content):
        path = tmp_path / "image.jpg"
        if content:
            path.write_bytes(content)
        with pytest.raises(DataError, match=r"image\.jpg: not a readable image"):
            io.load_image(path)


class TestTransformer:
    SHAPE = (10, 3, 4, 5)

    def transformer(self):
        transformer = io.Transformer({"data": self.SHAPE})
        transformer.set_transpose("data", (2, 0, 1))
        transformer.set_channel_swap("data", (2, 1, 0))
        transformer.set_raw_scale("data", 255.0)
        transformer.set_mean("data", np.array([104, 117, 123]))
        transformer.set_input_scale("data", 0.5)
        return transformer

    def test_preprocess_is_the_formula(self):
        image = np.random.default_rng(0).random((4, 5, 3)).astype(np.float32)
        before = image.copy()
        data = self.transformer().preprocess("data", image)
        expected = (image.transpose(2, 0, 1)[::-1] * 255 - np.array([104, 117, 123]).reshape(3, 1, 1)) * 0.5
        np.testing.assert_allclose(data, expected, rtol=1e-5, atol=1e-4)
        assert data.dtype == np.float32
        np.testing.assert_array_equal(image, before)

    def test_preprocess_resizes(self):
        image = np.random.default_rng(0).random((9, 7, 3))
        transformer = io.Transformer({"data": self.SHAPE})
        transformer.set_transpose("data", (2, 0, 1))
        expected = io.resize_image(image.astype(np.float32), (4, 5)).transpose(2, 0, 1)
        np.testing.assert_array_equal(transformer.preprocess("data", image), expected)

    @settings(deadline=None, max_examples=20)
    @given(arrays.arrays(np.float32, (4, 5, 3), elements=st.floats(0, 1, width=32)))
    def test_deprocess_inverts(self, image):
        transformer = self.transformer()
        data = transformer.preprocess("data", image)
        np.testing.assert_allclose(transformer.deprocess("data", data), image, atol=1e-6)
        np.testing.assert_array_equal(
            transformer.deprocess("data", data[np.newaxis]), transformer.deprocess("data", data)
        )

    def test_deprocess_of_one_channel_keeps_it(self):
        transformer = io.Transformer({"data": (1, 1, 2, 2)})
        transformer.set_transpose("data", (2, 0, 1))
        assert transformer.deprocess("data", np.zeros((1, 1, 2, 2))).shape == (2, 2, 1)

    def test_untouched_without_settings(self):
        image = np.random.default_rng(0).random((4, 5, 3)).astype(np.float32)
        transformer = io.Transformer({"data": self.SHAPE})
        np.testing.assert_array_equal(transformer.preprocess("data", image), image)
        np.testing.assert_array_equal(transformer.deprocess("data", image), image)

    def test_mean_image(self):
        mean = np.random.default_rng(0).random((3, 4, 5))
        transformer = io.Transformer({"data": self.SHAPE})
        transformer.set_transpose("data", (2, 0, 1))
        transformer.set_mean("data", mean)
        np.testing.assert_allclose(transformer.preprocess("data", np.zeros((4, 5, 3))), -mean, rtol=1e-6)

    def test_mean_image_of_another_size_is_resized(self):
        mean = np.random.default_rng(0).random((3, 8, 10)) * 255
        transformer = io.Transformer({"data": self.SHAPE})
        transformer.set_mean("data", mean)
        expected = io.resize_image(mean.transpose(1, 2, 0), (4, 5)).transpose(2, 0, 1)
        np.testing.assert_array_equal(transformer.mean["data"], expected)

    def test_mean_matrix_for_one_channel(self):
        transformer = io.Transformer({"data": (1, 1, 2, 2)})
        transformer.set_mean("data", np.eye(2))
        assert transformer.mean["data"].shape == (1, 2, 2)

    @pytest.mark.parametrize("shape", [(2,), (1, 4, 5), (4, 5), (1, 3, 4, 5), ()])
    def test_mean_that_does_not_fit(self, shape):
        with pytest.raises(ValueError, match=r"mean of 'data' has shape .*expected 3 channels"):
            io.Transformer({"data": self.SHAPE}).set_mean("data", np.zeros(shape))

    def test_orders_that_do_not_fit(self):
        transformer = io.Transformer({"data": self.SHAPE})
        with pytest.raises(Error, match="order of 3 axes"):
            transformer.set_transpose("data", (1, 0))
        with pytest.raises(Error, match="order of its 3 channels"):
            transformer.set_channel_swap("data", (1, 0))

    def test_unknown_input(self):
        transformer = io.Transformer({"data": self.SHAPE})
        message = r"'daat' is not one of the net inputs: data \(did you mean 'data'\?\)"
        for call in (transformer.preprocess, transformer.deprocess, transformer.set_mean, transformer.set_raw_scale):
            with pytest.raises(Error, match=message):
                call("daat", np.zeros((4, 5, 3)))
        with pytest.raises(Error, match=message):
            transformer.set_input_scale("daat", 1)


class TestBlobProto:
    def test_legacy_dimensions(self):
        blob = schema.BlobProto(data=np.arange(100.0).tolist(), num=1, channels=1, height=10, width=10)
        array = io.blobproto_to_array(blob)
        assert array.shape == (1, 1, 10, 10)
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array.ravel(), np.arange(100))

    def test_legacy_dimensions_go_before_shape(self):
        blob = schema.BlobProto(data=range(6), num=1, channels=2, height=3, width=1, shape={"dim": [6]})
        assert io.blobproto_to_array(blob).shape == (1, 2, 3, 1)

    def test_shape(self):
        blob = schema.BlobProto(data=np.zeros(100).tolist(), shape={"dim": [10, 10]})
        assert io.blobproto_to_array(blob).shape == (10, 10)

    def test_no_shape(self):
        blob = schema.BlobProto(data=np.zeros(100).tolist())
        with pytest.raises(ValueError, match="100 numbers and no shape"):
            io.blobproto_to_array(blob)

    def test_scalar(self):
        array = io.blobproto_to_array(schema.BlobProto(data=[123]))
        assert array.shape == ()
        assert array == 123

    def test_double_data(self):
        blob = schema.BlobProto(double_data=[0.1, 0.2], shape={"dim": [2]})
        array = io.blobproto_to_array(blob)
        assert array.dtype == np.float64
        np.testing.assert_array_equal(array, [0.1, 0.2])

    def test_sizes_that_do_not_agree(self):
        with pytest.raises(ValueError, match="3 are stored"):
            io.blobproto_to_array(schema.BlobProto(data=[1, 2, 3], shape={"dim": [2, 2]}))
        with pytest.raises(ValueError, match="no diff"):
            io.blobproto_to_array(schema.BlobProto(data=[1], shape={"dim": [1]}), return_diff=True)

    def test_half_precision_of_nvidias_fork(self):
        values = np.array([0.5, -2], np.float16)
        blob = schema.BlobProto(raw_data=values.tobytes(), raw_data_type=schema.FLOAT16, shape={"dim": [2]})
        np.testing.assert_array_equal(io.blobproto_to_array(blob), values)

    def test_numbers_go_into_data_whatever_their_type(self):
        blob = io.array_to_blobproto(np.array([[1.5], [2]], np.float64), diff=[[1], [2]])
        assert (list(blob.data), list(blob.diff), list(blob.shape.dim)) == ([1.5, 2], [1, 2], [2, 1])
        assert not blob.double_data

    def test_may_be_written(self):
        io.blobproto_to_array(io.array_to_blobproto(np.zeros(3)))[0] = 1

    def test_diff(self):
        blob = io.array_to_blobproto(np.ones((2, 3)), diff=np.arange(6).reshape(2, 3))
        np.testing.assert_array_equal(io.blobproto_to_array(blob, return_diff=True), np.arange(6).reshape(2, 3))

    @settings(deadline=None, max_examples=30)
    @given(arrays.arrays(np.float32, arrays.array_shapes(min_dims=0, max_dims=5, max_side=4)))
    def test_round_trip(self, array):
        blob = schema.BlobProto.FromString(io.array_to_blobproto(array).SerializeToString())
        np.testing.assert_array_equal(io.blobproto_to_array(blob), array)

    def test_vector_round_trip(self):
        rng = np.random.default_rng(0)
        arrays_in = [rng.standard_normal((2, 3)).astype(np.float32), rng.standard_normal(4).astype(np.float32)]
        string = io.arraylist_to_blobprotovector_str(arrays_in)
        assert isinstance(string, bytes)
        arrays_out = io.blobprotovector_str_to_arraylist(string)
        assert len(arrays_out) == 2
        for given_in, got in zip(arrays_in, arrays_out, strict=True):
            np.testing.assert_array_equal(got, given_in)


class TestDatum:
    def test_bytes(self):
        array = np.random.default_rng(0).integers(0, 256, (3, 2, 4), np.uint8)
        datum = io.array_to_datum(array, label=7)
        assert (datum.channels, datum.height, datum.width, datum.label) == (3, 2, 4, 7)
        assert datum.data == array.tobytes()
        back = io.datum_to_array(datum)
        assert back.dtype == np.uint8
        np.testing.assert_array_equal(back, array)
        back[0] = 0  # the caller may write

    def test_floats(self):
        array = np.random.default_rng(0).standard_normal((1, 2, 3)).astype(np.float32)
        datum = io.array_to_datum(array)
        assert not datum.data
        np.testing.assert_array_equal(io.datum_to_array(datum), array)

    def test_label_is_set_only_when_given(self):
        assert not io.array_to_datum(np.ones((10, 10, 3))).HasField("label")
        assert io.array_to_datum(np.ones((10, 10, 3)), label=0).HasField("label")

    @pytest.mark.parametrize("shape", [(3, 4), (1, 3, 4, 4)])
    def test_other_than_three_axes(self, shape):
        with pytest.raises(ValueError, match="C x H x W"):
            io.array_to_datum(np.zeros(shape))

    def test_size_that_does_not_fit(self):
        with pytest.raises(
            DataError, match=r"the Datum: holds 3 numbers, but channels, height and width are \(1, 2, 2\)"
        ):
            io.datum_to_array(schema.Datum(channels=1, height=2, width=2, data=b"abc"))

    def test_encoded_image_is_decoded_to_bgr(self):
        from PIL import Image

        pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 3), np.uint8)
        file = BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        planes = io.datum_to_array(schema.Datum(encoded=True, data=file.getvalue()))
        np.testing.assert_array_equal(planes, pixels.transpose(2, 0, 1)[::-1])

    def test_encoded_image_that_is_none(self):
        with pytest.raises(DataError, match="the Datum: the encoded image"):
            io.datum_to_array(schema.Datum(encoded=True, data=b"\x89PNG"))
