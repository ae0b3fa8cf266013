"""Cases of layers that are nothing without a program: arrays handed over, a class of the user's own."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.layer import Layer
from minicaffe.testing.case import Case, normal


def _hand_over_images(layer: Any) -> None:
    pixels = np.arange(6 * 3 * 2 * 4, dtype=np.float32).reshape(6, 3, 2, 4)
    layer.set_input_arrays(pixels, np.arange(6, dtype=np.float32))


class Gate(Layer):
    """y = w g x for a number g in `param_str`, written as pycaffe layers are; a user's layer for the case below."""

    param_str: str

    def setup(self, bottom: Any, top: Any) -> None:
        if len(bottom) != 1 or len(top) != 1:
            raise ValueError("Gate takes one bottom and gives one top")
        self.gain = float(self.param_str)
        self.blobs.add_blob(1)

    def reshape(self, bottom: Any, top: Any) -> None:
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom: Any, top: Any) -> None:
        top[0].data[...] = self.gain * self.blobs[0].data * bottom[0].data

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if self.learns(0):
            self.blobs[0].diff[...] += self.gain * (top[0].diff * bottom[0].data).sum()
        if propagate_down[0]:
            bottom[0].diff[...] = self.gain * self.blobs[0].data * top[0].diff


CASES = [
    Case(
        'type: "MemoryData" memory_data_param { batch_size: 2 channels: 3 height: 2 width: 4 }',
        tops=2,
        hand_over=_hand_over_images,
    ),
    Case(
        f'type: "Python" python_param {{ module: "{__name__}" layer: "{Gate.__name__}" param_str: "1.5" }}',
        (normal(3, 4),),
        again=((2, 2, 3),),
    ),
]
