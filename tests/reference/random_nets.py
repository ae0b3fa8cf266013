"""Random small nets for hypothesis: chains and branches of layers with legal parameters, ending in a loss."""

from __future__ import annotations

from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from tests.reference.draws import KINDS
from tests.reference.networks import Drawing, Network

NORMALIZATIONS = ["FULL", "VALID", "BATCH_SIZE", "NONE"]


def loss(d: Drawing, name: str) -> None:
    """End in a loss of the blob, with targets of the net's own; the drawing is given up where that comes out large."""
    x = d.values[name]
    weight = d.one_of([1.0, 0.5, -2.0])
    kinds = ["EuclideanLoss", "SmoothL1Loss", "SigmoidCrossEntropyLoss", "weight", "filtered"]
    if x.ndim > 1:
        kinds += ["SoftmaxWithLoss"] * 2 + ["InfogainLoss"] * (not d.grows)
    if x.ndim == 2:
        kinds += ["HingeLoss", "MultinomialLogisticLoss", "ContrastiveLoss"] * 4
    kind = d.one_of(kinds)
    bottoms, text = [name], ""
    if kind == "weight":
        kind, text = "Power", "power_param { scale: 0.5 }"
    elif kind == "filtered":
        bottoms = filtered(d, name)
        kind = "EuclideanLoss"
    elif kind == "SigmoidCrossEntropyLoss":
        bottoms.append(d.beside(d.rng.uniform(0, 1, x.shape)))
    elif kind in ("EuclideanLoss", "SmoothL1Loss"):
        bottoms.append(d.beside(d.rng.standard_normal(x.shape)))
        text = "smooth_l1_loss_param { sigma: 1.5 }" * (kind == "SmoothL1Loss")
    elif kind == "ContrastiveLoss":
        # The newer form has a guard against a distance of 0 in its gradient, which is therefore not quite the slope.
        bottoms += [d.beside(d.rng.standard_normal(x.shape)), d.beside(d.rng.integers(0, 2, len(x)))]
        text = f"contrastive_loss_param {{ margin: {2 * x.shape[1]} legacy_version: true }}"
    else:
        if kind == "MultinomialLogisticLoss":
            assume(d.add("Softmax", [name]))
            bottoms = [d.network.parts[-1].tops[0]]
        bottoms.append(d.beside(d.rng.integers(0, x.shape[1], (x.shape[0], *x.shape[2:]))))
        if kind == "InfogainLoss":
            bottoms.append(d.beside(d.rng.uniform(0, 1, (x.shape[1], x.shape[1]))))
        if kind == "SoftmaxWithLoss":
            text = f"{d.one_of(['', 'ignore_label: 0'])} normalization: {d.one_of(NORMALIZATIONS)}"
            text = f"loss_param {{ {text} }}"
        if kind == "HingeLoss":
            text = f"hinge_loss_param {{ norm: {d.one_of(['L1', 'L2'])} }}"
    assume(d.add(kind, bottoms, text, loss_weight=weight))


def filtered(d: Drawing, name: str) -> list[str]:
    """Some items of the blob and of targets for it; the first and the last are among them."""
    x = d.values[name]
    chosen = d.rng.integers(-1, 2, len(x))
    chosen[[0, -1]] = 1
    bottoms = [name, d.beside(d.rng.standard_normal(x.shape)), d.beside(chosen)]
    assume(d.add("Filter", bottoms, tops=2))
    return list(d.network.parts[-1].tops)


@st.composite
def networks(draw: Any, dropout: bool = False, chain: bool = False, grows: bool = False) -> Network:
    """A random net of up to 7 layers, a few more, and one or two losses.

    `dropout` allows Dropout in it; a `chain` has one loss, at its end, and few blobs that are read twice; one that
    `grows` may be given larger batches.
    """
    d = Drawing(draw, dropout, chain, grows)
    for _ in range(d.integer(2, 7)):
        make, fits = d.one_of([(make, fits) for times, make, fits in KINDS for _ in range(times)])
        name = d.some(fits)
        if name is not None:
            make(d, name)
    ends = [top for part in d.network.parts for top in part.tops[-1:] if top in d.values] or ["data"]
    for name in dict.fromkeys([ends[-1], ends[-1] if chain else d.one_of(ends)]):
        loss(d, name)
    return d.network
