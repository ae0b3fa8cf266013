"""The kernels, compiled as C++ and run on the host, against the definitions: mostly to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minicaffe import ops as package
from minicaffe.errors import NetError
from minicaffe.ops.cuda import launch
from minicaffe.ops.updates import Terms
from tests import fakecupy

Arrays = list[np.ndarray]
DEFINITION = package.definition()

pytestmark = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float", "double"])


@pytest.fixture(autouse=True, params=["int", "long long"])
def index(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count places in 32 and in 64 bits."""
    if request.param == "long long":
        monkeypatch.setattr(launch, "WIDE", 1)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(7))


def both(device: Any, name: str, *arguments: Any) -> tuple[Arrays, Arrays, Any, Any]:
    """Call an operation on the device and by its definition; return the arrays given, after it, and the results."""
    theirs = [each.copy() if isinstance(each, np.ndarray) else each for each in arguments]
    ours = [fakecupy.asarray(each) if isinstance(each, np.ndarray) else each for each in arguments]
    before = launched()
    result = getattr(device, name)(*ours)
    assert launched() > before, f"{name} went round its kernel"
    expected = getattr(DEFINITION, name)(*theirs)
    after = [each.get() for each in ours if isinstance(each, fakecupy.ndarray)]
    return after, [each for each in theirs if isinstance(each, np.ndarray)], result, expected


def launched() -> int:
    return fakecupy.kernels.launches


def same(device: Any, name: str, *arguments: Any, rounding: float = 0.0) -> None:
    """Compare all arrays an operation was given, and its result, within `rounding` of the largest number."""
    after, expected, result, wanted = both(device, name, *arguments)
    pairs = list(zip(after, expected, strict=True))
    if wanted is not None:
        pairs.append((result.get(), np.asarray(wanted)))
    for ours, theirs in pairs:
        assert ours.dtype == theirs.dtype
        if rounding:
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=rounding * np.abs(theirs).max(initial=1))
        else:
            np.testing.assert_array_equal(ours, theirs)


# -- columns ----------------------------------------------------------------------------------------------------------

GEOMETRIES = [  # size, kernel, stride, pad, dilation
    ((7,), (3,), (2,), (1,), (1,)),
    ((6, 8), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((9, 7), (2, 3), (2, 1), (0, 2), (2, 1)),
    ((9, 7), (3, 1), (3, 2), (-2, 0), (1, 3)),
    ((4, 5, 6), (2, 3, 2), (1, 2, 1), (1, 0, 1), (1, 1, 2)),
]


def positions(size: Any, kernel: Any, stride: Any, pad: Any, dilation: Any) -> tuple[int, ...]:
    return tuple(
        (n + 2 * p - (d * (k - 1) + 1)) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, pad, dilation, strict=True)
    )


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_im2col(device: Any, rng: np.random.Generator, dtype: Any, geometry: Any) -> None:
    size, kernel, *_ = geometry
    x = rng.standard_normal((2, 3, *size)).astype(dtype)
    col = np.full((3 * int(np.prod(kernel)), 2, *positions(*geometry)), 9, dtype)
    same(device, "im2col", x, *geometry[1:], col)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_col2im(device: Any, rng: np.random.Generator, dtype: Any, geometry: Any) -> None:
    size, kernel, *_ = geometry
    col = rng.standard_normal((3 * int(np.prod(kernel)), 2, *positions(*geometry))).astype(dtype)
    same(device, "col2im", col, *geometry[1:], rng.standard_normal((2, 3, *size)).astype(dtype))


# -- pooling ----------------------------------------------------------------------------------------------------------

WINDOWS = [  # H, W, kernel, stride, pad, y
    (6, 8, (2, 2), (2, 2), (0, 0), (3, 4)),
    (7, 5, (3, 2), (2, 1), (1, 0), (4, 4)),
    (5, 5, (3, 3), (3, 3), (0, 0), (2, 2)),
    (6, 7, (4, 3), (1, 2), (3, 2), (9, 5)),
]


def image(rng: np.random.Generator, H: int, W: int, dtype: Any) -> np.ndarray:
    """Whole numbers, so that there are ties; a NaN, and a plane with nothing to pick."""
    x = rng.integers(-4, 5, (2, 3, H, W)).astype(dtype)
    x[0, 1, 2, 3] = np.nan
    x[1, 2] = -np.inf
    return x


