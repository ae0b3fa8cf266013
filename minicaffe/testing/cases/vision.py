"""Cases of the layers that look at images, and of InnerProduct, Embed and Softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.testing.case import Case, Input, distinct, given, labels, normal, uniform


def _boxes(R: int) -> Input:
    """Rois on two images of 18 x 14 pixels: inside, over the edge, outside, at ties of rounding."""
    rois = np.array(
        [
            [0, 0, 0, 17, 13],
            [1, 3, 2, 9, 11],
            [0, 1, 5, 3, 7],
            [1, 6.5, 4.5, 12.5, 8.5],
            [0, 12, 10, 30, 25],
            [1, 40, 40, 50, 50],
            [1, -6, -4, 5, 6],
        ],
        np.float64,
    )
    return given(rois[:R])


def _conv(text: str, label: str, shape: tuple[int, ...], again: tuple[int, ...], kind: str = "Convolution") -> Case:
    return Case(
        f'type: "{kind}" convolution_param {{ {text} weight_filler {{ type: "xavier" }} }}',
        (normal(*shape),),
        again=(again,),
        label=label,
    )


CONVOLUTION = [
    _conv("num_output: 4 kernel_size: 3", "plain", (2, 3, 6, 5), (1, 3, 4, 8)),
    _conv("num_output: 4 kernel_size: 3 pad: 1 stride: 2 bias_term: false", "no-bias", (2, 3, 6, 5), (3, 3, 5, 4)),
    _conv("num_output: 6 kernel_size: 2 group: 3", "group", (2, 6, 4, 5), (1, 6, 3, 3)),
    _conv("num_output: 4 kernel_size: 3 dilation: 2 pad: 2", "dilation", (1, 2, 6, 7), (2, 2, 5, 5)),
    _conv("num_output: 4 kernel_h: 2 kernel_w: 3 stride_h: 2 stride_w: 1 pad_w: 2", "hw", (2, 3, 5, 4), (1, 3, 6, 3)),
    _conv("num_output: 5 kernel_size: 1", "pointwise", (3, 4, 3, 2), (1, 4, 2, 2)),
    _conv("num_output: 6 kernel_size: 1 group: 2", "pointwise-group", (2, 4, 3, 2), (1, 4, 5, 5)),
    _conv("num_output: 3 axis: 2 kernel_size: 2", "axis", (2, 2, 3, 4), (1, 3, 3, 5)),
    _conv("num_output: 3 axis: -2 kernel_size: 2 stride: 2", "1-d", (2, 3, 7), (4, 3, 6)),
    _conv("num_output: 3 kernel_size: 2 kernel_size: 3 kernel_size: 1 pad: 1", "3-d", (1, 2, 3, 4, 2), (2, 2, 2, 2, 3)),
    _conv("num_output: 3", "0-d", (4, 5), (2, 5)),
    _conv("num_output: 4 kernel_size: 3 force_nd_im2col: true engine: CAFFE", "force-nd", (1, 2, 4, 4), (2, 2, 3, 5)),
]  # fmt: skip

SHARED_KERNEL = [
    Case(
        f'type: "{kind}" convolution_param {{ num_output: 4 kernel_size: 3 weight_filler {{ type: "msra" }} }}',
        (normal(2, 2, 5, 4), normal(2, 2, 5, 4)),
        tops=2,
        again=((1, 2, 3, 3), (1, 2, 3, 3)),
        label="two-bottoms",
    )
    for kind in ("Convolution", "Deconvolution")
]

DECONVOLUTION = [
    _conv(text, label, shape, again, "Deconvolution")
    for text, label, shape, again in (
        ("num_output: 4 kernel_size: 3", "plain", (2, 3, 3, 4), (1, 3, 2, 2)),
        ("num_output: 2 kernel_size: 4 stride: 2 pad: 1", "twice", (2, 3, 3, 2), (1, 3, 4, 4)),
        ("num_output: 6 kernel_size: 3 stride: 2 group: 3 bias_term: false", "group", (1, 6, 3, 3), (2, 6, 2, 2)),
        ("num_output: 2 kernel_size: 2 dilation: 2", "dilation", (1, 2, 3, 3), (2, 2, 2, 4)),
        ("num_output: 2 kernel_size: 2 stride: 2", "3-d", (1, 2, 2, 3, 2), (2, 2, 1, 2, 2)),
        ("num_output: 2 kernel_size: 1", "pointwise", (2, 3, 2, 3), (1, 3, 4, 1)),
    )
] + [
    Case(
        'type: "Deconvolution" convolution_param { num_output: 3 group: 3 kernel_size: 4 stride: 2 pad: 1 '
        'bias_term: false weight_filler { type: "bilinear" } }',
        (normal(1, 3, 3, 4),),
        label="bilinear",
        again=((2, 3, 2, 2),),
    )
]

IM2COL = [
    Case(f'type: "Im2col" convolution_param {{ {text} }}', (normal(*shape),), label=label, again=(again,))
    for text, label, shape, again in (
        ("kernel_size: 3 pad: 1 stride: 2", "2-d", (2, 2, 5, 4), (1, 2, 3, 6)),
        ("kernel_size: 2 dilation: 2", "dilation", (2, 2, 5, 4), (1, 2, 3, 3)),
        ("kernel_h: 1 kernel_w: 3 pad_w: 1", "hw", (2, 2, 3, 4), (3, 2, 2, 2)),
        ("kernel_size: 2 stride: 1 stride: 2 stride: 1", "3-d", (2, 2, 3, 4, 2), (1, 2, 2, 2, 3)),
        ("axis: 2 kernel_size: 2", "axis", (2, 3, 2, 4), (1, 1, 2, 3)),
    )
]


MAP = distinct(2, 2, 6, 7)


def _pool(text: str, label: str, x: Input = MAP, **more: Any) -> Case:
    return Case(f'type: "Pooling" pooling_param {{ {text} }}', (x,), label=label, again=((1, 3, 5, 8),), **more)


POOLING = [
    _pool("kernel_size: 2 stride: 2", "max"),
    _pool("kernel_size: 3 stride: 2 pad: 1", "max-pad"),
    _pool("kernel_h: 3 kernel_w: 2 stride_h: 1 stride_w: 3 pad_h: 2 pad_w: 0", "max-hw"),
    _pool("kernel_size: 3 stride: 2 round_mode: FLOOR", "max-floor"),
    _pool("kernel_size: 3 stride: 2 ceil_mode: false", "max-ceil-mode"),
    _pool("kernel_size: 3 stride: 2", "max-mask", tops=2, through=(0,)),
    _pool("global_pooling: true", "max-global"),
    _pool("pool: AVE kernel_size: 3 stride: 2 pad: 1", "ave-pad"),
    _pool("pool: AVE kernel_size: 3 stride: 2", "ave"),
    _pool("pool: AVE kernel_h: 2 kernel_w: 3 stride: 3", "ave-hw"),
    _pool("pool: AVE global_pooling: true", "ave-global"),
    _pool("pool: STOCHASTIC kernel_size: 3 stride: 2", "stochastic", uniform(0.1, 1, 2, 2, 6, 7)),
    _pool(
        "pool: STOCHASTIC kernel_size: 3 stride: 2",
        "stochastic-test",
        uniform(0.1, 1, 2, 2, 6, 7),
        gradients=(),
        train=False,
    ),
]

SPP = [
    Case(
        f'type: "SPP" spp_param {{ pyramid_height: {height} pool: {pool} }}',
        (distinct(2, 2, 6, 7),),
        label=f"{pool.lower()}-{height}",
        again=((1, 2, 9, 5),) if height < 3 else ((1, 2, 8, 8),),
    )
    for height, pool in ((1, "MAX"), (2, "AVE"), (3, "MAX"))
]

LRN = [
    Case(f'type: "LRN" lrn_param {{ {text} }}', (normal(2, 6, 3, 4),), label=label, again=((1, 2, 5, 2),))
    for text, label in (
        ("alpha: 0.5 k: 2", "across"),
        ("local_size: 3 alpha: 0.5 beta: 0.6 k: 1.5", "across-beta"),
        ("local_size: 7 alpha: 2", "across-wide"),
        ("local_size: 3 alpha: 0.5 norm_region: WITHIN_CHANNEL", "within"),
        ("local_size: 5 alpha: 2 beta: 0.5 norm_region: WITHIN_CHANNEL k: 9", "within-wide"),
    )
]

ROI_POOLING = [
    Case(
        f'type: "ROIPooling" roi_pooling_param {{ pooled_h: {h} pooled_w: {w} spatial_scale: 0.5 }}',
        (distinct(2, 3, 7, 9), _boxes(7)),
        (0,),
        label=f"{h}x{w}",
    )
    for h, w in ((2, 3), (7, 7), (1, 1))
] + [
    Case(
        'type: "ROIPooling" roi_pooling_param { pooled_h: 2 pooled_w: 2 spatial_scale: 0.5 pad_ratio: 0.25 }',
        (distinct(2, 2, 7, 9), _boxes(4)),
        (0,),
        label="pad-ratio",
    ),
    Case(
        'type: "ROIPooling" roi_pooling_param { pooled_h: 2 pooled_w: 2 spatial_scale: 0.5 }',
        (distinct(2, 2, 7, 9), given(np.array([[1.0, 2, 3, 10, 9]]).reshape(1, 5, 1, 1))),
        (0,),
        label="4-d-rois",
    ),
]

SOFTMAX = [
    Case(f'type: "Softmax" {text}', (normal(*shape),), in_place=True, label=label, again=(again,))
    for text, label, shape, again in (
        ("", "channels", (2, 4, 3, 2), (3, 2, 1, 4)),
        ("softmax_param { axis: -1 }", "last", (3, 5), (2, 6)),
        ("softmax_param { axis: 0 engine: CUDNN }", "first", (4, 3), (2, 5)),
    )
]

INNER_PRODUCT = [
    Case(
        f'type: "InnerProduct" inner_product_param {{ num_output: 4 {text} weight_filler {{ type: "xavier" }} }}',
        (normal(*shape),),
        label=label,
        again=(again,),
    )
    for text, label, shape, again in (
        ("", "plain", (3, 2, 2, 3), (5, 3, 4)),
        ("transpose: true", "transpose", (3, 2, 3), (2, 6)),
        ("axis: 2 bias_term: false", "axis", (2, 3, 2, 2), (4, 1, 4)),
        ("axis: -1 transpose: true", "last", (2, 3, 5), (1, 7, 5)),
        ("axis: 0", "all", (2, 3), (6,)),
    )
]

EMBED = [
    Case(
        f'type: "Embed" embed_param {{ num_output: 3 input_dim: 5 {text} weight_filler {{ type: "gaussian" }} }}',
        (labels(5, *shape),),
        (),
        label=label,
        again=(again,),
    )
    for text, label, shape, again in (
        ("", "bias", (4, 2), (3,)),
        ("bias_term: false", "no-bias", (7,), (2, 2, 2)),
    )
]

CASES: list[Case] = (
    CONVOLUTION
    + SHARED_KERNEL
    + DECONVOLUTION
    + IM2COL
    + POOLING
    + SPP
    + LRN
    + ROI_POOLING
    + SOFTMAX
    + INNER_PRODUCT
    + EMBED
)
