"""Convolutions of well-known nets, shape by shape, against PyTorch.

    pip install torch
    OMP_NUM_THREADS=2 python benchmarks/convolution.py [--nets lenet,alexnet] [--seconds 0.4] [--cpu-time]

One row a shape and pass: milliseconds here and there, the ratio (above 1: faster here), the algorithm, and the speed in
GFLOP/s of a direct convolution, also as a share of what NumPy's own matrix product reaches on this machine (Winograd
may exceed it). Both sides run in turn in one process, and the fastest of many runs counts. Batch sizes are those of the
nets' deploy files; VGG16 is the trunk on one image of 600 x 800. `--cpu-time` counts time of the processor instead of
the clock: use it with one thread on a busy machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minicaffe import ops as package
from minicaffe.ops.cpu import threads
from minicaffe.ops.im2col import conv_output_size

PASSES = "forward", "backward_data", "backward_weights"
TURN = 0.03  # seconds


class Shape(NamedTuple):
    """Images, channels, size; outputs, kernel, stride, pad, group; how many layers of the net have it."""

    N: int
    C: int
    H: int
    W: int
    K: int
    kernel: int
    stride: int = 1
    pad: int = 0
    group: int = 1
    count: int = 1

    def __str__(self) -> str:
        extra = f" /{self.stride}" * (self.stride > 1) + f" g{self.group}" * (self.group > 1)
        return f"{self.N}x{self.C}x{self.H}x{self.W} -> {self.K}, {self.kernel}x{self.kernel}{extra} x{self.count}"


def _fire(size: int, inputs: int, squeezed: int, expanded: int, count: int = 1) -> list[Shape]:
    """The three shapes of a module of SqueezeNet."""
    return [
        Shape(10, inputs, size, size, squeezed, 1),
        Shape(10, squeezed, size, size, expanded, 1, count=count),
        Shape(10, squeezed, size, size, expanded, 3, pad=1, count=count),
    ]


def _inception(size: int, inputs: int, *outputs: int) -> list[Shape]:
    """The six shapes of a module of GoogLeNet: 1x1, 3x3 reduced, 3x3, 5x5 reduced, 5x5, pooled."""
    a, b, c, d, e, f = outputs
    points = [Shape(10, inputs, size, size, k, 1) for k in (a, b, d, f)]
    return [*points, Shape(10, b, size, size, c, 3, pad=1), Shape(10, d, size, size, e, 5, pad=2)]


def _residual(size: int, inputs: int, width: int, blocks: int) -> list[Shape]:
    """The shapes of a stage of ResNet-50, whose first block halves the size (but for the first stage)."""
    stride, before = (1, size) if size == 56 else (2, 2 * size)
    return [
        Shape(1, inputs, before, before, 4 * width, 1, stride),
        Shape(1, inputs, before, before, width, 1, stride),
        Shape(1, width, size, size, width, 3, pad=1, count=blocks),
        Shape(1, width, size, size, 4 * width, 1, count=blocks),
        Shape(1, 4 * width, size, size, width, 1, count=blocks - 1),
    ]


NETS: dict[str, list[Shape]] = {
    "vgg16": [
        Shape(1, C, H, W, K, 3, pad=1, count=count)
        for C, K, H, W, count in (
            (3, 64, 600, 800, 1), (64, 64, 600, 800, 1), (64, 128, 300, 400, 1), (128, 128, 300, 400, 1),
            (128, 256, 150, 200, 1), (256, 256, 150, 200, 2), (256, 512, 75, 100, 1), (512, 512, 75, 100, 2),
            (512, 512, 37, 50, 3),
        )
    ],
    "alexnet": [
        Shape(10, 3, 227, 227, 96, 11, 4), Shape(10, 96, 27, 27, 256, 5, pad=2, group=2),
        Shape(10, 256, 13, 13, 384, 3, pad=1), Shape(10, 384, 13, 13, 384, 3, pad=1, group=2),
        Shape(10, 384, 13, 13, 256, 3, pad=1, group=2),
    ],
    "googlenet": [
        Shape(10, 3, 224, 224, 64, 7, 2, 3), Shape(10, 64, 56, 56, 64, 1), Shape(10, 64, 56, 56, 192, 3, pad=1),
        *_inception(28, 192, 64, 96, 128, 16, 32, 32), *_inception(28, 256, 128, 128, 192, 32, 96, 64),
        *_inception(14, 480, 192, 96, 208, 16, 48, 64), *_inception(14, 512, 160, 112, 224, 24, 64, 64),
        *_inception(14, 512, 128, 128, 256, 24, 64, 64), *_inception(14, 512, 112, 144, 288, 32, 64, 64),
        *_inception(14, 528, 256, 160, 320, 32, 128, 128), *_inception(7, 832, 256, 160, 320, 32, 128, 128),
        *_inception(7, 832, 384, 192, 384, 48, 128, 128),
    ],
    "resnet50": [
        Shape(1, 3, 224, 224, 64, 7, 2, 3), *_residual(56, 64, 64, 3), *_residual(28, 256, 128, 4),
        *_residual(14, 512, 256, 6), *_residual(7, 1024, 512, 3),
    ],
    "squeezenet": [
        Shape(10, 3, 227, 227, 96, 7, 2), *_fire(55, 96, 16, 64, 2), Shape(10, 128, 55, 55, 16, 1),
        *_fire(55, 128, 32, 128), *_fire(27, 256, 32, 128), *_fire(27, 256, 48, 192, 2),
        Shape(10, 384, 27, 27, 48, 1), *_fire(27, 384, 64, 256), *_fire(13, 512, 64, 256),
        Shape(10, 512, 13, 13, 1000, 1, pad=1),
    ],
    "lenet": [Shape(64, 1, 28, 28, 20, 5), Shape(64, 20, 12, 12, 50, 5)],
}  # fmt: skip


def fastest(runs: list[Callable[[], Any]], seconds: float, clock: Callable[[], float]) -> list[float]:
    """Run all in turn for so long, each some times in a row, three times at least; return the shortest time of each.

    The threads of the one before spin for a while after their turn, so a turn lasts longer than that.
    """
    for run in runs:
        run()
    least, end, rounds = [float("inf")] * len(runs), time.perf_counter() + seconds, 0
    while rounds < 3 or time.perf_counter() < end:
        for i, run in enumerate(runs):
            over = time.perf_counter() + TURN
            while time.perf_counter() < over:
                start = clock()
                run()
                least[i] = min(least[i], clock() - start)
        rounds += 1
    return least


def rows(
    shape: Shape, torch: Any, seconds: float, clock: Callable[[], float]
) -> Iterator[tuple[str, str, float, float]]:
    """Yield pass, algorithm, seconds here and seconds of PyTorch."""
    rng, ops = np.random.Generator(np.random.PCG64(0)), package.default()
    stride, pad, dilation, group = (shape.stride,) * 2, (shape.pad,) * 2, (1, 1), shape.group
    size = [conv_output_size(n, shape.kernel, shape.stride, shape.pad, 1) for n in (shape.H, shape.W)]
    x, W, b, dy = (
        rng.standard_normal(dims, np.float32)
        for dims in (
            (shape.N, shape.C, shape.H, shape.W),
            (shape.K, shape.C // group, shape.kernel, shape.kernel),
            (shape.K,),
            (shape.N, shape.K, *size),
        )
    )
    y, dx, dW = np.empty_like(dy), np.empty_like(x), np.zeros_like(W)
    tx, tW, tb, tdy = map(torch.from_numpy, (x, W, b, dy))

    def back(*wanted: bool) -> Callable[[], Any]:
        backward = torch.ops.aten.convolution_backward
        return lambda: backward(tdy, tx, tW, None, stride, pad, dilation, False, [0, 0], group, wanted)

    forward = torch.nn.functional.conv2d
    pairs = {
        "forward": (
            lambda: ops.conv(x, W, b, stride, pad, dilation, group, y),
            lambda: forward(tx, tW, tb, stride, pad, dilation, group),
        ),
        "backward_data": (
            lambda: ops.conv_backward_data(dy, W, stride, pad, dilation, group, dx),
            back(True, False, False),
        ),
        "backward_weights": (
            lambda: ops.conv_backward_weights(x, dy, dW, stride, pad, dilation, group),
            back(False, True, False),
        ),
    }
    algorithms = ops.conv_algorithm(x.shape, W.shape, stride, pad, dilation, group, x.dtype)
    with torch.no_grad():
        for name in PASSES:
            yield name, algorithms[name], *fastest(list(pairs[name]), seconds, clock)
    expected = forward(tx, tW, tb, stride, pad, dilation, group).numpy()
    assert np.abs(y - expected).max() < 1e-4 * np.abs(expected).max()


def product_rate(clock: Callable[[], float]) -> float:
    """Return the GFLOP/s of NumPy's matrix product."""
    a = np.ones((1024, 1024), np.float32)
    out = np.empty_like(a)
    return 2 * 1024**3 / fastest([lambda: np.matmul(a, a, out=out)], 2, clock)[0] / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", default=",".join(NETS), help="some of " + ", ".join(NETS))
    parser.add_argument("--seconds", type=float, default=0.4, help="how long each pass of a shape is measured")
    parser.add_argument("--cpu-time", action="store_true", help="count time of the processor, not of the clock")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(threads.count())
    clock = time.process_time if args.cpu_time else time.perf_counter
    rate = product_rate(clock)
    print(f"{threads.count()} threads, PyTorch {torch.__version__}; NumPy's matrix product: {rate:.0f} GFLOP/s\n")
    print("| shape | pass | algorithm | ms | PyTorch ms | ratio | GFLOP/s | of NumPy's |")
    print("|---|---|---|--:|--:|--:|--:|--:|")
    totals = []
    for net in args.nets.split(","):
        sums = {name: np.zeros(2) for name in PASSES}
        print(f"| **{net}** |")
        for shape in NETS[net]:
            for name, algorithm, ours, theirs in rows(shape, torch, args.seconds, clock):
                sums[name] += shape.count * np.array([ours, theirs])
                outputs = [conv_output_size(n, shape.kernel, shape.stride, shape.pad, 1) for n in (shape.H, shape.W)]
                work = 2e-9 * shape.N * shape.K * (shape.C // shape.group) * shape.kernel**2 * outputs[0] * outputs[1]
                speed = work / ours
                print(
                    f"| {shape} | {name} | {algorithm} | {ours * 1e3:.2f} | {theirs * 1e3:.2f} | {theirs / ours:.2f} "
                    f"| {speed:.0f} | {speed / rate:.0%} |",
                    flush=True,
                )
        totals += [f"| {net} | {name} | {a * 1e3:.1f} | {b * 1e3:.1f} | {b / a:.2f} |" for name, (a, b) in sums.items()]
    print("\n| all convolutions of | pass | ms | PyTorch ms | ratio |\n|---|---|--:|--:|--:|", *totals, sep="\n")


if __name__ == "__main__":
    main()
