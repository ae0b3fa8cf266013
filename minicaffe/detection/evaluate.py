"""PASCAL VOC's evaluation: which detections are right, precision over recall, average precision.

Detections of a class are judged over all photographs, the surest first. Each looks for the object of its class that it
overlaps most: an overlap above 0.5 with an object not found before makes it right; a second one on the same object is
wrong; one on an object marked difficult counts neither way. Average precision is the area under the precision envelope,
or, until VOC2009, the mean of the envelope at eleven recalls. Source: Everingham et al., "The PASCAL Visual Object
Classes (VOC) Challenge" (2010), and the evaluation of the published Fast R-CNN code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from minicaffe.detection import boxes as geometry
from minicaffe.detection.dataset import Dataset
from minicaffe.detection.results import Detections
from minicaffe.errors import DataError

LAST_YEAR_OF_ELEVEN_POINTS = 2009


@dataclass(frozen=True)
class Curve:
    """The detections of one class, judged, the surest first: those on difficult objects already left out.

    scores, right [N]; objects: how many there were to find, the difficult ones not counted.
    """

    scores: np.ndarray
    right: np.ndarray
    objects: int

    @property
    def recall(self) -> np.ndarray:
        """The share of the objects found by the first 1, 2, … N detections; NaN where there was nothing to find."""
        return np.cumsum(self.right) / (self.objects or np.nan)

    @property
    def precision(self) -> np.ndarray:
        """The share of the first 1, 2, … N detections that is right."""
        return np.cumsum(self.right) / np.arange(1, len(self.right) + 1)

    def ap(self, use_07: bool = False) -> float:
        """Average precision; NaN for a class without objects."""
        return voc_ap(self.recall, self.precision, use_07) if self.objects else float("nan")


def voc_ap(recall: np.ndarray, precision: np.ndarray, use_07: bool = False) -> float:
    """Return the average precision of a curve, recall [N] ascending and precision [N].

    use_07: the mean, over recalls 0, 0.1, … 1, of the best precision reached at that recall or beyond (0 where it is
    never reached). Otherwise the area under that envelope.
    """
    envelope = np.maximum.accumulate(np.append(precision, 0.0)[::-1])[::-1]
    if use_07:
        reached = np.searchsorted(recall, np.arange(0.0, 1.1, 0.1), side="left")
        return float(envelope[reached].mean())
    return float((np.diff(recall, prepend=0.0) * envelope[:-1]).sum())


def judge(dataset: Dataset, detections: Sequence[np.ndarray], number: int, overlap: float = 0.5) -> Curve:
    """Judge the `detections` of class `number`, [N, 5] for every photograph, against the objects of `dataset`."""
    if len(detections) != len(dataset):
        raise DataError(f"{dataset.name} has {len(dataset)} photographs, the detections are of {len(detections)}")
    scores, verdicts, objects = [], [], 0
    for photograph, found in zip(dataset, detections, strict=True):
        mine = photograph.classes == number
        difficult = photograph.difficult[mine]
        objects += len(difficult) - int(difficult.sum())
        if len(found) == 0:
            continue
        order = np.argsort(-found[:, 4], kind="stable")
        scores.append(found[order, 4])
        verdicts.append(_verdicts(found[order, :4], photograph.boxes[mine], difficult, overlap))
    all_scores, all_verdicts = np.concatenate([np.zeros(0), *scores]), np.concatenate([np.zeros(0, int), *verdicts])
    counted = np.flatnonzero(all_verdicts >= 0)
    order = counted[np.argsort(-all_scores[counted], kind="stable")]
    return Curve(all_scores[order], all_verdicts[order] == 1, objects)


def _verdicts(found: np.ndarray, objects: np.ndarray, difficult: np.ndarray, overlap: float) -> np.ndarray:
    """Return for each box of one photograph, the surest first: 1 right, 0 wrong, -1 not counted."""
    verdicts = np.zeros(len(found), int)
    if len(objects) == 0:
        return verdicts
    overlaps = geometry.iou(found, objects)
    taken = np.zeros(len(objects), bool)
    for i, best in enumerate(overlaps.argmax(axis=1)):
        if overlaps[i, best] <= overlap:
            continue
        if difficult[best]:
            verdicts[i] = -1
        elif not taken[best]:
            verdicts[i] = 1
            taken[best] = True
    return verdicts


def curves(dataset: Dataset, detections: Detections, overlap: float = 0.5) -> dict[str, Curve]:
    """Return the curve of every class but background, by name."""
    if len(detections) != len(dataset.classes):
        raise DataError(f"{dataset.name} has {len(dataset.classes)} classes, the detections are of {len(detections)}")
    return {name: judge(dataset, detections[j], j, overlap) for j, name in enumerate(dataset.classes) if j}


def evaluate_voc(
    dataset: Dataset, detections: Detections, use_07: bool = False, overlap: float = 0.5
) -> dict[str, float]:
    """Return the average precision of every class, by name; NaN for a class of which there is no object to find."""
    return {name: curve.ap(use_07) for name, curve in curves(dataset, detections, overlap).items()}


def mean_ap(precisions: Mapping[str, float]) -> float:
    """Return the mean over the classes that have objects; NaN if none has."""
    known = [ap for ap in precisions.values() if not np.isnan(ap)]
    return float(np.mean(known)) if known else float("nan")


def report(precisions: Mapping[str, float], use_07: bool) -> Iterable[str]:
    """Yield the lines of the published code: the metric, `AP for CLASS = …` and `Mean AP = …`."""
    yield f"VOC07 metric? {'Yes' if use_07 else 'No'}"
    for name, ap in precisions.items():
        yield f"AP for {name} = " + ("(no objects)" if np.isnan(ap) else f"{ap:.4f}")
    yield f"Mean AP = {mean_ap(precisions):.4f}"


def uses_eleven_points(name: str) -> bool:
    """Say whether a data set of this name (`VOC2007`, `voc_2012_test`) is of the years of the eleven-point metric."""
    years = re.findall(r"(?i)voc_?(20\d\d)", name)
    return bool(years) and int(years[-1]) <= LAST_YEAR_OF_ELEVEN_POINTS
