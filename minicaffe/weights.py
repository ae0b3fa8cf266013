"""Weights in and out of a net: `.caffemodel` and HDF5, matched by layer name, with one table that says what
happened."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minicaffe.errors import NetError, WeightsError, describe, missing_dependency
from minicaffe.files import written_aside
from minicaffe.ops.arrays import as_numpy
from minicaffe.proto import schema
from minicaffe.proto import wire as wire_format

if TYPE_CHECKING:
    from minicaffe.net import Net
    from minicaffe.step import Step

log = logging.getLogger("minicaffe")

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


@dataclass
class Report:
    """What a weights file gave: layers loaded, layers the file lacks (and what fills them), layers of the file that
    the net lacks, and layers whose blobs do not fit (only when that was allowed)."""

    path: str
    loaded: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    mismatched: dict[str, str] = field(default_factory=dict)

    def table(self) -> str:
        """Return the report as lines of text, one state of affairs a line."""
        rows = [("loaded", self.loaded, "")]
        rows += [("missing", [name], f": {why}") for name, why in self.missing.items()]
        rows += [("unused", self.unused, "")] if self.unused else []
        rows += [("mismatched", [name], f": {why}") for name, why in self.mismatched.items()]
        lines = [f"  {state:<11}{len(names):>4}  {', '.join(names)}{why}" for state, names, why in rows]
        return "\n".join([f"Weights from {self.path}", *lines])


def load(net: Net, path: str | Path, skip_mismatch: bool = False) -> Report:
    """Copy the weights in `path` into the layers of equal name; log and return the Report.

    Raises WeightsError when a layer's blobs differ in number or shape from the file's, unless `skip_mismatch`.
    """
    path = Path(path)
    _check_file(path)
    report = Report(str(path))
    if is_hdf5(path):
        _load_hdf5(net, path, report, skip_mismatch)
    else:
        _load_binary(net, path, report, skip_mismatch)
    for param in net.learnable:
        if param.layer in report.loaded:
            param.unfilled = False
    _explain_missing(net, report)
    log.info("%s", report.table())
    if net.learnable and not report.loaded:
        log.warning("%s fills no layer of the net: layers are matched by name, and none that fits is in the file", path)
    return report


def _check_file(path: Path) -> None:
    if not path.is_file():
        why = "it is a folder; name a file in it" if path.is_dir() else "there is no such file"
        raise WeightsError(f"Could not open weights file {path}: {why}")


def is_hdf5(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(8) == HDF5_SIGNATURE


def _load_binary(net: Net, path: Path, report: Report, skip_mismatch: bool) -> None:
    first = _first_by_name(net)
    for layer in wire_format.read_weights(path).layers:
        step = first.get(layer.name)
        if step is None:
            if layer.blobs:
                _unused(report, layer.name)
            continue
        if not layer.blobs and not step.layer.blobs:
            continue
        problem = _misfit(step, layer.blobs)
        if problem:
            _mismatch(report, step, path, problem, skip_mismatch)
            continue
        for target, source in zip(step.layer.blobs, layer.blobs, strict=True):
            with target.edited() as values:
                source.copy_to(values)
        report.loaded.append(layer.name)


def _unused(report: Report, layer: str) -> None:
    report.unused.append(layer)
    log.info("Ignoring source layer %s", layer)


def _first_by_name(net: Net) -> dict[str, Step]:
    first: dict[str, Step] = {}
    for step in net.steps:
        first.setdefault(step.param.name, step)
    return first


def _misfit(step: Step, sources: Any) -> str:
    """Say how the file's blobs do not fit the layer; an empty string when they do."""
    targets = step.layer.blobs
    if len(sources) != len(targets):
        return (
            f"Incompatible number of blobs for layer {step.param.name}: the net has {len(targets)}, file {len(sources)}"
        )
    for index, (target, source) in enumerate(zip(targets, sources, strict=True)):
        if not shapes_match(target.shape, source.shape, source.legacy):
            return (
                f"Cannot copy param {index} weights from layer '{step.param.name}'; shape mismatch. Source param "
                f"shape is {tuple(source.shape)}; target param shape is {target.shape}"
            )
    return ""


def shapes_match(target: tuple[int, ...], source: tuple[int, ...], legacy: bool) -> bool:
    """Whether a blob of the file fits: equal shapes, or for legacy 4-D files equal when aligned at the right."""
    if not legacy:
        return tuple(target) == tuple(source)
    return len(target) <= 4 and (1,) * (4 - len(target)) + tuple(target) == (1,) * (4 - len(source)) + tuple(source)


def _mismatch(report: Report, step: Step, path: Path, problem: str, allowed: bool) -> None:
    if not allowed:
        raise WeightsError(
            f"{describe(step.param)}: {problem}\n  while reading {path}\n  To learn this layer's parameters from "
            "scratch rather than copying from a saved net, rename the layer; or skip what does not fit "
            "(train --skip-mismatch, or skip_mismatch=True)"
        )
    report.mismatched[step.param.name] = problem


def _explain_missing(net: Net, report: Report) -> None:
    """Note for every layer with parameters that the file did not fill where its values come from."""
    given = {id(blob._data) for s in net.steps if s.param.name in report.loaded for blob in s.layer.blobs}
    for step in net.steps:
        name = step.param.name
        if not step.layer.blobs or name in report.loaded or name in report.mismatched:
            continue
        if all(id(blob._data) in given for blob in step.layer.blobs):
            report.missing[name] = "filled through the parameters it shares with a loaded layer"
            continue
        kinds = [
            f"{filler.type}{f'({filler.value:g})' if filler.type == 'constant' else ''}"
            for _, filler in sorted(step.layer.fillers.items())
        ]
        report.missing[name] = f"keeps its filler's values ({', '.join(kinds) or 'zeros'})"


