"""Driving a net with more items than one batch holds, and feeding MemoryData: the array half of pycaffe's Net."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minicaffe.errors import NetError

if TYPE_CHECKING:
    from minicaffe.net import Net


def forward_all(net: Net, blobs: Sequence[str] | None = None, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Run forward over any number of items, batch by batch.

    Each input is [items, ...]; the last batch is padded with zeros and the padding cut off again. Returns copies:
    [items, ...] of every output and of the further `blobs`.
    """
    found: dict[str, list[np.ndarray]] = {}
    items = 0
    for batch in _batches(net, inputs):
        items = len(next(iter(inputs.values())))
        for name, values in net.forward(blobs=blobs, **batch).items():
            found.setdefault(name, []).extend(values.copy())
    return {name: np.asarray(values)[:items] for name, values in found.items()}


def forward_backward_all(
    net: Net, blobs: Sequence[str] | None = None, diffs: Sequence[str] | None = None, **arrays: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Run forward and backward over any number of items; `arrays` holds inputs and, by output name, output diffs."""
    inputs = {name: values for name, values in arrays.items() if name in net.inputs}
    outdiffs = {name: values for name, values in arrays.items() if name in net.outputs}
    outputs: dict[str, list[np.ndarray]] = {}
    gradients: dict[str, list[np.ndarray]] = {}
    items = len(next(iter(inputs.values())))
    for batch, batch_diffs in zip(_batches(net, inputs), _batches(net, outdiffs or inputs), strict=True):
        for name, values in net.forward(blobs=blobs, **batch).items():
            outputs.setdefault(name, []).extend(values.copy())
        for name, values in net.backward(diffs=diffs, **(batch_diffs if outdiffs else {})).items():
            gradients.setdefault(name, []).extend(values.copy())

    def trimmed(rows: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
        return {name: np.asarray(values)[:items] for name, values in rows.items()}

    return trimmed(outputs), trimmed(gradients)


def set_input_arrays(net: Net, data: np.ndarray, labels: np.ndarray) -> None:
    """Feed arrays to the MemoryData layer at the bottom of the net: data [items, C, H, W] and labels [items],
    float32."""
    layer: Any = net.layers[0]
    if net.steps[0].param.type != "MemoryData":
        raise NetError(f"set_input_arrays feeds a MemoryData layer, but the first layer is {net.steps[0].param.type}")
    layer.set_input_arrays(data, labels)


def _batches(net: Net, arrays: dict[str, np.ndarray]) -> Iterator[dict[str, Any]]:
    """Cut arrays of equal length into batches of the net's first blob, the last one padded with zeros."""
    if not arrays:
        raise NetError("give the net's inputs as keyword arguments")
    lengths = {name: len(values) for name, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise NetError(f"the arrays differ in their number of items: {lengths}")
    size = next(iter(net.blobs.values())).num
    length = next(iter(lengths.values()))
    for begin in range(0, length, size):
        batch = {name: np.asarray(values[begin : begin + size]) for name, values in arrays.items()}
        missing = size - min(size, length - begin)
        if missing:
            batch = {
                name: np.concatenate([values, np.zeros((missing, *values.shape[1:]), values.dtype)])
                for name, values in batch.items()
            }
        yield batch
