"""The device pycaffe programs choose: there is the CPU, and a GPU is never quietly replaced by it."""

from __future__ import annotations

import pytest

import minicaffe
from minicaffe.errors import DeviceError


def test_the_cpu_may_be_asked_for_as_often_as_one_likes() -> None:
    for _ in range(2):
        assert minicaffe.set_mode_cpu() is None


def test_a_gpu_is_refused_with_the_way_out() -> None:
    with pytest.raises(DeviceError, match=r"computes on the CPU only: leave out --gpu and set_mode_gpu\(\)"):
        minicaffe.set_mode_gpu()
    with pytest.raises(DeviceError, match="GPU 1 was asked for"):
        minicaffe.set_device(1)