def share_layers(net: Net, other: Net) -> None:
    """Use `other`'s parameter data in the layers of `net` of equal name (the first of that name); shapes must be
    equal."""
    theirs = _first_by_name(other)
    for step in net.steps:
        source = theirs.get(step.param.name)
        if source is None:
            continue
        if [b.shape for b in step.layer.blobs] != [b.shape for b in source.layer.blobs]:
            raise NetError(
                f"{describe(step.param)}: cannot share weights with {describe(source.param)}: blobs "
                f"{[b.shape for b in step.layer.blobs]} against {[b.shape for b in source.layer.blobs]}"
            )
        for mine, their in zip(step.layer.blobs, source.layer.blobs, strict=True):
            mine.share_data(their)


def load_weights(path: str | Path) -> dict[str, list[np.ndarray]]:
    """Return the weights in a .caffemodel or HDF5 file as layer name → arrays, without any prototxt.

    The arrays have the shapes and dtypes they are stored with, legacy 4-D shapes included. Of several layers of one
    name the first counts.
    """
    path = Path(path)
    _check_file(path)
    if is_hdf5(path):
        with _open_hdf5(path) as file:
            layers = file.get("data", {})
            return {name: [np.asarray(group[key]) for key in sorted(group, key=int)] for name, group in layers.items()}
    found: dict[str, list[np.ndarray]] = {}
    for layer in wire_format.read_weights(path).layers:
        if layer.blobs:
            found.setdefault(layer.name, [blob.data for blob in layer.blobs])
    return found


# -- saving -----------------------------------------------------------------------------------------------------------


def definition(net: Net) -> Any:
    """Return the NetParameter of the net as it was built: filtered, split, phases and loss weights filled in, no
    blobs."""
    message = schema.NetParameter(name=net.name)
    message.layer.extend(step.param for step in net.steps)
    return message


def save(net: Net, path: str | Path, write_diff: bool = False) -> None:
    """Write the net's .caffemodel; a shared parameter stands in every layer that shares it, as Caffe writes it."""
    data = [[as_numpy(blob.array) for blob in step.layer.blobs] for step in net.steps]
    diff = [[as_numpy(blob.diff_array) for blob in step.layer.blobs] for step in net.steps] if write_diff else None
    wire_format.write_net(path, definition(net), data, diff)


def save_hdf5(net: Net, path: str | Path, write_diff: bool = False) -> None:
    """Write `/data/LAYER/INDEX` for every owned parameter (and `/diff/LAYER/INDEX` for all, with `write_diff`)."""
    owned = {id(param.blob) for param in net.learnable}
    with written_aside(path) as aside, _h5py().File(aside, "w") as file:
        data = file.create_group("data")
        diff = file.create_group("diff") if write_diff else None
        for step in net.steps:
            group = data.require_group(step.param.name)
            diff_group = diff.require_group(step.param.name) if diff is not None else None
            for index, blob in enumerate(step.layer.blobs):
                if id(blob) in owned and str(index) not in group:
                    group.create_dataset(str(index), data=as_numpy(blob.array))
                if diff_group is not None and str(index) not in diff_group:
                    diff_group.create_dataset(str(index), data=as_numpy(blob.diff_array))


def _load_hdf5(net: Net, path: Path, report: Report, skip_mismatch: bool) -> None:
    owned = {id(param.blob) for param in net.learnable}
    last = {step.param.name: step for step in net.steps}
    with _open_hdf5(path) as file:
        if "data" not in file:
            raise WeightsError(f"{path}: an HDF5 file, but without the group 'data' that weights are stored in")
        for name, group in file["data"].items():
            step = last.get(name)
            if step is None:
                if len(group):
                    _unused(report, name)
                continue
            if not len(group) and not step.layer.blobs:
                continue
            problem = _hdf5_misfit(step, group, owned)
            if problem:
                _mismatch(report, step, path, problem, skip_mismatch)
                continue
            for index, blob in _present(step, group):
                with blob.edited() as values:
                    group[str(index)].read_direct(values)  # straight into place, converted on the way
            report.loaded.append(name)


def _present(step: Step, group: Any) -> Iterator[tuple[int, Any]]:
    return ((index, blob) for index, blob in enumerate(step.layer.blobs) if str(index) in group)


def _hdf5_misfit(step: Step, group: Any, owned: set[int]) -> str:
    targets = step.layer.blobs
    if len(group) > len(targets):
        return (
            f"Incompatible number of blobs for layer {step.param.name}: the net has {len(targets)}, file {len(group)}"
        )
    for index, blob in enumerate(targets):
        if str(index) not in group:
            if id(blob) in owned:
                return f"Incompatible number of blobs for layer {step.param.name}: the file lacks blob {index}"
        elif tuple(group[str(index)].shape) != blob.shape:
            return (
                f"Cannot copy param {index} weights from layer '{step.param.name}'; shape mismatch. Source param "
                f"shape is {tuple(group[str(index)].shape)}; target param shape is {blob.shape}"
            )
    return ""


@contextmanager
def _open_hdf5(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading; what the library says of a damaged one becomes a WeightsError naming the file."""
    try:
        with _h5py().File(path, "r") as file:
            yield file
    except OSError as error:
        raise WeightsError(f"{path}: an HDF5 file that cannot be read, probably cut short: {error}") from error


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise missing_dependency("h5py", "data", "reading and writing HDF5") from None
    return h5py
