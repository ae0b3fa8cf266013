"""The engines that are compared: each prepares a row of the table once, then runs it again and again."""

from __future__ import annotations

import gc
from typing import Any

import nets
import numpy as np
import rows

import minicaffe
from minicaffe.proto import schema

RATE, MOMENTUM, DECAY = 1e-4, 0.9, 5e-4


def build(row: rows.Row, lean: bool = True) -> tuple[Any, Any]:
    """Return the solver of a row with an update (else None) and its net, weights and inputs in place.

    The net is lean, as for the verbs of the command line and as PyTorch: neither keeps what nobody needs any more.
    """
    definition = row.definition()
    if row.kind == "step":
        param = schema.SolverParameter(
            base_lr=RATE, lr_policy="fixed", momentum=MOMENTUM, weight_decay=DECAY, random_seed=1,
            snapshot_after_train=False,
        )  # fmt: skip
        param.train_net_param.CopyFrom(definition)
        solver = minicaffe.get_solver(param, lean=lean)
        net = solver.net
    else:
        solver, net = None, minicaffe.Net(definition, phase="TEST" if row.kind == "forward" else "TRAIN", lean=lean)
    nets.fill(net)
    for name, values in nets.inputs_for(net, row.classes).items():
        net.blobs[name].data[...] = values
    return solver, net


class Ours:
    """minicaffe."""

    def __init__(self, row: rows.Row):
        self.kind = row.kind
        self.solver, self.net = build(row)

    def run(self) -> None:
        if self.kind == "forward":
            self.net.forward()
        elif self.kind == "backward":
            self.net.clear_param_diffs()
            self.net.forward_backward()
        else:
            self.solver.step(1)

    def answer(self) -> dict[str, np.ndarray]:
        """Return what one pass without dropout computes: outputs, and the gradients of all parameters."""
        dropouts = [layer for layer in self.net.layers if layer.type == "Dropout"]
        before = [(layer.drops, layer.factor) for layer in dropouts]
        for layer in dropouts:
            layer.drops, layer.factor = False, 1.0
        self.net.clear_param_diffs()
        found = {name: values.copy() for name, values in self.net.forward().items()}
        if self.kind != "forward":
            self.net.run_backward()
            learned = [p for p in self.net.learnable if p.lr_mult]
            found |= {f"gradient {i}": p.blob.diff.copy() for i, p in enumerate(learned)}
        for layer, (drops, factor) in zip(dropouts, before, strict=True):
            layer.drops, layer.factor = drops, factor
        return found


class Torch:
    """PyTorch, eager."""

    def __init__(self, row: rows.Row, net: Any = None):
        import torch
        from torch_net import TorchNet

        torch.set_num_threads(rows.THREADS)
        self.torch, self.kind = torch, row.kind
        net = net or build(row)[1]
        self.module = TorchNet(net)
        self.inputs = {name: torch.from_numpy(net.blobs[name].data.copy()) for name in net.inputs}
        self.optimizer = self.module.optimizer(RATE, MOMENTUM, DECAY) if row.kind == "step" else None
        del net
        gc.collect()

    def run(self) -> None:
        if self.kind == "forward":
            with self.torch.inference_mode():
                self.module(self.inputs)
            return
        self.module.zero_grad(set_to_none=self.kind == "step")
        self.module.loss(self.module(self.inputs)).backward()
        if self.optimizer:
            self.optimizer.step()

    def answer(self) -> dict[str, np.ndarray]:
        drops, self.module.drops = self.module.drops, False
        self.module.zero_grad()
        if self.kind == "forward":
            with self.torch.inference_mode():
                found = {name: values.numpy() for name, values in self.module(self.inputs).items()}
        else:
            outputs = self.module(self.inputs)
            self.module.loss(outputs).backward()
            found = {name: values.detach().numpy() for name, values in outputs.items()}
            found |= {f"gradient {i}": p.grad.numpy().copy() for i, (p, _, _) in enumerate(self.module.learned)}
        self.module.drops = drops
        return found


ENGINES: dict[str, type] = {"ours": Ours, "torch": Torch}


def difference(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> float:
    """Return the largest difference of any result, as a share of the largest number in it."""
    if ours.keys() != theirs.keys():
        raise ValueError(f"different results: {sorted(ours)} and {sorted(theirs)}")
    worst = 0.0
    for name, values in ours.items():
        size = float(np.abs(theirs[name]).max()) or 1.0
        worst = max(worst, float(np.abs(values.ravel() - theirs[name].ravel()).max()) / size)
    return worst
