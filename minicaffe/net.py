"""Net: a definition turned into layers that run forward and backward.

`Net(...)` only runs the passes of `minicaffe.graph` in order and builds the layers from the result; after that a net
is a list of steps, walked forwards and backwards. The public names are pycaffe's.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe import assembly, batches, device, parameters
from minicaffe import layers as _layers  # noqa: F401  (registers every layer type)
from minicaffe import weights as weights_io
from minicaffe.blob import Blob, BlobVec
from minicaffe.errors import NetError, did_you_mean
from minicaffe.graph import filter_net, insert_splits, merge_state, wire
from minicaffe.layer import Layer, Setting, layer_type_list
from minicaffe.layers.fork_fields import refuse_in_net
from minicaffe.lean import Lean
from minicaffe.phase import TRAIN, Phase, as_phase
from minicaffe.proto import read_net, to_text
from minicaffe.rng import Streams
from minicaffe.walk import Walk

log = logging.getLogger("minicaffe")

__all__ = ["Net", "layer_type_list"]


class Net(Walk):
    """A net in one phase.

    `Net(file, phase, level=0, stages=None, weights=None)`, or the older `Net(file, weights, phase)`. `network_file`
    may also be a NetParameter, with `folder` the place its relative paths start from. `state` (a NetState) replaces
    phase, level and stages when the caller has merged them already. `share` is a net of which parameters of equal
    layer name are used instead of own ones. `lean`: let blobs share memory; once no layer needs a blob's values they
    are gone, but for the inputs, the outputs and the blobs named here (see `minicaffe.lean`). dtype float64 is for
    checking gradients. `ops` are the operations of the device to run on (default: of the one `minicaffe.device`
    says). Raises NetError, PrototxtError, WeightsError.
    """

    def __init__(
        self,
        network_file: Any,
        *positional: Any,
        phase: int | str | None = None,
        level: int = 0,
        stages: str | Iterable[str] | None = None,
        weights: str | Path | None = None,
        state: Any = None,
        dtype: Any = np.float32,
        streams: Streams | None = None,
        folder: Path | None = None,
        share: Net | None = None,
        rank: int = 0,
        size: int = 1,
        ops: Any = None,
        lean: bool | Iterable[str] = False,
    ):
        super().__init__()
        phase, level, stages, weights = _pycaffe_arguments(positional, phase, level, stages, weights)
        if isinstance(network_file, (str, Path)):
            definition = read_net(network_file)
            folder = folder or Path(network_file).resolve().parent
        else:
            definition = network_file
        if state is None:
            if phase is None:
                raise TypeError("Net(file, phase): say TRAIN or TEST")
            state = merge_state(as_phase(phase), definition.state)
            state.phase = int(as_phase(phase))
            state.level = level
            state.stage.extend([stages] if isinstance(stages, str) else stages or ())
        self.name: str = definition.name
        self.phase = Phase(state.phase)
        self.streams = streams or Streams()
        self.debug_info: bool = definition.debug_info
        self.setting = Setting(
            self.phase, dtype, ops or device.ops(), self.streams, folder, rank=rank, size=size, build_net=Net
        )
        self._build(definition, state, share)
        self._lean = self._plan_memory(lean) if lean and not self.debug_info else None
        if weights is not None:
            self.copy_from(weights)

    # -- construction -------------------------------------------------------------------------------------------------

    def _build(self, definition: Any, state: Any, share: Net | None) -> None:
        refuse_in_net(definition)
        filtered = filter_net(definition, state)
        if log.isEnabledFor(logging.INFO):
            log.info("Initializing net from parameters: \n%s", to_text(filtered))
        self.graph = wire(insert_splits(filtered, definition), assembly.tops_made)
        self.steps, self._blobs = assembly.build_steps(self.graph, self.setting)
        slots, owned = parameters.share_parameters(self.steps)
        self.plan = assembly.plan(self.steps, definition.force_backward)
        self.fusions = {fusion.first: fusion.last for fusion in assembly.fuse(self.steps)}
        self.backward_fusions = {fusion.last: fusion.first for fusion in assembly.fuse(self.steps, backward=True)}
        self.learnable = parameters.learnable_params(self.steps, slots, owned)
        borrowed = self._borrow(share)
        own = [param for param in self.learnable if (param.layer, param.index) not in borrowed]
        self._flat_data, self._flat_diff = parameters.allocate(own, self.setting.dtype, self.setting.ops.xp)
        parameters.alias_sharers(self.steps, slots)
        parameters.fill_parameters(
            self.steps, slots, self.setting, self.learnable, lambda name, index: (name, index) in borrowed
        )
        self._name_things()
        self._log_plan()

    def _plan_memory(self, lean: bool | Iterable[str]) -> Lean:
        asked = () if isinstance(lean, bool) else lean
        kept = [self.blobs[name] for name in (*self.inputs, *self.outputs, *asked)]
        return Lean(self.steps, kept, trains=self.phase == TRAIN)

    def _borrow(self, share: Net | None) -> set[tuple[str, int]]:
        """Use the data of `share`'s parameters wherever layers of one name have them; return which those were."""
        if share is None:
            return set()
        self._by_name()
        weights_io.share_layers(self, share)
        return {
            (step.param.name, index)
            for step in self.steps
            if step.param.name in share.layer_dict
            for index in range(len(step.layer.blobs))
        }

    def _by_name(self) -> None:
        self.layer_dict: OrderedDict[str, Layer] = OrderedDict((step.param.name, step.layer) for step in self.steps)

    def _name_things(self) -> None:
        self._by_name()
        self.layers: list[Layer] = [step.layer for step in self.steps]
        self._layer_names: list[str] = [step.param.name for step in self.steps]
        self._blob_names: list[str] = list(self.graph.blob_names)
        self.blobs: OrderedDict[str, Blob] = OrderedDict(zip(self._blob_names, self._blobs, strict=True))
        self.params: OrderedDict[str, BlobVec] = OrderedDict(
            (step.param.name, step.layer.blobs) for step in self.steps if step.layer.blobs
        )
        self.inputs: list[str] = [self._blob_names[i] for i in self.graph.inputs]
        self.outputs: list[str] = [self._blob_names[i] for i in self.graph.outputs]
        self.bottom_names = OrderedDict((s.param.name, [b.name for b in s.bottom]) for s in self.steps)
        self.top_names = OrderedDict((s.param.name, [b.name for b in s.top]) for s in self.steps)
        loss_weights = {id(blob): weight for step in self.steps for blob, weight in step.losses}
        self.blob_loss_weights = OrderedDict(
            (name, loss_weights.get(id(blob), 0.0)) for name, blob in zip(self._blob_names, self._blobs, strict=True)
        )

    def _log_plan(self) -> None:
        for step in reversed(self.steps):
            need = "needs" if step.runs_backward else "does not need"
            log.info("%s %s backward computation.", step.param.name, need)
        for name in self.outputs:
            log.info("This network produces output %s", name)
        log.info("Network initialization done.")
        log.info("Memory required for data: %d", self.memory_used)

    @property
    def memory_used(self) -> int:
        """Bytes of all tops, in-place ones counted again, as Caffe's log counts them."""
        return sum(blob.count * blob.dtype.itemsize for step in self.steps for blob in step.top)

    @property
    def output_weights(self) -> list[tuple[str, float]]:
        """Name and loss weight of every output, in the order of `outputs`."""
        return [(name, self.blob_loss_weights[name]) for name in self.outputs]

    # -- running ------------------------------------------------------------------------------------------------------

    def _attempt(self, index: int, run: Callable[..., Any], *arguments: Any) -> Any:
        """Run a part of layer `index`; when memory runs out, say who holds it."""
        try:
            return run(*arguments)
        except MemoryError as error:
            from minicaffe.exhausted import exhausted

            raise exhausted(self, index, error) from error

    def forward(
        self, blobs: Sequence[str] | None = None, start: str | None = None, end: str | None = None, **inputs: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Set `inputs` by blob name, run from layer `start` to layer `end`, return the outputs (or the tops of `end`).

        With inputs given they must be exactly the net's; each is an array of the blob's shape, or broadcast to it.
        `blobs` names further blobs to return. The arrays returned are live views.
        """
        if inputs:
            if set(inputs) != set(self.inputs):
                raise NetError(
                    f"Input blob arguments do not match net inputs. Given: {sorted(inputs)}; the net's: {self.inputs}"
                )
            for name, values in inputs.items():
                self._assign(self.blobs[name], "data", values)
        self.forward_loss(self._layer_index(start, 0), self._layer_index(end, len(self.steps) - 1))
        wanted = self.top_names[end] if end is not None else self.outputs
        return {name: self._blob(name).data for name in [*wanted, *(blobs or ())]}

    def backward(
        self,
        diffs: Sequence[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **outdiffs: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Set `outdiffs` by output name, run backward from layer `start` down to `end`, return the diffs of the inputs.

        The mirror image of `forward`; with `end`, the diffs of that layer's bottoms are returned.
        """
        if outdiffs:
            tops = self.top_names[start] if start is not None else self.outputs
            if set(outdiffs) != set(tops):
                raise NetError(
                    f"Top diff arguments do not match net outputs. Given: {sorted(outdiffs)}; expected: {tops}"
                )
            for name, values in outdiffs.items():
                self._assign(self.blobs[name], "diff", values)
        first = None if start is None else self._layer_index(start, 0)
        self.run_backward(first, self._layer_index(end, 0))
        wanted = self.bottom_names[end] if end is not None else self.inputs
        return {name: self._blob(name).diff for name in [*wanted, *(diffs or ())]}

    forward_all = batches.forward_all
    forward_backward_all = batches.forward_backward_all
    set_input_arrays = batches.set_input_arrays

    def reshape(self) -> None:
        """Let every layer adapt to the shapes of the inputs as they are now."""
        for step in self.steps:
            step.call("reshape", step.bottom, step.top)

    @property
    def flat_data(self) -> Any:
        """All parameters of the net's own, in one flat array of the device."""
        self._settle()
        return self._flat_data

    @property
    def flat_diff(self) -> Any:
        """The diffs of those that are trained, in one flat array of the device."""
        self._settle()
        return self._flat_diff

    def release_flat(self) -> None:
        """Let go of the flat arrays: another net takes the parameters into its own."""
        self._flat_data = self._flat_diff = self.setting.ops.xp.zeros(0, self.setting.dtype)

    @property
    def flat(self) -> dict[str, Any]:
        """Both flat arrays, by what they hold."""
        return {"data": self._flat_data, "diff": self._flat_diff}

    def _settle(self) -> None:
        """Bring to the device what a program has written to parameters on the host."""
        if self.setting.ops.on_device:
            for param in self.learnable:
                _ = param.blob.array, param.blob.has_diff and param.blob.diff_array

    def clear_param_diffs(self) -> None:
        """Zero the diffs of all learnable parameters."""
        self.flat_diff.fill(0)
        for param in self.learnable:
            if not param.trained and param.blob.has_diff:
                param.blob.diff_array.fill(0)

    def _assign(self, blob: Blob, half: str, values: np.ndarray) -> None:
        values = np.asarray(values)
        if values.ndim and blob.shape and values.shape[0] != blob.shape[0]:
            raise NetError(
                f"Input is not batch sized: {blob.name!r} holds {blob.shape[0]} items, {values.shape[0]} were given; "
                f"net.blobs[{blob.name!r}].reshape(...) first"
            )
        try:
            getattr(blob, half)[...] = values
        except ValueError as error:
            raise NetError(f"blob {blob.name!r} of shape {blob.shape} cannot take what is given: {error}") from None

    def _blob(self, name: str) -> Blob:
        if name not in self.blobs:
            raise NetError(f"no blob {name!r} in net {self.name!r}{did_you_mean(name, self.blobs)}")
        return self.blobs[name]

    def _layer_index(self, name: str | None, default: int) -> int:
        if name is None:
            return default
        if name not in self._layer_names:
            raise NetError(f"no layer {name!r} in net {self.name!r}{did_you_mean(name, self._layer_names)}")
        return self._layer_names.index(name)

    # -- weights and state --------------------------------------------------------------------------------------------

    def copy_from(self, path: str | Path, skip_mismatch: bool = False) -> weights_io.Report:
        """Copy weights from a .caffemodel or .h5 into the layers of equal name; log a table of what happened, return
        it."""
        return weights_io.load(self, path, skip_mismatch)

    def share_with(self, other: Net) -> None:
        """Use the parameter data of `other`'s layers of equal name as one's own."""
        weights_io.share_layers(self, other)

    def save(self, path: str | Path, write_diff: bool = False) -> None:
        """Write a .caffemodel: every layer after filtering and splitting, with its blobs."""
        weights_io.save(self, path, write_diff)

    def save_hdf5(self, path: str | Path, write_diff: bool = False) -> None:
        """Write weights as HDF5: `/data/LAYER/INDEX`, each shared parameter once, under its owner."""
        weights_io.save_hdf5(self, path, write_diff)

    def load_hdf5(self, path: str | Path) -> weights_io.Report:
        """Copy weights from an HDF5 file."""
        return weights_io.load(self, path)

    def get_state(self) -> dict[str, Any]:
        """Return random streams and data cursors, JSON-able, so that a run can continue bit for bit."""
        cursors = {s.param.name: s.layer.get_state() for s in self.steps if hasattr(s.layer, "get_state")}
        return {"streams": self.streams.get_state(), "layers": cursors}

    def set_state(self, state: dict[str, Any]) -> None:
        """Put random streams and data cursors where `get_state` saw them."""
        self.streams.set_state(state["streams"])
        for name, cursor in state["layers"].items():
            layer = self.layer_dict.get(name)
            if layer is not None and hasattr(layer, "set_state"):
                layer.set_state(cursor)

    def close(self) -> None:
        """Stop the background work of data layers."""
        for step in self.steps:
            if hasattr(step.layer, "close"):
                step.layer.close()


def _pycaffe_arguments(positional: Sequence[Any], phase: Any, level: int, stages: Any, weights: Any) -> tuple[Any, ...]:
    """Sort out the two positional forms: (phase, level, stages, weights) and the older (weights, phase)."""
    if positional and isinstance(positional[0], (str, Path)) and positional[0] not in ("TRAIN", "TEST"):
        if len(positional) != 2:
            raise TypeError("Net(file, weights, phase): say TRAIN or TEST last")
        return positional[1], level, stages, positional[0]
    values = [phase, level, stages, weights]
    if len(positional) > len(values):
        raise TypeError("Net(file, phase, level, stages, weights) takes no more positional arguments; name the others")
    values[: len(positional)] = positional
    return tuple(values)
