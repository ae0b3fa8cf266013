from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minicaffe.detection.coco import read_coco
from minicaffe.detection.dataset import Dataset, Photograph
from minicaffe.detection.evaluate import (
    Curve,
    curves,
    evaluate_voc,
    judge,
    mean_ap,
    report,
    uses_eleven_points,
    voc_ap,
)
from minicaffe.detection.results import no_detections
from minicaffe.errors import DataError
from tests.conftest import SHARED

VOC2007 = SHARED / "datasets" / "voc2007_gt" / "pascal_val2007.json"
A, B, C = (0, 0, 9, 9), (20, 0, 29, 9), (0, 20, 9, 29)
NOWHERE = (80, 80, 89, 89)


def photograph(name: str, boxes, classes=None, difficult=None) -> Photograph:
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    classes = np.ones(len(boxes), np.int64) if classes is None else np.array(classes)
    difficult = np.zeros(len(boxes), bool) if difficult is None else np.array(difficult, bool)
    return Photograph(name, Path(name), (100, 100), boxes, classes, difficult)


def data(*photographs: Photograph, classes=("cell",)) -> Dataset:
    return Dataset("made", ("__background__", *classes), list(photographs))


def found(*rows) -> np.ndarray:
    """Detections of one photograph from (box, score) pairs."""
    return np.array([[*box, score] for box, score in rows], np.float32).reshape(-1, 5)


# -- average precision ------------------------------------------------------------------------------------------------


def test_a_curve_by_hand() -> None:
    recall, precision = np.array([0.5, 0.5, 1.0]), np.array([1.0, 0.5, 2 / 3])
    assert voc_ap(recall, precision) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert voc_ap(recall, precision, use_07=True) == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)


@pytest.mark.parametrize("use_07", [False, True])
def test_nothing_found_is_zero_and_everything_found_first_is_one(use_07: bool) -> None:
    nothing = np.zeros(0)
    assert voc_ap(nothing, nothing, use_07) == 0
    assert voc_ap(np.array([0.5, 1.0]), np.array([1.0, 1.0]), use_07) == 1


def test_recall_of_half_gives_half_the_area_but_six_of_the_eleven_points() -> None:
    recall, precision = np.array([0.25, 0.5]), np.array([1.0, 1.0])
    assert voc_ap(recall, precision) == 0.5
    assert voc_ap(recall, precision, use_07=True) == pytest.approx(6 / 11)


def devkit_ap(recall: np.ndarray, precision: np.ndarray, use_07: bool) -> float:
    """The definition, in the form of the VOC development kit's report."""
    if use_07:
        points = [precision[recall >= t].max(initial=0) for t in np.arange(0.0, 1.1, 0.1)]
        return sum(points) / 11
    recall, precision = [0.0, *recall, 1.0], [0.0, *precision, 0.0]
    return sum((recall[i] - recall[i - 1]) * max(precision[i:]) for i in range(1, len(recall)))


@settings(deadline=None, max_examples=50)
@given(arrays(bool, st.integers(0, 30)), st.integers(1, 20), st.booleans())
def test_any_curve_as_the_development_kit_computes_it(right: np.ndarray, missed: int, use_07: bool) -> None:
    curve = Curve(np.zeros(len(right)), right, int(right.sum()) + missed)
    expected = devkit_ap(curve.recall, curve.precision, use_07)
    assert curve.ap(use_07) == pytest.approx(expected, abs=1e-12)


# -- judging ----------------------------------------------------------------------------------------------------------


def test_the_surest_of_two_on_one_object_is_right_the_other_wrong() -> None:
    curve = judge(data(photograph("1", [A])), [found((A, 0.4), (A, 0.9))], 1)
    assert curve.right.tolist() == [True, False]
    assert curve.scores.tolist() == pytest.approx([0.9, 0.4])


def test_overlap_must_be_above_the_half() -> None:
    half = (0, 0, 9, 19)  # 10 x 20 over 10 x 10: IoU is exactly 0.5
    dataset = data(photograph("1", [A]))
    assert judge(dataset, [found((half, 0.9))], 1).right.tolist() == [False]
    assert judge(dataset, [found(((0, 0, 9, 18), 0.9))], 1).right.tolist() == [True]
    assert judge(dataset, [found((half, 0.9))], 1, overlap=0.49).right.tolist() == [True]


def test_a_detection_belongs_to_the_object_it_overlaps_most() -> None:
    near = (0, 0, 9, 10)
    curve = judge(data(photograph("1", [A, near])), [found((near, 0.9), (near, 0.8), (A, 0.7))], 1)
    assert curve.right.tolist() == [True, False, True]


def test_difficult_objects_count_neither_way() -> None:
    dataset = data(photograph("1", [A, B], difficult=[False, True]))
    curve = judge(dataset, [found((B, 0.9), (B, 0.8), (A, 0.7), (C, 0.6))], 1)
    assert curve.objects == 1
    assert curve.right.tolist() == [True, False]
    assert curve.scores.tolist() == pytest.approx([0.7, 0.6])