@pytest.mark.parametrize("window", WINDOWS)
def test_pool_max(device: Any, rng: np.random.Generator, dtype: Any, window: Any) -> None:
    H, W, *geometry, size = window
    y, mask = np.empty((2, 3, *size), dtype), np.empty((2, 3, *size), np.int32)
    same(device, "pool_max", image(rng, H, W, dtype), *geometry, y, mask)


@pytest.mark.parametrize("window", WINDOWS)
def test_pool_max_backward(device: Any, rng: np.random.Generator, dtype: Any, window: Any) -> None:
    H, W, *geometry, size = window
    y, mask = np.empty((2, 3, *size), dtype), np.empty((2, 3, *size), np.int32)
    DEFINITION.pool_max(image(rng, H, W, dtype), *geometry, y, mask)
    dy = rng.standard_normal(y.shape).astype(dtype)
    same(device, "pool_max_backward", dy, mask, *geometry, np.full((2, 3, H, W), 9, dtype))


@pytest.mark.parametrize("window", WINDOWS)
def test_pool_ave(device: Any, rng: np.random.Generator, dtype: Any, window: Any) -> None:
    H, W, *geometry, size = window
    x = rng.standard_normal((2, 3, H, W)).astype(dtype)
    same(device, "pool_ave", x, *geometry, np.empty((2, 3, *size), dtype))
    dy = rng.standard_normal((2, 3, *size)).astype(dtype)
    same(device, "pool_ave_backward", dy, *geometry, np.empty((2, 3, H, W), dtype))


@pytest.mark.parametrize("window", [each for each in WINDOWS if each[4] == (0, 0)])
def test_pool_stochastic(device: Any, rng: np.random.Generator, dtype: Any, window: Any) -> None:
    H, W, *geometry, size = window
    x = rng.random((2, 3, H, W)).astype(dtype)
    x[0, 0] = 0
    x[0, 1, 0, 0] = np.nan
    y, mask = np.empty((2, 3, *size), dtype), np.empty((2, 3, *size), np.int32)
    draws = rng.random(y.shape)
    draws[1, 0, 0, 0] = 0
    same(device, "pool_stochastic", x, *geometry, draws, y, mask)
    same(device, "pool_expected", x, *geometry, y)


# -- normalisation, softmax, distances --------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "size"), [((2, 7, 3, 4), 5), ((1, 2, 5), 9), ((3, 4), 1)])
def test_lrn(device: Any, rng: np.random.Generator, dtype: Any, shape: tuple[int, ...], size: int) -> None:
    x, dy = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    y, scale = np.empty_like(x), np.empty_like(x)
    rounding = 4 * np.finfo(dtype).eps  # pow is not the same function everywhere
    same(device, "lrn_across", x, size, 0.3, 0.75, 2.0, y, scale, rounding=rounding)
    DEFINITION.lrn_across(x, size, 0.3, 0.75, 2.0, y, scale)
    same(device, "lrn_across_backward", x, y, scale, dy, size, 0.3, 0.75, np.empty_like(x), rounding=rounding)


@pytest.mark.parametrize(
    ("shape", "axis"), [((5, 21), 1), ((70, 3), -1), ((2, 300), 1), ((2, 4, 3, 5), 1), ((6, 2), 0)]
)
def test_softmax(device: Any, rng: np.random.Generator, dtype: Any, shape: tuple[int, ...], axis: int) -> None:
    x = (30 * rng.standard_normal(shape)).astype(dtype)
    rounding = 8 * np.finfo(dtype).eps
    same(device, "softmax", x, axis, rounding=rounding)
    same(device, "softmax", x, axis, np.empty_like(x), rounding=rounding)
    y, dy = DEFINITION.softmax(x, axis), rng.standard_normal(shape).astype(dtype)
    same(device, "softmax_backward", y, dy, axis, rounding=rounding)


def test_softmax_in_place(device: Any, rng: np.random.Generator, dtype: Any) -> None:
    for shape, axis in (((4, 150), 1), ((2, 5, 3), 1)):
        x = rng.standard_normal(shape).astype(dtype)
        ours = fakecupy.asarray(x)
        assert device.softmax(ours, axis, ours) is ours
        np.testing.assert_allclose(ours.get(), DEFINITION.softmax(x, axis), rtol=1e-5)


