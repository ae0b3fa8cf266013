"""The checker must find fault: each layer here breaks one rule, and is caught by the check made for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from minicaffe import layer
from minicaffe.blob import Blob
from minicaffe.layer import Layer
from minicaffe.testing import Case, CheckError, check, check_elements, normal, uniform
from minicaffe.testing.gradcheck import (
    check_float32,
    check_forward,
    check_gradients,
    check_in_place,
    check_propagate_down,
    check_repeated_backward,
    check_reshape,
)


class Affine(Layer):
    """y = w x + z, everything as it should be; the others differ from it by their fault."""

    bottoms = 2
    tops = 1

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.add_param((1,))

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        top[0].reshape_like(bottom[0])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.x = bottom[0].array.copy()
        top[0].array[...] = self.blobs[0].array * self.x + bottom[1].array

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        dy = top[0].diff_array
        if self.learns(0):
            self.blobs[0].diff_array[...] += (dy * self.x).sum()
        if propagate_down[1]:
            bottom[1].diff_array[...] = dy
        if propagate_down[0]:
            bottom[0].diff_array[...] = dy * self.blobs[0].array


class WrongGradient(Affine):
    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        super().backward(top, propagate_down, bottom)
        bottom[1].diff_array[...] *= 1.001 if propagate_down[1] else 1


class WrongParameterGradient(Affine):
    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        super().backward(top, propagate_down, bottom)
        self.blobs[0].diff_array[...] += 1e-3


class AddsToBottoms(Affine):
    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        bottom[1].diff_array[...] += top[0].diff_array
        super().backward(top, (propagate_down[0], False), bottom)


class OverwritesParameters(Affine):
    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        self.blobs[0].diff_array[...] = 0
        super().backward(top, propagate_down, bottom)


class ScalesTopDiff(Affine):
    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        super().backward(top, propagate_down, bottom)
        top[0].diff_array[...] *= 2


class IgnoresPropagateDown(Affine):
    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        super().backward(top, (True, True), bottom)


class NeedsBothBottoms(Affine):
    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        super().backward(top, propagate_down, bottom)
        bottom[0].diff_array[...] *= 1 if all(propagate_down) or not propagate_down[0] else 2


class IgnoresLearns(Affine):
    def learns(self, index: int) -> bool:
        return True


class ReadsBottomInBackward(Affine):
    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        self.x = bottom[0].array
        super().backward(top, propagate_down, bottom)


class KeepsItsFirstShape(Affine):
    def forward(self, bottom: Any, top: Any) -> None:
        super().forward(bottom, top)
        self.first = getattr(self, "first", None) or self.x.shape[0]

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        super().backward(top, propagate_down, bottom)
        if propagate_down[1]:
            bottom[1].diff_array[self.first :] = 0


class Remembers(Affine):
    def forward(self, bottom: Any, top: Any) -> None:
        super().forward(bottom, top)
        self.calls = getattr(self, "calls", -1) + 1
        top[0].array[...] += self.calls


class WritesToBottom(Affine):
    def forward(self, bottom: Any, top: Any) -> None:
        super().forward(bottom, top)
        bottom[0].array[...] = 0


class NotFinite(Affine):
    def forward(self, bottom: Any, top: Any) -> None:
        super().forward(bottom, top)
        top[0].array.flat[0] = np.inf


class DrawsFromElsewhere(Affine):
    generator = np.random.Generator(np.random.PCG64(0))

    def forward(self, bottom: Any, top: Any) -> None:
        super().forward(bottom, top)
        top[0].array[...] += self.generator.standard_normal(top[0].shape)


class LosesPrecision(Affine):
    def forward(self, bottom: Any, top: Any) -> None:
        super().forward(bottom, top)
        if self.setting.dtype == np.float32:
            top[0].array[...] = top[0].array.astype(np.float16)


class HidesItsGradient(Affine):
    """Its case says that bottom 1 has no gradient."""


FAULTS: list[tuple[type[Layer], Callable[[Case], None], str]] = [
    (WrongGradient, check_gradients, r"gradient of bottom\[1\]"),
    (WrongParameterGradient, check_gradients, "gradient of parameter 0"),
    (AddsToBottoms, check_gradients, r"gradient of bottom\[1\]"),
    (AddsToBottoms, check_repeated_backward, r"bottom\[1\] after a second backward"),
    (OverwritesParameters, check_repeated_backward, "parameter 0 after a second backward"),
    (ScalesTopDiff, check_repeated_backward, r"diff of top\[0\] after a backward"),
    (IgnoresPropagateDown, check_propagate_down, "was written to"),
    (NeedsBothBottoms, check_propagate_down, r"propagate_down for bottoms \[0\]: gradient of bottom\[0\]"),
    (IgnoresLearns, check_propagate_down, r"parameters \[\] learning: gradient of parameter 0"),
    (ReadsBottomInBackward, check_in_place, "in place: diff of parameter 0"),
    (KeepsItsFirstShape, check_reshape, r"reshaped to \(\(5, 2\), \(5, 2\)\): diff of bottom 1"),
    (Remembers, check_reshape, "top 0"),
    (WritesToBottom, check_forward, r"bottom\[0\] after forward"),
    (NotFinite, check_forward, r"top\[0\] is not finite"),
    (DrawsFromElsewhere, check_forward, r"top\[0\] of a second layer"),
    (LosesPrecision, check_float32, "float32: top 0"),
]


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Case]]:
    """Return a maker of cases for one of the layers above, registered for the length of a test."""

    def make(cls: type[Layer], **more: Any) -> Case:
        monkeypatch.setitem(layer._registry, cls.__name__, cls)
        return Case(
            f'type: "{cls.__name__}"',
            (normal(3, 2), normal(3, 2)),
            in_place=True,
            again=((5, 2), (5, 2)),
            **more,
        )

    yield make


def test_a_right_layer_passes_everything(case: Callable[..., Case]) -> None:
    check(case(Affine))
    check_elements(case(Affine))
    check_elements(case(Affine), exhaustive=True)


@pytest.mark.parametrize(("cls", "one", "message"), FAULTS, ids=lambda v: getattr(v, "__name__", ""))
def test_fault_is_found(cls: type[Layer], one: Callable[[Case], None], message: str, case: Callable[..., Case]) -> None:
    with pytest.raises(CheckError, match=rf"{cls.__name__}: .*{message}"):
        one(case(cls))
    with pytest.raises(CheckError):
        check(case(cls))


def test_a_gradient_that_the_case_denies_is_found(case: Callable[..., Case]) -> None:
    with pytest.raises(CheckError, match=r"bottom\[1\] is said to have no gradient, yet backward gave"):
        check_propagate_down(case(HidesItsGradient, gradients=(0,)))


@pytest.mark.parametrize("exhaustive", [False, True])
def test_elements_find_a_wrong_derivative(exhaustive: bool, case: Callable[..., Case]) -> None:
    class Doubled(Affine):
        def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
            super().backward(top, propagate_down, bottom)
            bottom[1].diff_array[2, 1] *= 2

    with pytest.raises(CheckError, match=r"gradient of bottom\[1\] at 5"):
        check_elements(case(Doubled), exhaustive=exhaustive)


def test_elements_skip_a_kink(monkeypatch: pytest.MonkeyPatch) -> None:
    class Absolute(Layer):
        bottoms = tops = 1

        def reshape(self, bottom: Any, top: Any) -> None:
            top[0].reshape_like(bottom[0])

        def forward(self, bottom: Any, top: Any) -> None:
            top[0].array[...] = 1 + abs(bottom[0].array)

        def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
            bottom[0].diff_array[...] = top[0].diff_array * np.sign(bottom[0].array)

    monkeypatch.setitem(layer._registry, "Absolute", Absolute)
    near_zero = Case('type: "Absolute"', (uniform(-0.004, 0.004, 4),))
    check_elements(near_zero, kink=0, kink_range=0.01)
    with pytest.raises(CheckError):
        check_elements(near_zero)


def test_gradient_denied_by_an_error_or_by_silence_is_accepted(case: Callable[..., Case]) -> None:
    class Refuses(Affine):
        def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
            self.no_gradient(propagate_down, 1)
            super().backward(top, propagate_down, bottom)

    class Zeroes(Affine):
        def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
            super().backward(top, (propagate_down[0], False), bottom)
            bottom[1].diff_array[...] *= not propagate_down[1]

    check(case(Refuses, gradients=(0,)))
    check(case(Zeroes, gradients=(0,)))
