"""What RNN and LSTM share: a step described as layers, unrolled over time into an inner net.

bottoms: x [T, N, ...], cont [T, N] (0 where a sequence begins, else 1), optionally x_static [N, ...]; with
`expose_hidden` also the hidden states at the start, each [1, N, D]. tops: the outputs [T, N, D]; with `expose_hidden`
also the hidden states at the end, each [1, N, D].

recurrent_param: num_output D, weight_filler, bias_filler, expose_hidden. T is fixed once set up; N may change.

The inner net's parameters, shared over time by name, are this layer's blobs, so their gradients add up over all
steps. Without `expose_hidden` the last hidden state of one forward is the first of the next, zero at the start; cont
0 resets it, and a snapshot keeps it. No gradient goes to cont, to exposed hidden states (in or out), or across
batches. Source: Caffe's recurrent_layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from minicaffe.blob import Blob
from minicaffe.layer import Layer
from minicaffe.proto import schema


class Recurrent(Layer):
    """Base of recurrent layers; a subclass names its hidden states and describes one unrolled net."""

    no_force_backward: ClassVar[tuple[int, ...]] = (1,)
    states: ClassVar[tuple[str, ...]] = ()
    output: ClassVar[str] = ""

    def unroll(self, net: Unrolled) -> None:
        """Add the layers of all time steps to `net`, in the order that gives the parameters Caffe's order."""
        raise TypeError(f"{type(self).__name__} must define unroll(net)")

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        p = self.param.recurrent_param
        self.check(p.num_output > 0, "recurrent_param needs num_output greater than 0")
        self.check(len(bottom[0].shape) >= 3, "x must have 3 axes or more: T x N x ...", bottom)
        self.steps = bottom[0].shape[0]
        self.expose = p.expose_hidden
        hidden = len(self.states) if self.expose else 0
        self.static = len(bottom) - hidden == 3
        self.check(
            len(bottom) - hidden in (2, 3) and len(top) == 1 + hidden,
            f"takes x, cont and optionally x_static, then {hidden} initial states, and gives 1 output and "
            f"{hidden} final states",
            bottom,
        )
        self._check_shapes(bottom)
        net = Unrolled(self, [blob.shape for blob in bottom[: 3 if self.static else 2]], bottom[0].shape[1])
        self.unroll(net)
        self._adopt(net)

    def _adopt(self, unrolled: Unrolled) -> None:
        """Build the inner net and take over its parameters."""
        assert self.setting.build_net is not None
        self.net = self.setting.build_net(
            unrolled.message,
            state=schema.NetState(phase=schema.TEST),
            dtype=self.setting.dtype,
            streams=self.setting.streams,
            ops=self.ops,
        )
        self.net.release_flat()
        owners = {step.param.name: step.layer for step in self.net.steps}
        for param in self.net.learnable:
            self.blobs.append(param.blob)
            self.fillers[len(self.blobs) - 1] = owners[param.layer].fillers[param.index]
        self._slots = [
            (layer, [self._index_of(blob) for blob in layer.blobs]) for layer in self.net.layers if layer.blobs
        ]

    def _index_of(self, inner: Blob) -> int:
        return next(i for i, blob in enumerate(self.blobs) if inner.shares_data_with(blob))

    def _follow_blobs(self) -> None:
        """Let all steps use this layer's blobs, which may have become those of another layer or net since.

        In Caffe only the first step of a layer that shares its parameters with another one does, outside of TEST.
        """
        for layer, indices in self._slots:
            for inner, index in zip(layer.blobs, indices, strict=True):
                inner.share_data(self.blobs[index])
                inner.share_diff(self.blobs[index])

    def _check_shapes(self, bottom: Sequence[Blob]) -> None:
        T, N = self.steps, bottom[0].shape[1]
        self.check(bottom[0].shape[0] == T, f"the number of time steps is fixed at {T}", bottom)
        self.check(bottom[1].shape == (T, N), f"cont must have the shape (T, N) = ({T}, {N})", bottom)
        if self.static:
            self.check(bottom[2].shape[:1] == (N,), f"x_static must begin with the axis N = {N}", bottom)
        expected = (1, N, self.param.recurrent_param.num_output)
        for blob in bottom[3 if self.static else 2 :]:
            self.check(
                blob.shape == expected, f"initial hidden states must have the shape (1, N, D) = {expected}", bottom
            )

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._check_shapes(bottom)
        self._follow_blobs()
        inner = self.net.blobs
        shapes = [bottom[0].shape, bottom[1].shape] + ([bottom[2].shape] if self.static else [])
        changed = False
        for name, shape in zip(("x", "cont", "x_static"), shapes, strict=False):
            changed = changed or inner[name].shape != shape
            inner[name].reshape(*shape)
        if changed:
            for state in self.states:
                inner[f"{state}_0"].reshape(1, bottom[0].shape[1], self.param.recurrent_param.num_output)
            self.net.reshape()
        for blob, name in zip(top, [self.output, *(f"{state}_T" for state in self.states)], strict=False):
            blob.reshape_like(inner[name])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        inner = self.net.blobs
        for name, blob in zip(("x", "cont", "x_static") if self.static else ("x", "cont"), bottom, strict=False):
            inner[name].share_data(blob)
        given = bottom[3 if self.static else 2 :]
        for i, state in enumerate(self.states):
            start, end = inner[f"{state}_0"], inner[f"{state}_T"]
            if self.expose:
                start.array[...] = given[i].array
            elif end.shape == start.shape:
                start.array[...] = end.array
            else:
                start.array[...] = 0
        self.net.forward_loss()
        for blob, name in zip(top, [self.output, *(f"{state}_T" for state in self.states)], strict=False):
            blob.array[...] = inner[name].array

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.no_gradient(propagate_down, 1)
        inner = self.net.blobs
        # Copied: over a single step the output shares its diff with that of the step, and must go on doing so.
        inner[self.output].diff_array[...] = top[0].diff_array
        for layer, indices in self._slots:
            layer.param_propagate_down = [self.learns(i) for i in indices]
        self.net.run_backward()
        for index, name in ((0, "x"), (2, "x_static")):
            if name in inner and propagate_down[index]:
                bottom[index].diff_array[...] = inner[name].diff_array

    def reset(self) -> None:
        """Forget the hidden state, as at the very beginning."""
        for state in self.states:
            self.net.blobs[f"{state}_T"].array[...] = 0

    def get_state(self) -> dict[str, Any]:
        """Return the hidden states that the next forward begins with, as plain lists; none where they are exposed."""
        return {} if self.expose else {state: self.net.blobs[f"{state}_T"].data.tolist() for state in self.states}

    def set_state(self, state: dict[str, Any]) -> None:
        """Begin the next forward with the hidden states of `get_state`; those of another batch size are forgotten."""
        self.reset()
        for name, values in state.items():
            blob = self.net.blobs[f"{name}_T"]
            if np.shape(values) == blob.shape:
                blob.data[...] = values


