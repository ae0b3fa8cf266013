"""Layers with random legal parameters, each drawn for a blob of a network in the making."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.reference.networks import Drawing, is_image

# -- layers of one bottom -----------------------------------------------------------------------------------------


def windowed(d: Drawing, x: np.ndarray, spread: int) -> tuple[str, tuple[int, int], int]:
    """The text of kernel, stride, pad and dilation that leave something of x; the kernel; the pad."""
    pad, dilation = d.integer(0, 2), d.integer(1, spread)
    most = [(size + 2 * pad - 1) // dilation + 1 for size in x.shape[2:]]
    kernel = (d.integer(1, min(3, most[0])), d.integer(1, min(3, most[1])))
    if d.yes():
        kernel = (min(kernel),) * 2
    written = f"kernel_size: {kernel[0]}" if kernel[0] == kernel[1] else f"kernel_h: {kernel[0]} kernel_w: {kernel[1]}"
    strides = f"stride: {d.integer(1, 2)}" if d.yes() else f"stride_h: {d.integer(1, 3)} stride_w: {d.integer(1, 3)}"
    return f"{written} {strides} pad: {pad} dilation: {dilation}", kernel, pad


def convolution(d: Drawing, name: str) -> None:
    x = d.values[name]
    C = x.shape[1]
    text, kernel, pad = windowed(d, x, 2)
    group = d.one_of([g for g in range(1, C + 1) if C % g == 0])
    outputs, bias = group * d.integer(1, 2), d.yes()
    wide = all(size > 2 * pad for size in x.shape[2:])
    kind = "Convolution" if d.yes() or not wide else "Deconvolution"
    shape = (outputs, C // group) if kind == "Convolution" else (C, outputs // group)
    blobs = [d.normal(*shape, *kernel)] + [d.normal(outputs)] * bias
    d.add(
        kind,
        [name],
        f"convolution_param {{ num_output: {outputs} group: {group} bias_term: {str(bias).lower()} {text} }}",
        blobs,
    )


def pooling(d: Drawing, name: str) -> None:
    size = d.values[name].shape[2:]
    if d.integer(0, 4) == 0:
        text = "global_pooling: true"
    else:
        k = [d.integer(1, min(3, n)) for n in size]
        pad, stride = d.integer(0, min(k) - 1), [d.integer(1, n) for n in k]
        text = f"kernel_h: {k[0]} kernel_w: {k[1]} stride_h: {stride[0]} stride_w: {stride[1]} pad: {pad}"
        text += " round_mode: FLOOR" * d.yes()
    d.add("Pooling", [name], f"pooling_param {{ pool: {d.one_of(['MAX', 'AVE'])} {text} }}")


def pyramid(d: Drawing, name: str) -> None:
    """Of up to two levels: the second needs a map that fills its grid of 2 x 2."""
    height = d.integer(1, 2) if min(d.values[name].shape[2:]) > 1 else 1
    d.add("SPP", [name], f"spp_param {{ pyramid_height: {height} pool: {d.one_of(['MAX', 'AVE'])} }}")


def im2col(d: Drawing, name: str) -> None:
    d.add("Im2col", [name], f"convolution_param {{ {windowed(d, d.values[name], 2)[0]} }}")


def roi_pooling(d: Drawing, name: str) -> None:
    N, _, H, W = d.values[name].shape
    scale = d.one_of([1, 0.5])
    rois = [
        [d.integer(0, N - 1), *(d.integer(-1, size) / scale for size in (W, H, W, H))] for _ in range(d.integer(1, 4))
    ]
    # A box that ends before it begins is pooled but has no gradient.
    rois = [[n, min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)] for n, x1, y1, x2, y2 in rois]
    text = f"pooled_h: {d.integer(1, 3)} pooled_w: {d.integer(1, 3)} spatial_scale: {scale}"
    d.add("ROIPooling", [name, d.beside(rois)], f"roi_pooling_param {{ {text} }}")


def lrn(d: Drawing, name: str) -> None:
    region = d.one_of(["ACROSS_CHANNELS", "WITHIN_CHANNEL"])
    size, beta = d.one_of([1, 3, 5]), d.one_of([0.5, 0.75, 1])
    d.add("LRN", [name], f"lrn_param {{ local_size: {size} alpha: 0.6 beta: {beta} k: 1.5 norm_region: {region} }}")


def inner_product(d: Drawing, name: str) -> None:
    x = d.values[name]
    axis, written = d.axis(x)
    outputs, inputs = d.integer(1, 5), int(np.prod(x.shape[axis:]))
    transpose, bias = d.yes(), d.yes()
    W = d.normal(outputs, inputs)
    blobs = [W.T.copy() if transpose else W] + [d.normal(outputs)] * bias
    text = f"num_output: {outputs} axis: {written} bias_term: {str(bias).lower()} transpose: {str(transpose).lower()}"
    d.add("InnerProduct", [name], f"inner_product_param {{ {text} }}", blobs)


def batch_norm(d: Drawing, name: str) -> None:
    channels, count = d.values[name].shape[1], 2.5
    blobs = [d.normal(channels), d.rng.uniform(1, 4, channels), np.array([count])]
    d.add("BatchNorm", [name], "batch_norm_param { eps: 0.01 }", blobs, may_be_in_place=True)


def scale(d: Drawing, name: str) -> None:
    x = d.values[name]
    axis, written = d.axis(x)
    axes = d.integer(-1, x.ndim - axis)
    shape = x.shape[axis:] if axes == -1 else x.shape[axis : axis + axes]
    text = f"axis: {written} num_axes: {axes}"
    if d.yes():
        d.add("Bias", [name], f"bias_param {{ {text} }}", [d.rng.standard_normal(shape)], may_be_in_place=True)
        return
    bias = d.yes()
    blobs = [d.rng.standard_normal(shape)] + [d.rng.standard_normal(shape)] * bias
    d.add("Scale", [name], f"scale_param {{ {text} bias_term: {str(bias).lower()} }}", blobs, may_be_in_place=True)


def prelu(d: Drawing, name: str) -> None:
    one = d.yes()
    slopes = d.rng.uniform(0.1, 0.6, () if one else d.values[name].shape[1])
    d.add("PReLU", [name], f"prelu_param {{ channel_shared: {str(one).lower()} }}", [slopes], may_be_in_place=True)


ACTIVATIONS = [
    ("ReLU", ""),
    ("ReLU", "relu_param { negative_slope: 0.2 }"),
    ("ELU", "elu_param { alpha: 0.7 }"),
    ("Sigmoid", ""),
    ("TanH", ""),
    ("Swish", "swish_param { beta: 1.5 }"),
    ("BNLL", ""),
    ("AbsVal", ""),
    ("Power", "power_param { power: 2 scale: 0.5 shift: -0.2 }"),
    ("Power", "power_param { power: 3 scale: 0.5 }"),
    ("Power", "power_param { scale: -1.5 shift: 1 }"),
    ("Exp", "exp_param { base: 2 scale: 0.5 shift: -0.1 }"),
    ("Exp", "exp_param { scale: 0.3 }"),
    ("Clip", "clip_param { min: -0.7 max: 0.9 }"),
]


def activation(d: Drawing, name: str) -> None:
    kind, text = d.one_of(ACTIVATIONS)
    d.add(kind, [name], text, may_be_in_place=kind != "AbsVal")


def logarithm(d: Drawing, name: str) -> None:
    """Of something positive, so two layers."""
    if d.add("Sigmoid", [name]):
        d.add("Log", [d.network.parts[-1].tops[0]], "log_param { base: 3 scale: 2 shift: 0.5 }", may_be_in_place=True)


def mvn(d: Drawing, name: str) -> None:
    """With an eps of next to nothing: Caffe's gradient is that of eps 0."""
    across, variance = d.yes(), d.yes()
    text = f"across_channels: {str(across).lower()} normalize_variance: {str(variance).lower()} eps: 1e-9"
    d.add("MVN", [name], f"mvn_param {{ {text} }}")


