"""Convolution as defined, a product over columns, with the columns made and summed by kernels: for `engine: CAFFE`."""

from __future__ import annotations

from functools import partial

from minicaffe.ops import convolution as definition
from minicaffe.ops.cpu.im2col import col2im, im2col

conv_algorithm = definition.conv_algorithm
conv = partial(definition.conv, columns=im2col)
conv_backward_data = partial(definition.conv_backward_data, sums=col2im)
conv_backward_weights = partial(definition.conv_backward_weights, columns=im2col)
