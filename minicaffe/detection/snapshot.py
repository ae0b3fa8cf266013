"""Box regression in snapshots: what is saved predicts real targets, though the net learns normalised ones.

Targets are normalised by class, t' = (t - mean) / std, and layer `bbox_pred` learns t'. The published code saves W std
and b std + mean in its place, so that a model file predicts t by itself; so do we. That cannot be undone (deviations of
the background are 0), so the solver state carries the parameters as they were learned.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minicaffe.blob import Blob
from minicaffe.errors import SolverError
from minicaffe.net import Net

log = logging.getLogger("minicaffe")

LAYER = "bbox_pred"


class Normalisation:
    """The means and stds [4 C] by which the regression targets that `net` learns have been normalised.

    SolverError when the net's layer `bbox_pred` predicts another number of values. Its readonly twin shares its memory,
    and so whatever happens to it here.
    """

    def __init__(self, net: Net, means: np.ndarray, stds: np.ndarray):
        self.means, self.stds = np.asarray(means, np.float64).ravel(), np.asarray(stds, np.float64).ravel()
        self.blobs: list[Blob] = list(net.params[LAYER])
        self._learned: list[np.ndarray] = []
        rows = self.blobs[0].shape[0]
        if len(self.blobs) == 1 and self.means.any():
            raise SolverError(
                f"layer {LAYER!r} has no bias to add the means of the targets to: remove 'bias_term: false'"
            )
        if not rows == len(self.means) == len(self.stds):
            raise SolverError(
                f"layer {LAYER!r} predicts {rows} values, but the targets have means and deviations of "
                f"{len(self.means)} and {len(self.stds)}: 4 for each class, background included"
            )

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Within the `with` block the layer predicts targets as they are."""
        self._learned = self.learned()
        try:
            W, *b = (blob.data for blob in self.blobs)
            W[...] = W * _columns(self.stds, W)
            for bias in b:
                bias[...] = bias * self.stds + self.means
            yield
        finally:
            self._put(self._learned)
            self._learned = []

    def learned(self) -> list[np.ndarray]:
        """Return copies of the parameters as they are learned, also while `undone`."""
        return [array.copy() for array in self._learned or (blob.data for blob in self.blobs)]

    def _put(self, arrays: list[np.ndarray]) -> None:
        for blob, array in zip(self.blobs, arrays, strict=True):
            blob.data[...] = array

    # -- solver states ------------------------------------------------------------------------------------------------

    def get_state(self) -> dict[str, Any]:
        """Return statistics and parameters as they are learned, JSON-able and exact."""
        return {
            "means": self.means.tolist(),
            "stds": self.stds.tolist(),
            "learned": [_packed(array) for array in self.learned()],
        }

    def set_state(self, state: dict[str, Any] | None) -> None:
        """Give the layer, which holds what its file predicts with, the parameters it was learning.

        Targets may be normalised by other statistics now: then it will predict the same as before, by the new ones.
        Without a state, as from Caffe, whose own snapshots save what is learned, nothing is done.
        """
        if state is None:
            return
        learned = [_unpacked(each) for each in state["learned"]]
        if state["means"] != self.means.tolist() or state["stds"] != self.stds.tolist():
            log.warning(
                "The regression targets have other means and deviations than when the snapshot was written: layer %r "
                "goes on from the same predictions, but not as if the run had never stopped",
                LAYER,
            )
            learned = [self._normalised(blob.data, raw) for blob, raw in zip(self.blobs, learned, strict=True)]
        self._put(learned)

    def _normalised(self, x: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
        """Return the parameter that `undone` makes `x` of; rows `otherwise` where the deviation is 0."""
        stds = _columns(self.stds, x)
        shift = 0.0 if x.ndim > 1 else self.means
        return np.where(stds > 0, (x - shift) / np.where(stds > 0, stds, 1), otherwise)


def _columns(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    return values.reshape(-1, *[1] * (like.ndim - 1))


def _packed(array: np.ndarray) -> dict[str, Any]:
    return {"dtype": array.dtype.str, "shape": array.shape, "base64": base64.b64encode(array.tobytes()).decode()}


def _unpacked(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["base64"]), packed["dtype"]).reshape(packed["shape"])