def softmax(d: Drawing, name: str) -> None:
    d.add("Softmax", [name], f"softmax_param {{ axis: {d.axis(d.values[name])[1]} }}", may_be_in_place=True)


def dropout(d: Drawing, name: str) -> None:
    if d.dropout:
        d.add("Dropout", [name], "dropout_param { dropout_ratio: 0.4 }", may_be_in_place=True)


def view(d: Drawing, name: str) -> None:
    x = d.values[name]
    first, written = d.axis(x)
    if d.yes():
        last = d.integer(first, x.ndim - 1)
        d.add("Flatten", [name], f"flatten_param {{ axis: {written} end_axis: {last} }}")
    else:
        dims = ["dim: 0"] * first + ["dim: -1"] + ["dim: 1"] * d.integer(0, 1)
        d.add("Reshape", [name], f"reshape_param {{ shape {{ {' '.join(dims)} }} }}")


def tile(d: Drawing, name: str) -> None:
    d.add("Tile", [name], f"tile_param {{ axis: {d.axis(d.values[name])[1]} tiles: {d.integer(1, 3)} }}")


def reduction(d: Drawing, name: str) -> None:
    x = d.values[name]
    operation = d.one_of(["SUM", "ASUM", "SUMSQ", "MEAN"])
    coeff = 2 / x[0].size
    d.add("Reduction", [name], f"reduction_param {{ operation: {operation} axis: {d.axis(x)[1]} coeff: {coeff:.4f} }}")