@pytest.mark.parametrize("ignores", [False, True])
@pytest.mark.parametrize("shape", [(6, 4, 1), (2, 3, 5)])
def test_log_loss(device: Any, rng: np.random.Generator, dtype: Any, shape: tuple[int, ...], ignores: bool) -> None:
    p = DEFINITION.softmax(rng.standard_normal(shape).astype(dtype), 1)
    p[0, :, 0] = 0
    labels = rng.integers(0, shape[1], (shape[0], shape[2]))
    ignored = rng.random(labels.shape) < 0.3 if ignores else None
    same(device, "log_loss", p, labels, ignored, rounding=8 * np.finfo(dtype).eps)
    same(device, "log_loss_backward", p, labels, ignored, 0.5, np.empty_like(p))
    got = fakecupy.empty(shape, dtype)
    scale = fakecupy.asarray(np.array(0.5, dtype))  # a number that lies on the device
    arrays = [each if each is None else fakecupy.asarray(each) for each in (p, labels, ignored)]
    device.log_loss_backward(*arrays, scale, got)
    expected = np.empty_like(p)
    DEFINITION.log_loss_backward(p, labels, ignored, 0.5, expected)
    np.testing.assert_array_equal(got.get(), expected)


def test_smooth_l1(device: Any, rng: np.random.Generator, dtype: Any) -> None:
    d = np.concatenate([rng.standard_normal(40), [0, -0.0, np.nan, np.inf, 1 / 9, -1 / 9]]).astype(dtype)
    for sigma in (1.0, 3.0):
        same(device, "smooth_l1", d, sigma)
        same(device, "smooth_l1_backward", d, sigma)


# -- regions ----------------------------------------------------------------------------------------------------------


