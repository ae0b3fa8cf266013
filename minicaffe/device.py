"""Which device computes: pycaffe's `set_mode_cpu`, `set_mode_gpu`, `set_device`.

This version computes on the CPU. Asking for a GPU is an error, never a silent detour.
"""

from __future__ import annotations

from minicaffe.errors import DeviceError


def set_mode_cpu() -> None:
    """Compute on the CPU (the only mode of this version)."""


def set_mode_gpu() -> None:
    """Raise DeviceError: this version has no GPU mode."""
    raise DeviceError(
        "GPU mode was asked for, but this version of minicaffe computes on the CPU only: leave out --gpu and "
        "set_mode_gpu(), and give --cpu where the solver file says 'solver_mode: GPU'"
    )


def set_device(device_id: int) -> None:
    """Raise DeviceError: this version has no GPU to choose. (pycaffe code calls it before `set_mode_gpu`.)"""
    raise DeviceError(f"GPU {device_id} was asked for, but this version of minicaffe computes on the CPU only")