def test_detections_of_all_photographs_are_ranked_together() -> None:
    dataset = data(photograph("1", [A]), photograph("2", []), photograph("3", [A]))
    detections = [found((A, 0.5)), found((A, 0.6)), found((A, 0.7), (B, 0.55))]
    curve = judge(dataset, detections, 1)
    assert curve.right.tolist() == [True, False, False, True]
    assert curve.ap() == pytest.approx(0.5 * 1 + 0.5 * 0.5)


def test_objects_of_other_classes_are_no_objects() -> None:
    dataset = data(photograph("1", [A, B], classes=[1, 2]), classes=("cell", "platelet"))
    detections = no_detections(dataset)
    detections[1][0] = found((B, 0.9), (A, 0.8))
    detections[2][0] = found((B, 0.9))
    assert evaluate_voc(dataset, detections) == {"cell": 0.5, "platelet": 1.0}


def test_a_class_without_objects_has_no_precision_and_does_not_count() -> None:
    dataset = data(photograph("1", [A]), classes=("cell", "platelet"))
    detections = no_detections(dataset)
    detections[1][0], detections[2][0] = found((A, 0.9)), found((A, 0.9))
    precisions = evaluate_voc(dataset, detections)
    assert precisions["cell"] == 1
    assert np.isnan(precisions["platelet"])
    assert mean_ap(precisions) == 1
    assert list(report(precisions, use_07=True)) == [
        "VOC07 metric? Yes",
        "AP for cell = 1.0000",
        "AP for platelet = (no objects)",
        "Mean AP = 1.0000",
    ]
    assert np.isnan(mean_ap({"platelet": float("nan")}))


def test_detections_of_another_data_set_are_refused() -> None:
    dataset = data(photograph("1", [A]), photograph("2", [A]))
    with pytest.raises(DataError, match="2 photographs, the detections are of 1"):
        judge(dataset, [found((A, 0.9))], 1)
    with pytest.raises(DataError, match="2 classes, the detections are of 1"):
        curves(dataset, [[found(), found()]])


@pytest.mark.parametrize(
    ("name", "eleven"),
    [("voc_2007_test", True), ("VOC2009", True), ("VOC2010", False), ("voc_2012_val", False), ("bccd_2007", False)],
)
def test_the_metric_changed_in_2010(name: str, eleven: bool) -> None:
    assert uses_eleven_points(name) is eleven


# -- VOC2007 ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def voc2007() -> Dataset:
    if not VOC2007.exists():
        pytest.skip(f"there is no {VOC2007}")
    return read_coco(VOC2007)


def truth(dataset: Dataset, change) -> list[list[np.ndarray]]:
    """Detections made of the objects themselves, the difficult ones too; `change` gets and returns rows [N, 5]."""
    detections = no_detections(dataset)
    for j in range(1, len(dataset.classes)):
        for i, shown in enumerate(dataset):
            boxes = shown.boxes[shown.classes == j]
            detections[j][i] = change(np.column_stack([boxes, np.full(len(boxes), 0.5, np.float32)]))
    return detections


def test_voc2007_has_the_objects_it_is_known_to_have(voc2007: Dataset) -> None:
    assert len(voc2007) == 2510
    nothing = curves(voc2007, no_detections(voc2007))
    assert len(nothing) == 20
    assert sum(curve.objects for curve in nothing.values()) == 7818  # the difficult ones too: this file marks none
    assert nothing["person"].objects == 2742


def test_the_truth_itself_is_perfect(voc2007: Dataset) -> None:
    perfect = curves(voc2007, truth(voc2007, lambda rows: rows))
    assert len(perfect) == 20
    assert all(curve.ap(use_07) == pytest.approx(1.0) for curve in perfect.values() for use_07 in (False, True))


def test_a_surer_wrong_box_for_every_object_makes_half(voc2007: Dataset) -> None:
    """n wrong ones come first, then n right ones: precision climbs from 0 to n / 2n, and its envelope is 1/2."""

    def with_wrong_ones(rows: np.ndarray) -> np.ndarray:
        wrong = rows + np.array([10000, 10000, 10000, 10000, 0.4], np.float32)
        return np.concatenate([rows, wrong])

    judged = curves(voc2007, truth(voc2007, with_wrong_ones))
    assert all(curve.ap(use_07) == pytest.approx(0.5) for curve in judged.values() for use_07 in (False, True))


def test_boxes_shifted_by_a_third_of_their_width_are_found_a_little_more_are_not(voc2007: Dataset) -> None:
    """A box moved by d of its width w overlaps the old one by (w - d) / (w + d), which is 1/2 for d = w / 3."""

    def shifted(share: float):
        def change(rows: np.ndarray) -> np.ndarray:
            rows[:, [0, 2]] += share * (rows[:, 2:3] - rows[:, :1] + 1)
            return rows

        return change

    lonely = Dataset("lonely", voc2007.classes, [p for p in voc2007 if len(p.boxes) == 1])
    assert len(lonely) > 500
    found, lost = (evaluate_voc(lonely, truth(lonely, shifted(share))) for share in (0.33, 0.34))
    assert all(ap == pytest.approx(1.0) for ap in found.values())
    assert all(ap == 0 for ap in lost.values())
