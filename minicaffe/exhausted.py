"""What to say when memory runs out: who holds most of it, and what to turn to need less."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minicaffe.errors import DeviceError, describe

if TYPE_CHECKING:
    from minicaffe.net import Net

LARGEST = 8


def exhausted(net: Net, index: int, error: MemoryError) -> DeviceError:
    """Return the error for memory that ran out in layer `index` of `net`."""
    where = "the GPU's memory" if net.setting.ops.on_device else "memory"
    held = sorted(consumers(net), reverse=True)
    rows = [f"    {size / 2**20:10.1f} MiB  {what}" for size, what in held[:LARGEST]]
    rest = sum(size for size, _ in held[LARGEST:])
    if rest:
        rows.append(f"    {rest / 2**20:10.1f} MiB  {len(held) - LARGEST} others")
    advice = (
        "smaller images (TRAIN.SCALES, TRAIN.MAX_SIZE), a smaller batch_size with a larger iter_size, fewer regions"
    )
    if net.setting.ops.on_device:
        advice += (
            "\n  nothing else on the GPU (nvidia-smi), or a higher limit (--gpu-memory, CUPY_GPU_MEMORY_LIMIT)"
            "\n  less for convolutions to work in: MINICAFFE_WORKSPACE=64M"
        )
    return DeviceError(
        "\n".join(
            [f"{describe(net.steps[index].param)}: {where} is full: {error}", "  the net holds", *rows]
            + [f"  to need less: {advice}"]
        )
    )


def consumers(net: Net) -> list[tuple[int, str]]:
    """Return (bytes, whose) of all memory that the net's parameters, blobs and layers hold, each piece once."""
    found = [(each.nbytes, f"all parameters' {what}") for what, each in net.flat.items()]
    seen: set[int] = {id(memory) for p in net.learnable for memory in (p.blob._data, p.blob._diff)}
    for step in net.steps:
        for blob in [*step.top, *step.layer.blobs]:
            for what, memory in (("data", blob._data), ("diff", blob._diff)):
                if memory.allocated and id(memory) not in seen:
                    seen.add(id(memory))
                    size = memory.capacity * blob.dtype.itemsize
                    found.append((size, f"{what} of {blob.name!r}, as {blob.shape_string}, of {describe(step.param)}"))
        kept = sum(_size(value) for value in vars(step.layer).values())
        if kept:
            found.append((kept, f"kept for backward by {describe(step.param)}"))
    return found


def _size(value: Any) -> int:
    return int(value.nbytes) if hasattr(value, "nbytes") and hasattr(value, "dtype") else 0