def boxes(rng: np.random.Generator, R: int, dtype: Any) -> np.ndarray:
    """Rois of all kinds: on halves of a pixel, outside of the image, ending before they begin."""
    corners = rng.integers(-40, 160, (R, 4)) * 0.5
    corners[R // 4 :] = np.sort(corners[R // 4 :].reshape(-1, 2, 2), axis=1).reshape(-1, 4)
    return np.concatenate([rng.integers(0, 2, (R, 1)), corners], axis=1).astype(dtype)


@pytest.mark.parametrize("scale", [1 / 4, 1 / 16, 0.37])
def test_roi_pool(device: Any, rng: np.random.Generator, dtype: Any, scale: float) -> None:
    rois, x = boxes(rng, 40, dtype), image(rng, 9, 14, dtype)
    y = np.empty((40, 3, 3, 4), dtype)
    same(device, "roi_pool", x, rois, (3, 4), scale, y)
    dy = rng.standard_normal(y.shape).astype(dtype)
    same(device, "roi_pool_backward", x, rois, dy, scale, np.full_like(x, 9))


def test_a_roi_that_is_none_is_refused(device: Any, dtype: Any) -> None:
    x, y = fakecupy.zeros((1, 1, 4, 4), dtype), fakecupy.zeros((1, 1, 2, 2), dtype)
    for wrong, said in (([1, 0, 0, 1, 1], "names image 1"), ([0, np.nan, 0, 1, 1], "not finite")):
        with pytest.raises(NetError, match=said):
            device.roi_pool(x, fakecupy.asarray(np.array([wrong], dtype)), (2, 2), 1.0, y)


@pytest.mark.parametrize("R", [1, 64, 65, 130])
@pytest.mark.parametrize("inclusive", [False, True])
def test_nms(device: Any, rng: np.random.Generator, dtype: Any, R: int, inclusive: bool) -> None:
    corners = rng.integers(0, 30, (R, 2, 2))
    rois = np.sort(corners, axis=1).reshape(R, 4).astype(dtype)
    scores = rng.integers(0, 20, R).astype(dtype)  # ties
    same(device, "nms", rois, scores, 0.5, inclusive)


def test_nms_by_group(device: Any, rng: np.random.Generator, dtype: Any) -> None:
    R = 100
    rois = np.sort(rng.integers(0, 20, (R, 2, 2)), axis=1).reshape(R, 4).astype(dtype)
    scores, keys = rng.random(R).astype(dtype), rng.integers(0, 3, (R, 2)).astype(dtype)
    same(device, "nms_by_group", rois, scores, keys, 0.3)


# -- random numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 1000, 8193])
def test_dropout_draws_the_bits_of_the_host(device: Any, rng: np.random.Generator, dtype: Any, count: int) -> None:
    ours, theirs = (np.random.Generator(np.random.PCG64(11)) for _ in range(2))
    for stream in (ours, theirs):
        stream.random(3, np.float32)  # leaves half a draw behind
    x = rng.standard_normal(count).astype(dtype)
    for ratio, factor in ((0.5, 2.0), (0.1, 1.0), (0.0, 1.0)):
        mask, y = np.empty(count, bool), np.empty_like(x)
        DEFINITION.dropout(x, theirs.bit_generator, ratio, factor, mask, y)
        on_device = [fakecupy.empty((count,), kind) for kind in (bool, dtype)]
        device.dropout(fakecupy.asarray(x), ours.bit_generator, ratio, factor, *on_device)
        for got, expected in zip(on_device, (mask, y), strict=True):
            np.testing.assert_array_equal(got.get(), expected)
        assert ours.bit_generator.state == theirs.bit_generator.state


# -- sums and updates -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rectify", [False, True])
def test_matmul_with_a_row(device: Any, rng: np.random.Generator, dtype: Any, rectify: bool) -> None:
    a, b, row = (rng.standard_normal(shape).astype(dtype) for shape in ((4, 3), (3, 5), (5,)))
    same(device, "matmul", a, b, np.empty((4, 5), dtype), row, rectify)


def test_add_rows(device: Any, rng: np.random.Generator, dtype: Any) -> None:
    rows, index = rng.standard_normal((9, 5)).astype(dtype), rng.integers(0, 4, 9)
    same(device, "add_rows", rows, index, rng.standard_normal((4, 5)).astype(dtype))


RULES: dict[str, tuple[int, tuple[float, ...]]] = {
    "sgd_update": (1, (0.1, 0.9)),
    "nesterov_update": (1, (0.1, 0.9)),
    "adagrad_update": (1, (0.1, 1e-6)),
    "rmsprop_update": (1, (0.1, 0.98, 1e-6)),
    "adadelta_update": (2, (0.1, 0.95, 1e-6)),
    "adam_update": (2, (0.1, 0.9, 0.999, 1e-8)),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("terms", [Terms(), Terms(0.5, l2=0.01), Terms(0.25, l1=0.02)])
def test_updates(device: Any, rng: np.random.Generator, dtype: Any, rule: str, terms: Terms) -> None:
    slots, numbers = RULES[rule]
    data, diff = (rng.standard_normal(1000).astype(dtype) for _ in range(2))
    data[:3] = 0, np.inf, -1
    histories = [rng.random(1000).astype(dtype) for _ in range(slots)]
    with np.errstate(invalid="ignore"):
        same(device, rule, data, diff, *histories, *numbers, terms)


# -- what kernels do not take -----------------------------------------------------------------------------------------


def strided(x: np.ndarray) -> Any:
    """Return an array of the device with the values of x, and a gap behind every number."""
    wide = fakecupy.zeros((*x.shape, 2), x.dtype)
    wide[..., 0] = fakecupy.asarray(x)
    return wide[..., 0]


def check_strided(call: Callable[..., Any], arrays: Arrays, expected: Arrays) -> None:
    given = [strided(each) for each in arrays]
    call(*given)
    for ours, theirs in zip(given, expected, strict=True):
        np.testing.assert_array_equal(ours.get(), theirs)


def test_strided_arrays_go_to_the_definition(device: Any, rng: np.random.Generator, dtype: Any) -> None:
    x, y = rng.standard_normal((1, 2, 4, 4)).astype(dtype), np.zeros((1, 2, 2, 2), dtype)
    expected = y.copy()
    DEFINITION.pool_ave(x, (2, 2), (2, 2), (0, 0), expected)
    check_strided(lambda a, b: device.pool_ave(a, (2, 2), (2, 2), (0, 0), b), [x, y], [x, expected])


# -- number by number -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [0.0, 0.1, 1.0, 2.0, -0.5])
def test_rectify(device: Any, rng: np.random.Generator, dtype: Any, slope: float) -> None:
    x = rng.standard_normal((3, 7, 5)).astype(dtype)
    x[0, 0, 0], x[1, 1, 1] = np.nan, 0
    same(device, "rectify", x, slope, np.empty_like(x))
    dy = rng.standard_normal(x.shape).astype(dtype)
    same(device, "rectify_backward", x, dy, slope, np.empty_like(x))


@pytest.mark.parametrize("weights", [[1.0, 1.0], [0.5, -2.0], [1.0, 0.25, 1.0], [2.0, 1.0, -1.0, 0.1]])
@pytest.mark.parametrize("cut", [False, True])
def test_weighted_sum(device: Any, rng: np.random.Generator, dtype: Any, weights: list[float], cut: bool) -> None:
    xs = [rng.standard_normal((4, 9)).astype(dtype) for _ in weights]
    ours, theirs = fakecupy.empty((4, 9), dtype), np.empty((4, 9), dtype)
    before = launched()
    device.weighted_sum([fakecupy.asarray(x) for x in xs], weights, ours, cut)
    assert launched() == before + len(xs) - 1
    DEFINITION.weighted_sum(xs, weights, theirs, cut)
    np.testing.assert_allclose(ours.get(), theirs, rtol=0, atol=4 * np.finfo(dtype).eps)
    device.weighted_sum([fakecupy.asarray(xs[0])], [3.0], ours)
    np.testing.assert_array_equal(ours.get(), 3 * xs[0])


def test_masked(device: Any, rng: np.random.Generator, dtype: Any) -> None:
    x = rng.standard_normal((3, 50)).astype(dtype)
    same(device, "masked", x, rng.random(x.shape) < 0.5, 2.0, np.empty_like(x))


# -- channels ---------------------------------------------------------------------------------------------------------

FRAMES = [(1, 3, 700), (4, 5, 9), (300, 2, 1), (2, 0, 3)]


@pytest.mark.parametrize("shape", FRAMES)
def test_channel_sums_and_moments(device: Any, rng: np.random.Generator, dtype: Any, shape: Any) -> None:
    x, dy = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    rounding = 64 * np.finfo(dtype).eps
    for arguments in ((dy, x), (dy,)):
        ours = device.channel_sums(*map(fakecupy.asarray, arguments))
        for one, other in zip(ours, DEFINITION.channel_sums(*arguments), strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                np.testing.assert_allclose(one.get(), other, rtol=0, atol=rounding * shape[0] * shape[2])
    for one, other in zip(device.channel_moments(fakecupy.asarray(x)), DEFINITION.channel_moments(x), strict=True):
        np.testing.assert_allclose(one.get(), other, rtol=0, atol=rounding)


@pytest.mark.parametrize("shape", FRAMES)
@pytest.mark.parametrize("given", range(16))
def test_normalise(device: Any, rng: np.random.Generator, dtype: Any, shape: Any, given: int) -> None:
    x = rng.standard_normal(shape).astype(dtype)
    mean, factor, gain, bias = (rng.standard_normal(shape[1]).astype(dtype) for _ in range(4))
    if not given & 1:
        mean = factor = None
    arguments = x, mean, factor, gain if given & 2 else None, bias if given & 4 else None, np.empty_like(x)
    kept = np.empty_like(x) if given & 8 else None
    if x.size:
        same(device, "normalise", *arguments, kept, bool(given & 4))


@pytest.mark.parametrize("shape", FRAMES[:3])
@pytest.mark.parametrize("given", range(16))
def test_normalise_backward(device: Any, rng: np.random.Generator, dtype: Any, shape: Any, given: int) -> None:
    dy, y, h = (rng.standard_normal(shape).astype(dtype) for _ in range(3))
    factor, gain = (rng.standard_normal(shape[1]).astype(dtype) for _ in range(2))
    batch = bool(given & 1)
    arguments = dy, y if given & 2 else None, h if given & 4 or batch else None, factor, gain if given & 8 else None
    ours, theirs = fakecupy.empty(shape, dtype), np.empty(shape, dtype)
    found = device.normalise_backward(
        *(each if each is None else fakecupy.asarray(each) for each in arguments), batch, ours
    )
    expected = DEFINITION.normalise_backward(*arguments, batch, theirs)
    rounding = 64 * np.finfo(dtype).eps
    np.testing.assert_allclose(ours.get(), theirs, rtol=0, atol=rounding * np.abs(theirs).max())
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one.get(), other, rtol=0, atol=rounding * shape[0] * shape[2])