def cut(d: Drawing, name: str) -> None:
    x = d.values[name]
    axis, written = d.axis(x)
    size = x.shape[axis]
    if size < 2:
        return
    if d.yes():
        points = sorted({d.integer(1, size - 1) for _ in range(2)})
        text, tops = " ".join(f"slice_point: {point}" for point in points), len(points) + 1
    else:
        text, tops = "", d.one_of([n for n in range(2, size + 1) if size % n == 0])
    d.add("Slice", [name], f"slice_param {{ axis: {written} {text} }}", tops=tops)


def split(d: Drawing, name: str) -> None:
    d.add("Split", [name], tops=2)


# -- layers of items ----------------------------------------------------------------------------------------------


def embed(d: Drawing, name: str) -> None:
    """Of numbers that are nobody's top: a look-up has no gradient."""
    rows, outputs, bias = d.integer(1, 4), d.integer(1, 3), d.yes()
    items = d.beside(d.rng.integers(0, rows, (len(d.values["data"]), d.integer(1, 3))))
    blobs = [d.normal(rows, outputs)] + [d.normal(outputs)] * bias
    text = f"num_output: {outputs} input_dim: {rows} bias_term: {str(bias).lower()}"
    d.add("Embed", [items], f"embed_param {{ {text} }}", blobs)


def batch_reindex(d: Drawing, name: str) -> None:
    items = d.beside(d.rng.integers(0, len(d.values[name]), d.integer(1, 4)))
    d.add("BatchReindex", [name, items])


def recurrent(d: Drawing, name: str) -> None:
    """Axis 0 is time here, so a larger batch would be another layer."""
    x = d.values[name]
    if d.grows or x.ndim < 3:
        return
    (T, N), inputs, D = x.shape[:2], int(np.prod(x.shape[2:])), d.integer(1, 3)
    going = d.rng.integers(0, 2, (T, N))
    going[0] = 0  # nothing from the forward before
    bottoms = [name, d.beside(going)] + [d.beside(d.rng.standard_normal((N, 2)))] * d.yes()
    kind = d.one_of(["LSTM", "RNN"])
    G = 4 * D if kind == "LSTM" else D
    blobs = [d.normal(G, inputs), d.normal(G), *(d.normal(G, 2) for _ in bottoms[2:]), d.normal(G, D)]
    blobs += [d.normal(D, D), d.normal(D)] * (kind == "RNN")
    d.add(kind, bottoms, f"recurrent_param {{ num_output: {D} }}", blobs)


def learned(d: Drawing, name: str) -> None:
    """A Parameter that multiplies each channel."""
    C = d.values[name].shape[1]
    d.add("Parameter", [], f"parameter_param {{ shape {{ dim: {C} }} }}", [d.normal(C)])
    factor = d.network.parts[-1].tops[0]
    d.add("Scale", [name, factor])
    del d.values[factor]


