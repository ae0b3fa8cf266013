"""Training a detector: data into layer 0 of a solver's train net, and snapshots that predict real boxes.

The loop is the solver's own; `DetectorSolver` only adds what a detector's snapshots need, and `detector_solver` gets
data, targets and solver ready as the published driver does.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe.detection import config as _config
from minicaffe.detection.config import Config
from minicaffe.detection.dataset import Dataset
from minicaffe.detection.datasets import open_dataset
from minicaffe.detection.ohem_data_layer import OHEMDataLayer
from minicaffe.detection.roidb import Regions, filter_roidb
from minicaffe.detection.roidb_cache import load_roidb
from minicaffe.detection.snapshot import LAYER, Normalisation
from minicaffe.detection.targets import add_targets
from minicaffe.errors import DataError, SolverError
from minicaffe.proto import read_solver
from minicaffe.solver import Solver

log = logging.getLogger("minicaffe")

ITERATIONS = 40000  # what the published driver trains for unless told otherwise


class DetectorSolver(Solver):
    """A solver of any type whose train net gets its regions from a layer with `set_roidb`, such as RoIDataLayer."""

    def __init__(self, definition: str | Path | Any, **options: Any):
        self.normalisation: Normalisation | None = None
        super().__init__(definition, **options)

    @property
    def data_layer(self) -> Any:
        """The layer that takes the regions."""
        for layer in self.net.layers:
            if hasattr(layer, "set_roidb"):
                return layer
        raise SolverError(
            f"net {self.net.name!r} has no layer to give regions to: its first one should be of type 'Python', module "
            "'roi_data_layer.layer', layer 'RoIDataLayer'"
        )

    def learn_from(
        self, roidb: Sequence[Regions], means: np.ndarray | None = None, stds: np.ndarray | None = None
    ) -> None:
        """Train on these regions, whose targets are normalised with `means` and `stds` [4 C] (None: they are not)."""
        self.data_layer.set_roidb(roidb)
        if means is not None and stds is not None and LAYER in self.net.params:
            self.normalisation = Normalisation(self.net, means, stds)

    # -- snapshots ----------------------------------------------------------------------------------------------------

    def snapshot(self) -> Path:
        """As every solver's, but `bbox_pred` is saved so that it predicts targets that are not normalised."""
        if self.normalisation is None:
            path = super().snapshot()
        else:
            with self.normalisation.undone():
                path = super().snapshot()
        log.info("Wrote snapshot to: %s", path.with_name(path.name.replace(".solverstate", ".caffemodel")))
        return path

    def get_state(self) -> dict[str, Any]:
        state = super().get_state()
        return state if self.normalisation is None else state | {LAYER: self.normalisation.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        if self.normalisation is not None:
            self.normalisation.set_state(state.get(LAYER))
        elif LAYER in state:
            raise SolverError(
                f"the snapshot was written while {LAYER!r} learned normalised targets, but these are not normalised: "
                "call learn_from with means and stds first, or set TRAIN.BBOX_NORMALIZE_TARGETS"
            )


# -- the driver -------------------------------------------------------------------------------------------------------


def train_detector(
    definition: str | Path | Any,
    data: str | Dataset | None = None,
    *,
    resume: str | Path | None = None,
    **options: Any,
) -> DetectorSolver:
    """Train a detector to the end, from the solver state `resume` if given; return its solver, closed.

    The rest is as for `detector_solver`.
    """
    solver = detector_solver(definition, data, **options)
    try:
        solver.solve(resume)
    finally:
        solver.close()
    return solver


def detector_solver(
    definition: str | Path | Any,
    data: str | Dataset | None = None,
    *,
    proposals: str = "",
    config: Config | None = None,
    max_iter: int | None = None,
    output: str | Path | None = None,
    **options: Any,
) -> DetectorSolver:
    """Return the solver of a file or SolverParameter with its data in place, ready for `solve` or `restore`.

    data: a Dataset, or the name of one (see `open_dataset`; default TRAIN.DATA); proposals: the file or files they come
    from (default: as `choose_source` says). config (default `cfg`) is what the layers of the net and the data go by;
    keys in the param_str of the data layer come first. What the definition leaves open is as in the published driver:
    max_iter 40000, a random_seed of RNG_SEED, a snapshot every TRAIN.SNAPSHOT_ITERS iterations. Snapshots are named by
    its snapshot_prefix, with TRAIN.SNAPSHOT_INFIX, in the folder `output` (default: the prefix is the whole path).
    `options`, `weights` among them, are those of Solver. DataError, SolverError and NetError say what does not fit.
    """
    config = config or _config.cfg
    dataset = data if isinstance(data, Dataset) else _open(data or config.TRAIN.DATA, config)
    log.info("Loaded dataset `%s` for training", dataset.name)
    param = _definition(definition, config, max_iter, output)
    if isinstance(definition, (str, Path)):
        options.setdefault("folder", Path(definition).resolve().parent)
    with _config.cfg.overridden(config.to_dict()):
        solver = DetectorSolver(param, **options)
    layer = solver.data_layer
    config = layer.config
    _check_classes(dataset, layer)
    _check_mining(solver.net.layers, config)
    roidb = filter_roidb(load_roidb(dataset, proposals, config), config)
    statistics = add_targets(roidb, layer.num_classes, config)
    normalised = config.TRAIN.BBOX_REG and config.TRAIN.BBOX_NORMALIZE_TARGETS
    solver.learn_from(roidb, *(statistics if normalised else ()))
    log.info("Output will be saved to `%s`", Path(param.snapshot_prefix).parent)
    solver.add_callback(_Pace(solver).tell, lambda: None)
    return solver


def _open(name: str, config: Config) -> Dataset:
    if not name:
        raise DataError("there is nothing to train on: name the data with --data, or TRAIN.DATA in the configuration")
    return open_dataset(name, config)


def _definition(definition: str | Path | Any, config: Config, max_iter: int | None, output: str | Path | None) -> Any:
    """Return the SolverParameter with what it leaves open filled in."""
    param = read_solver(definition) if isinstance(definition, (str, Path)) else type(definition)()
    if not isinstance(definition, (str, Path)):
        param.CopyFrom(definition)
    if max_iter is not None or not param.HasField("max_iter"):
        param.max_iter = ITERATIONS if max_iter is None else max_iter
    if param.random_seed < 0:
        param.random_seed = config.RNG_SEED
    if param.snapshot == 0:
        param.snapshot = config.TRAIN.SNAPSHOT_ITERS
    if config.TRAIN.SNAPSHOT_INFIX:
        param.snapshot_prefix += f"_{config.TRAIN.SNAPSHOT_INFIX}"
    if output is not None:
        param.snapshot_prefix = str(Path(output) / param.snapshot_prefix)
    return param


def _check_classes(dataset: Dataset, layer: Any) -> None:
    if len(dataset.classes) != layer.num_classes:
        raise DataError(
            f"{dataset.name} has {len(dataset.classes)} classes, background included, but {layer.where} says "
            f"num_classes {layer.num_classes}: change it and the layers that predict, or choose classes with CLASSES\n"
            f"  classes: {', '.join(dataset.classes)}"
        )


def _check_mining(layers: Sequence[Any], config: Config) -> None:
    mines = any(isinstance(layer, OHEMDataLayer) for layer in layers)
    if mines and not config.TRAIN.USE_OHEM:
        log.warning(
            "The net mines hard examples, but among only %d regions drawn at random: TRAIN.USE_OHEM gives it all",
            config.TRAIN.BATCH_SIZE,
        )
    if config.TRAIN.USE_OHEM and not mines:
        log.warning(
            "TRAIN.USE_OHEM gives the net all regions, but no OHEMDataLayer chooses among them: it learns from all"
        )


class _Pace:
    """Tells every ten displays how long an iteration takes, in the mean since training began."""

    def __init__(self, solver: Solver):
        self.solver = solver
        self._began: tuple[float, int] | None = None

    def tell(self) -> None:
        N, interval = self.solver.iter, 10 * self.solver.param.display
        began, start = self._began = self._began or (time.monotonic(), N)
        made = N - start
        if made > 0 and interval and N % interval == 0:
            log.info("speed: %.3fs / iter", (time.monotonic() - began) / made)
