"""The same net in PyTorch: a wired minicaffe net as a module of plain eager PyTorch, with the same weights.

Written as someone at home in PyTorch would: in-place ReLU, BatchNorm and its Scale as one affine batch normalisation,
parameters shared by name as one Parameter, `no_grad` where the prototxt says `propagate_down: false`. Layers that
PyTorch has not are made of its operations: ROI pooling of `adaptive_max_pool2d`, whose cells are the same, mining of
tensor operations and one greedy loop. Nothing of it keeps the minicaffe net alive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from minicaffe import TRAIN

Run = Callable[..., Any]


class TorchNet(torch.nn.Module):
    """`net`, an `minicaffe.Net`, step by step in PyTorch; `forward(inputs)` returns the tops it was asked for."""

    def __init__(self, net: Any):
        super().__init__()
        self.drops = net.phase == TRAIN
        self.shared: dict[Any, torch.nn.Parameter] = {}
        self.learned: list[tuple[torch.nn.Parameter, float, float]] = []
        self.steps: list[tuple[Run, list[str], list[str], bool]] = []
        self.losses = [(top.name, weight) for step in net.steps for top, weight in step.losses]
        self.outputs = list(net.outputs)
        self.multipliers = {id(p.blob._data): (p.lr_mult, p.decay_mult) for p in net.learnable}
        steps = [step for step in net.steps if step.layer.type != "Input"]
        while steps:
            step = steps.pop(0)
            scale = steps.pop(0) if step.layer.type == "BatchNorm" and steps[0].layer.type == "Scale" else None
            self.append(step, scale)

    def append(self, step: Any, scale: Any) -> None:
        readonly = bool(step.param.propagate_down) and not any(step.propagate_down) and not step.losses
        tops = [blob.name for blob in (scale or step).top]
        self.steps.append((self.translate(step, scale), [blob.name for blob in step.bottom], tops, readonly))

    def translate(self, step: Any, scale: Any) -> Run:
        layer = step.layer
        if scale is not None:
            return batch_norm(layer, self.parameters_of(scale.layer))
        if layer.type == "Dropout":
            ratio = layer.ratio
            return lambda x: F.dropout(x, ratio, self.drops)
        if layer.type == "Split":
            count = len(step.top)
            return lambda x: (x,) * count
        make = TRANSLATIONS.get(layer.type) or TRANSLATIONS.get(type(layer).__name__)
        if make is None:
            raise NotImplementedError(f"no translation of {layer.type} (layer {layer.name})")
        return make(layer, self.parameters_of(layer)) if layer.blobs else make(layer)

    def parameters_of(self, layer: Any) -> list[torch.nn.Parameter]:
        """Return the blobs of `layer` as parameters; blobs that share memory are one."""
        found = []
        for i, blob in enumerate(layer.blobs):
            key = id(blob._data)
            lr, decay = self.multipliers.get(key, (0.0, 0.0))
            if key not in self.shared:
                values = torch.from_numpy(blob.data.copy())
                self.shared[key] = torch.nn.Parameter(values, requires_grad=lr != 0)
                self.register_parameter(f"{layer.name}_{i}".replace(".", "_"), self.shared[key])
                if lr:
                    self.learned.append((self.shared[key], lr, decay))
            found.append(self.shared[key])
        return found

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        blobs = dict(inputs)
        last_use = {name: i for i, (_, bottoms, tops, _) in enumerate(self.steps) for name in [*bottoms, *tops]}
        for i, (run, bottoms, tops, readonly) in enumerate(self.steps):
            arguments = [blobs[name] for name in bottoms]
            if readonly:
                with torch.no_grad():
                    result = run(*arguments)
            else:
                result = run(*arguments)
            blobs.update(zip(tops, result if isinstance(result, tuple) else (result,), strict=True))
            del arguments, result
            for name in [*bottoms, *tops]:
                if last_use[name] == i and name not in self.outputs:
                    blobs.pop(name, None)
        return {name: blobs[name] for name in self.outputs}

    def optimizer(self, rate: float, momentum: float, decay: float) -> torch.optim.SGD:
        """Return SGD with the multipliers of the prototxt."""
        groups = [{"params": [p], "lr": rate * lr, "weight_decay": decay * mult} for p, lr, mult in self.learned]
        return torch.optim.SGD(groups, lr=rate, momentum=momentum)

    def loss(self, outputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return sum(weight * outputs[name] for name, weight in self.losses)


# -- layers with parameters -------------------------------------------------------------------------------------------


def convolution(layer: Any, parameters: list[torch.nn.Parameter]) -> Run:
    stride, pad, dilation, group = layer.passing
    W, b = parameters if len(parameters) > 1 else (parameters[0], None)
    return lambda x: F.conv2d(x, W, b, stride, pad, dilation, group)


def inner_product(layer: Any, parameters: list[torch.nn.Parameter]) -> Run:
    return lambda x: F.linear(x.flatten(1), *parameters)


def batch_norm(layer: Any, affine: list[torch.nn.Parameter]) -> Run:
    mean, variance, weight = (torch.from_numpy(blob.data.copy()) for blob in layer.blobs)
    mean, variance, training, eps = mean / weight, variance / weight, not layer.use_global, layer.eps
    return lambda x: F.batch_norm(x, mean, variance, *affine, training=training, eps=eps)


# -- layers without ---------------------------------------------------------------------------------------------------


def pooling(layer: Any) -> Run:
    kernel, stride, pad = layer.pool.window
    ceil, largest = not layer.pool.floor, layer.pool.method == 0
    if largest:
        return lambda x: F.max_pool2d(x, kernel, stride, pad, ceil_mode=ceil)
    return lambda x: F.avg_pool2d(x, kernel, stride, pad, ceil_mode=ceil)


def eltwise(layer: Any) -> Run:
    if layer.operation != "sum" or set(layer.coeff) != {1.0}:
        raise NotImplementedError("Eltwise other than a plain sum")
    return lambda x, *others: sum(others, start=x)


def lrn(layer: Any) -> Run:
    numbers = layer.size, layer.alpha, layer.beta, layer.k
    return lambda x: F.local_response_norm(x, *numbers)


def concat(layer: Any) -> Run:
    axis = layer.param.concat_param.axis
    return lambda *xs: torch.cat(xs, axis)


def softmax(layer: Any) -> Run:
    axis = layer.along
    return lambda x: F.softmax(x, axis)


def softmax_loss(layer: Any) -> Run:
    return lambda x, label: F.cross_entropy(x.flatten(1), label.long())


def smooth_l1_loss(layer: Any) -> Run:
    beta = 1 / layer.sigma**2

    def run(x: torch.Tensor, target: torch.Tensor, inside: torch.Tensor, outside: torch.Tensor) -> torch.Tensor:
        distance = F.smooth_l1_loss(inside * x, inside * target, reduction="none", beta=beta)
        return (outside * distance).sum() / len(x)

    return run


def roi_pooling(layer: Any) -> Run:
    scale, cells = layer.scale, layer.pooled

    def run(x: torch.Tensor, rois: torch.Tensor) -> torch.Tensor:
        edges = (rois[:, 1:] * scale + 0.5).floor().long().tolist()
        images = rois[:, 0].long().tolist()
        pooled = [
            F.adaptive_max_pool2d(x[n, :, y1 : max(y2, y1) + 1, x1 : max(x2, x1) + 1], cells)
            for n, (x1, y1, x2, y2) in zip(images, edges, strict=True)
        ]
        return torch.stack(pooled)

    return run


def mining(layer: Any) -> Run:
    train = layer.cfg.TRAIN

    @torch.no_grad()
    def run(
        prob: torch.Tensor, pred: torch.Tensor, rois: torch.Tensor, labels: torch.Tensor, *box: torch.Tensor
    ) -> Any:
        targets, inside, outside = box
        losses = -prob.gather(1, labels.long()[:, None])[:, 0].clamp_min(np.finfo(np.float64).eps).log()
        distance = F.smooth_l1_loss(inside * pred, inside * targets, reduction="none")
        losses += torch.where(inside != 0, outside * distance, 0).sum(1) * (labels > 0)
        keep = distinct(rois, losses, labels, train.OHEM_NMS_THRESH) if train.OHEM_USE_NMS else torch.arange(len(rois))
        hard = keep[losses[keep].argsort(descending=True, stable=True)[: train.BATCH_SIZE]]
        return tuple(each[hard] for each in (rois, labels, *box))

    return run


def distinct(rois: torch.Tensor, losses: torch.Tensor, labels: torch.Tensor, threshold: float) -> torch.Tensor:
    """Return the regions that greedy suppression leaves within each image and label; all overlaps come first."""
    order = losses.argsort(descending=True, stable=True)
    image, x1, y1, x2, y2 = rois[order].T
    area = (x2 - x1 + 1) * (y2 - y1 + 1)
    w = (torch.minimum(x2[:, None], x2) - torch.maximum(x1[:, None], x1) + 1).clamp_min(0)
    h = (torch.minimum(y2[:, None], y2) - torch.maximum(y1[:, None], y1) + 1).clamp_min(0)
    both = w * h
    alike = (image[:, None] == image) & (labels[order][:, None] == labels[order])
    rivals = ((both / (area[:, None] + area - both) > threshold) & alike).numpy()
    gone = np.zeros(len(rivals), bool)
    for i in range(len(rivals)):
        if not gone[i]:
            gone[i + 1 :] |= rivals[i, i + 1 :]
    return order[torch.from_numpy(~gone)].sort().values


TRANSLATIONS: dict[str, Callable[..., Run]] = {
    "Convolution": convolution,
    "InnerProduct": inner_product,
    "ReLU": lambda layer: F.relu_,
    "Pooling": pooling,
    "LRN": lrn,
    "Concat": concat,
    "Eltwise": eltwise,
    "Softmax": softmax,
    "SoftmaxWithLoss": softmax_loss,
    "SmoothL1Loss": smooth_l1_loss,
    "ROIPooling": roi_pooling,
    "OHEMDataLayer": mining,
}