def dead_end(d: Drawing, name: str) -> None:
    """A layer without a gradient, whose tops are outputs of the net."""
    x = d.values[name]
    kind = d.one_of(["ArgMax", "Accuracy", "Threshold", "Silence"])
    if kind == "ArgMax":
        axis, written = d.axis(x)
        text = f"axis: {written} top_k: {d.integer(1, x.shape[axis])} out_max_val: {str(d.yes()).lower()}"
        added = d.add(kind, [name], f"argmax_param {{ {text} }}")
    elif kind == "Accuracy":
        labels = d.beside(d.rng.integers(0, x.shape[1], (x.shape[0], *x.shape[2:])))
        added = d.add(kind, [name, labels], f"accuracy_param {{ top_k: {d.integer(1, x.shape[1])} }}")
    elif kind == "Threshold":
        added = d.add(kind, [name], "threshold_param { threshold: 0.1 }")
    else:
        added = d.add(kind, [name], tops=0)
    if added:
        d.end()


# -- layers of several bottoms ------------------------------------------------------------------------------------


def eltwise(d: Drawing, name: str) -> None:
    x = d.values[name]
    names = [name, *(d.some(lambda y: y.shape == x.shape) or name for _ in range(d.integer(1, 2)))]
    operation = d.one_of(["SUM", "PROD", "MAX", "COEFF"])
    text = (
        " ".join(f"coeff: {d.one_of([-1, 0.5, 2])}" for _ in names)
        if operation == "COEFF"
        else f"operation: {operation}"
    )
    d.add("Eltwise", names, f"eltwise_param {{ {text} }}")


def join(d: Drawing, name: str) -> None:
    x = d.values[name]
    axis, written = d.axis(x)
    rest = np.delete(x.shape, axis).tolist()
    other = d.some(lambda y: y.ndim == x.ndim and np.delete(y.shape, axis).tolist() == rest) or name
    names = [name, other] if d.yes() else [other, name]
    d.add("Concat", names, f"concat_param {{ axis: {written} }}")


def multiplied(d: Drawing, name: str) -> None:
    x = d.values[name]
    other = d.some(lambda y: y.shape == x.shape) or name
    kind = d.one_of(["scale", "bias"])
    d.add(kind.capitalize(), [name, other], f"{kind}_param {{ axis: 0 }}")


def crop(d: Drawing, name: str) -> None:
    x = d.values[name]
    reference = d.some(lambda y: is_image(y) and y.shape[2] <= x.shape[2] and y.shape[3] <= x.shape[3]) or name
    room = [x.shape[axis] - d.values[reference].shape[axis] for axis in (2, 3)]
    offsets = " ".join(f"offset: {d.integer(0, most)}" for most in room)
    d.add("Crop", [name, reference], f"crop_param {{ axis: 2 {offsets} }}")


def has_channels(x: np.ndarray) -> bool:
    return x.ndim > 1


# How often each is drawn, what makes it, the bottoms it takes.
KINDS: list[tuple[int, Callable[[Drawing, str], None], Callable[[np.ndarray], bool]]] = [
    (6, convolution, is_image),
    (4, pooling, is_image),
    (2, lrn, is_image),
    (1, mvn, lambda x: is_image(x) and x.std((2, 3)).min() > 0.1),
    *((1, make, is_image) for make in (crop, pyramid, im2col, roi_pooling)),
    (2, batch_norm, lambda x: x.ndim > 1 and x.size >= 4 * x.shape[1]),
    *((2, make, has_channels) for make in (inner_product, scale, join, prelu)),
    *((1, make, has_channels) for make in (softmax, view, tile, reduction, cut, split)),
    *((1, make, has_channels) for make in (batch_reindex, recurrent, learned, embed)),
    (2, dead_end, has_channels),
    (8, activation, lambda x: True),
    (3, eltwise, lambda x: True),
    *((1, make, lambda x: True) for make in (multiplied, logarithm, dropout)),
]
