"""Coordinate maps of single layers, of chains, and the Crop layers made from them; the cases of pycaffe's own test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe.coord_map import (
    AxisMismatchException,
    CropError,
    UndefinedMapException,
    compose,
    coord_map,
    coord_map_from_to,
    crop,
    inverse,
)
from minicaffe.errors import NetError
from minicaffe.net_spec import NetSpec, layers

L = layers


def conv_of(data, **more):
    return L.Convolution(data, kernel_size=5, stride=2, pad=0, num_output=1, **more)


def pool_of(data, **more):
    return L.Pooling(data, kernel_size=2, stride=2, pool=0, **more)


def upsampled(data, **more):
    return L.Deconvolution(data, convolution_param={"kernel_size": 4, "stride": 2, "num_output": 1} | more)


def same(mapping, axis, scale, shift):
    assert mapping[0] == axis
    np.testing.assert_allclose(np.atleast_1d(mapping[1]), np.atleast_1d(scale), atol=1e-9)
    np.testing.assert_allclose(np.atleast_1d(mapping[2]), np.atleast_1d(shift), atol=1e-9)


class TestSingleLayers:
    @pytest.mark.parametrize(
        ("params", "scale", "shift"),
        [
            ({"kernel_size": 3}, 1, -1),
            ({"kernel_size": 3, "pad": 1}, 1, 0),
            ({"kernel_size": 2, "stride": 2}, 0.5, -0.25),
            ({"kernel_size": 3, "dilation": 2, "pad": 2}, 1, 0),
            ({"kernel_size": [3, 5], "stride": [1, 2], "pad": [1, 1]}, [1, 0.5], [0, -0.5]),
            ({"kernel_h": 3, "kernel_w": 5, "stride_h": 1, "stride_w": 2, "pad_h": 1, "pad_w": 1}, [1, 0.5], [0, -0.5]),
        ],
    )
    def test_convolution(self, params, scale, shift):
        same(coord_map(L.Convolution(L.Input(), **params).fn), 1, scale, shift)
        same(coord_map(L.Convolution(L.Input(), convolution_param=params).fn), 1, scale, shift)
        same(coord_map(L.Im2col(L.Input(), convolution_param=params).fn), 1, scale, shift)

    def test_pooling(self):
        params = {"kernel_size": 3, "stride": 2, "pad": 1}
        same(coord_map(L.Pooling(L.Input(), **params).fn), 1, 0.5, 0)
        same(coord_map(L.Pooling(L.Input(), pooling_param=params).fn), 1, 0.5, 0)

    def test_deconvolution_undoes_convolution(self):
        params = {"kernel_size": 4, "stride": 2, "pad": 1}
        forth = coord_map(L.Convolution(L.Input(), convolution_param=params).fn)
        back = coord_map(L.Deconvolution(L.Input(), convolution_param=params).fn)
        same(back, *inverse(forth))

    def test_crop(self):
        data = L.Input()
        same(coord_map(L.Crop(data, data, crop_param={"axis": 2, "offset": [3, 4]}).fn), 1, 1, [-3, -4])
        same(coord_map(L.Crop(data, data, offset=5).fn), 1, 1, -5)

    def test_elementwise(self):
        assert coord_map(L.ReLU(L.Input()).fn) == (None, 1, 0)

    @pytest.mark.parametrize(
        "top",
        [
            L.InnerProduct(L.Input(), num_output=3),
            L.Pooling(L.Input(), global_pooling=True),
            L.Convolution(L.Input(), num_output=3),
        ],
    )
    def test_undefined(self, top):
        with pytest.raises(UndefinedMapException):
            coord_map(top.fn)


class TestChains:
    def test_convolution_and_pooling_of_one_scale(self):
        data = L.Input()
        axis, scale, shift = coord_map_from_to(upsampled(pool_of(data)), data)
        same((axis, scale, shift), 1, 1, -1)

    def test_stack(self):
        data = L.Input()
        # 1/2 and -1, then 1/2 and -1/4
        same(coord_map_from_to(data, pool_of(conv_of(data))), 1, 0.25, -0.75)

    def test_padding_moves_the_shift(self):
        data = L.Input()
        plain = coord_map_from_to(data, L.Convolution(data, kernel_size=3, num_output=1))
        padded = coord_map_from_to(data, L.Convolution(data, kernel_size=3, pad=1, num_output=1))
        same(plain, 1, 1, -1)
        same(padded, 1, 1, 0)

    def test_three_spatial_axes(self):
        data = L.Input()
        top = L.Convolution(data, kernel_size=[2, 4, 6], stride=[1, 2, 3], pad=[0, 1, 2], num_output=1)
        same(coord_map_from_to(data, top), 1, [1, 1 / 2, 1 / 3], [-1 / 2, -1 / 4, -1 / 6])

    def test_other_first_axis(self):
        data = L.Input()
        same(coord_map_from_to(data, L.Convolution(data, kernel_size=3, axis=2, num_output=1)), 2, 1, -1)
        one, other = conv_of(data, axis=1), conv_of(data, axis=2)
        with pytest.raises(AxisMismatchException, match="after axis 2 on one side and after 1 on the other"):
            coord_map_from_to(one, other)

    def test_through_both_bottoms_of_a_sum(self):
        data = L.Input()
        total = L.Eltwise(conv_of(data), conv_of(data))
        same(coord_map_from_to(total, data), 1, 2, 2)

    def test_crop_leads_to_its_first_bottom_only(self):
        data, size = L.Input(), L.Input()
        cropped = L.Crop(data, size, crop_param={"axis": 2, "offset": [1]})
        same(coord_map_from_to(cropped, data), 1, 1, 1)
        with pytest.raises(RuntimeError):
            coord_map_from_to(cropped, size)

    @pytest.mark.parametrize("other", [L.Input(), L.InnerProduct(L.Input(), num_output=3)])
    def test_unconnected(self, other):
        with pytest.raises(RuntimeError, match="no chain of spatial layers connects them") as caught:
            coord_map_from_to(pool_of(L.Input()), other)
        assert isinstance(caught.value, NetError)

    def test_undefined_layer_breaks_the_chain(self):
        data = L.Input()
        with pytest.raises(RuntimeError):
            coord_map_from_to(L.InnerProduct(data, num_output=3), data)


MAPS = st.tuples(st.sampled_from([None, 1]), st.sampled_from([0.5, 1, 2, 3]), st.integers(-5, 5))


class TestAlgebra:
    @settings(deadline=None, max_examples=40)
    @given(MAPS, MAPS, st.integers(-9, 9))
    def test_compose_is_one_after_the_other(self, base, following, x):
        _, scale, shift = compose(base, following)
        there = following[1] * x + following[2]
        assert scale * x + shift == base[1] * there + base[2]

    @settings(deadline=None, max_examples=40)
    @given(MAPS)
    def test_inverse(self, mapping):
        same(compose(inverse(mapping), mapping), mapping[0], 1, 0)
        same(compose(mapping, inverse(mapping)), mapping[0], 1, 0)

    @settings(deadline=None, max_examples=40)
    @given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 4), st.integers(0, 20))
    def test_convolution_map_is_where_windows_are_centred(self, kernel, stride, pad, y):
        centre = y * stride - pad + (kernel - 1) / 2
        _, scale, shift = coord_map(L.Convolution(L.Input(), kernel_size=kernel, stride=stride, pad=pad).fn)
        np.testing.assert_allclose(scale * centre + shift, y, atol=1e-9)


class TestCrop:
    def offsets(self, top):
        param = top.to_proto().layer[-1].crop_param
        return param.axis, list(param.offset)

    def test_helper(self):
        n = NetSpec()
        n.data = L.Input()
        n.up = upsampled(pool_of(n.data))
        n.crop = crop(n.up, n.data)
        assert self.offsets(n.crop) == (
            2,
            [1],
        )  # pooling shifts by -1/4, which is -1/2 when doubled, deconvolution by 3/2
        layer = n.to_proto().layer[-1]
        assert layer.type == "Crop"
        assert list(layer.bottom) == ["up", "data"]

    def test_crop_of_a_padded_path(self):
        data = L.Input()
        padded = L.Convolution(data, kernel_size=1, pad=100, num_output=1)
        assert self.offsets(crop(padded, data)) == (2, [100])

    def test_crop_of_a_crop(self):
        data = L.Input()
        padded = L.Convolution(data, kernel_size=1, pad=100, num_output=1)
        again = L.Convolution(crop(padded, data), kernel_size=1, pad=[7, 9], num_output=1)
        assert self.offsets(crop(again, data)) == (2, [7, 9])

    def test_tops_in_register(self):
        data = L.Input()
        assert self.offsets(crop(L.ReLU(data), data)) == (2, [0])

    @settings(deadline=None, max_examples=40)
    @given(st.lists(st.sampled_from([2, 3, 5, 7]), min_size=1, max_size=4), st.integers(0, 30))
    def test_strides_undone_are_recognised_in_spite_of_rounding(self, strides, pad):
        data = top = L.Input()
        for stride in strides:
            top = L.Pooling(top, kernel_size=stride, stride=stride)
        for stride in strides:
            top = L.Deconvolution(top, convolution_param={"kernel_size": stride, "stride": stride})
        padded = L.Convolution(top, kernel_size=1, pad=pad, num_output=1)
        assert self.offsets(crop(padded, data)) == (2, [pad])

    def test_scale_mismatch(self):
        data = L.Input()
        with pytest.raises(AssertionError, match="scale mismatch"):
            crop(pool_of(data), data)

    def test_negative_offset(self):
        data = L.Input()
        with pytest.raises(AssertionError, match="negative offset") as caught:
            crop(L.Convolution(data, kernel_size=3, num_output=1), data)
        assert isinstance(caught.value, CropError)

    @pytest.mark.parametrize("kernel", [2, 4])
    def test_part_of_a_pixel(self, kernel):
        data = L.Input()
        with pytest.raises(CropError, match="part of a pixel"):
            crop(L.Convolution(data, kernel_size=kernel, pad=4, num_output=1), data)