class Unrolled:
    """The NetParameter of an inner net under construction; layer names get the outer layer's name as prefix."""

    def __init__(self, layer: Recurrent, shapes: Sequence[tuple[int, ...]], N: int):
        self.layer = layer
        self.T = layer.steps
        self.D = layer.param.recurrent_param.num_output
        self.static = layer.static
        self.message = schema.NetParameter(name=layer.name, force_backward=True)
        inputs = dict(zip(("x", "cont", "x_static"), shapes, strict=False))
        inputs.update({f"{state}_0": (1, N, self.D) for state in layer.states})
        param = self.add("Input", "input", (), tuple(inputs))
        for shape in inputs.values():
            param.input_param.shape.add().dim.extend(shape)
        self.slice("cont", "cont")

    def add(self, kind: str, name: str, bottoms: Sequence[str], tops: Sequence[str], params: Sequence[str] = ()) -> Any:
        """Append a layer and return its LayerParameter."""
        param = self.message.layer.add(type=kind, name=f"{self.layer.name}_{name}", origin=self.layer.param.origin)
        param.bottom.extend(bottoms)
        param.top.extend(tops)
        for shared in params:
            param.param.add(name=shared)
        return param

    def slice(self, blob: str, stem: str) -> None:
        """Cut `blob` along time into `stem`_1 … `stem`_T."""
        param = self.add("Slice", f"{blob}_slice", [blob], [f"{stem}_{t}" for t in range(1, self.T + 1)])
        param.slice_param.axis = 0

    def transform(self, name: str, bottom: str, top: str, outputs: int, params: Sequence[str], axis: int = 2) -> None:
        """An InnerProduct over everything from `axis` on; with a second parameter name it has a bias."""
        p = self.add("InnerProduct", name, [bottom], [top], params).inner_product_param
        p.num_output, p.axis, p.bias_term = outputs, axis, len(params) > 1
        p.weight_filler.CopyFrom(self.layer.param.recurrent_param.weight_filler)
        if p.bias_term:
            p.bias_filler.CopyFrom(self.layer.param.recurrent_param.bias_filler)

    def static_transform(self, stem: str, outputs: int, param: str) -> None:
        """Transform x_static once; `stem`_x_static then joins the input of every step."""
        self.transform("x_static_transform", "x_static", f"{stem}_x_static_preshape", outputs, [param], axis=1)
        reshape = self.add("Reshape", f"{stem}_x_static_reshape", [f"{stem}_x_static_preshape"], [f"{stem}_x_static"])
        reshape.reshape_param.shape.dim.extend([1, -1, outputs])

    def conted(self, t: int) -> str:
        """The hidden state before step t, zeroed where a sequence begins."""
        self.add("Scale", f"h_conted_{t - 1}", [f"h_{t - 1}", f"cont_{t}"], [f"h_conted_{t - 1}"]).scale_param.axis = 0
        return f"h_conted_{t - 1}"

    def sum(self, name: str, bottoms: Sequence[str], top: str) -> None:
        self.add("Eltwise", name, bottoms, [top])

    def finish(self, outputs: Sequence[str], top: str) -> None:
        """Expose the last hidden states as STATE_T and join the outputs of all steps along time."""
        for state in self.layer.states:
            self.add("Split", f"{state}_T_copy", [f"{state}_{self.T}"], [f"{state}_T"])
        self.add("Concat", f"{top}_concat", outputs, [top]).concat_param.axis = 0
