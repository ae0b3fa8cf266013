"""Which device computes: pycaffe's `set_mode_cpu`, `set_mode_gpu`, `set_device`, and how a GPU is to compute.

A net runs on the device that is set while it is built. GPU mode needs CuPy and an NVIDIA GPU; asking for it where one
of them is missing is an error that says what to install, never a silent detour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minicaffe import ops as _ops
from minicaffe.errors import DeviceError
from minicaffe.ops.cuda import nvidia, options, products
from minicaffe.ops.cuda.options import OPTIONS

_CPU = "run on the CPU: add --cpu; what this machine has: minicaffe devices"

_current: Any = None  # the operations of the device in force; None: the CPU's


def ops() -> Any:
    """Return the operations of the device in force (see `minicaffe.ops`)."""
    return _current or _ops.default()


@contextmanager
def using(operations: Any) -> Iterator[None]:
    """Within the `with` block nets are built on the device of these operations."""
    global _current  # noqa: PLW0603
    before, _current = _current, operations
    try:
        yield
    finally:
        _current = before


def set_mode_cpu() -> None:
    """Compute on the CPU."""
    global _current  # noqa: PLW0603
    _current = None


def set_mode_gpu(asked: str = "set_mode_gpu()") -> None:
    """Compute on the GPU that `set_device` chose, or the first.

    DeviceError, beginning with who `asked` and saying what to install, where there is none.
    """
    global _current  # noqa: PLW0603
    cupy = _cupy(asked)
    cupy.cuda.Device().use()
    products.set_tf32(cupy, OPTIONS.tf32)
    _current = _ops.cuda()


def set_device(device_id: int, asked: str = "") -> None:
    """Choose the GPU that GPU mode runs on. DeviceError if there is none of that number."""
    cupy = _cupy(asked or f"set_device({device_id})")
    count = cupy.cuda.runtime.getDeviceCount()
    if not 0 <= device_id < count:
        known = "only GPU 0" if count == 1 else f"GPUs 0 to {count - 1}"
        raise DeviceError(f"{asked or 'set_device'}: there is no GPU {device_id}, this machine has {known}")
    cupy.cuda.Device(device_id).use()


def set_tf32(on: bool) -> None:
    """Let GPUs round the factors of products to TF32, in cuBLAS and cuDNN alike, or not (the default)."""
    OPTIONS.tf32 = on
    if _current is not None:
        products.set_tf32(_current.xp, on)


def set_deterministic(on: bool) -> None:
    """Let GPUs use only such algorithms as give the same bits every time."""
    OPTIONS.deterministic = on


def device_names() -> list[str]:
    """Return the names of this machine's GPUs, in the order of their numbers; none without CuPy."""
    try:
        cupy = _cupy("")
    except DeviceError:
        return []
    runtime = cupy.cuda.runtime
    names = [runtime.getDeviceProperties(i)["name"] for i in range(runtime.getDeviceCount())]
    return [name.decode() if isinstance(name, bytes) else name for name in names]


def limit_memory(size: str) -> None:
    """Let arrays take at most `size` of the GPU's memory: "8.7G", "900M", or a share like "80%"; "0" for no limit.

    ValueError for anything else.
    """
    share = re.fullmatch(r"(\d+(?:\.\d+)?)%", size.strip())
    limit = {"fraction": float(share[1]) / 100} if share else {"size": options.size(size)}
    _cupy("a memory limit").get_default_memory_pool().set_limit(**limit)


def _cupy(asked: str) -> Any:
    """Return the module cupy, of a version and on a machine that can compute; DeviceError to who `asked` if not."""
    try:
        import cupy
    except Exception as error:
        raise DeviceError(
            f"{asked} asks for a GPU, but CuPy is not here ({error})\n  {nvidia.advice()}\n  {_CPU}"
        ) from None
    if int(cupy.__version__.partition(".")[0]) < 14:
        raise DeviceError(
            f"{asked} asks for a GPU, but CuPy {cupy.__version__} is too old\n  {nvidia.advice()}\n  {_CPU}"
        )
    if not cupy.cuda.is_available():
        why = "finds no GPU" if nvidia.driver_cuda() else "finds no NVIDIA driver"
        raise DeviceError(
            f"{asked} asks for a GPU, but CuPy {cupy.__version__} {why} on this machine\n"
            "  look at nvidia-smi and at the variable CUDA_VISIBLE_DEVICES\n"
            f"  {_CPU}"
        )
    return cupy
