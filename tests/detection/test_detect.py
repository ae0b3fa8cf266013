from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minicaffe.data import images
from minicaffe.detection import boxes as geometry
from minicaffe.detection.dataset import Dataset, Photograph
from minicaffe.detection.detect import (
    Options,
    class_count,
    detect,
    detect_dataset,
    distinct,
    im_detect,
    project,
    suppress,
    surest,
)
from minicaffe.errors import DataError, NetError
from tests.detection.detector import BLUE, EMPTY, GREEN, TEXT, boxes, make_config, make_net, picture

ALL = boxes(BLUE, GREEN, EMPTY)


def softmax(*scores: float) -> np.ndarray:
    e = np.exp(np.array(scores))
    return e / e.sum()


# -- the net ----------------------------------------------------------------------------------------------------------


def test_scores_and_boxes_by_hand() -> None:
    scores, moved = im_detect(make_net(), picture(), ALL, make_config())
    expected = [softmax(0, 6, 0), softmax(0, 0, 4), softmax(0, 0, 0)]
    assert scores == pytest.approx(np.array(expected), abs=1e-6)
    assert moved.shape == (3, 12)
    centred = ALL + [0, 0, 1, 1]  # decoding gives x2 = centre + width / 2, without the -1
    assert moved == pytest.approx(np.tile(centred, (1, 3)))


def test_each_class_moves_its_own_box_and_none_leaves_the_image() -> None:
    deltas = (0, 0, 0, 0, 0.5, 0, 0, 0, 0, -2.5, 0, float(np.log(2)))
    _, moved = im_detect(make_net(deltas=deltas), picture(), boxes(GREEN), make_config())
    assert moved[0, 4:8] == pytest.approx([45, 20, 55, 30])
    assert moved[0, 8:12] == pytest.approx([40, 0, 50, 10])
    _, moved = im_detect(make_net(deltas=(200.0,) * 12), picture(), ALL, make_config())
    assert np.isfinite(moved).all()
    assert moved.min() >= 0 and moved[:, 0::2].max() <= 59 and moved[:, 1::2].max() <= 39


def test_the_image_is_scaled_and_the_boxes_with_it() -> None:
    net, config = make_net(), make_config(SCALES=(80,))
    scores, moved = im_detect(net, picture(), ALL, config)
    assert net.blobs["data"].shape == (1, 3, 80, 120)
    assert net.blobs["rois"].data.tolist() == [[0, *(2 * x for x in box)] for box in ALL.tolist()]
    assert scores.argmax(axis=1).tolist() == [1, 2, 0]
    assert moved[:, :4] == pytest.approx(ALL + [0, 0, 1, 1])  # in pixels of the image given


def test_without_regression_boxes_stay_and_with_svm_scores_are_not_normalised() -> None:
    text = TEXT.replace("bbox_pred", "not_asked")
    scores, same = im_detect(make_net(text), picture(), ALL, make_config(BBOX_REG=False, SVM=True))
    assert scores[:2] == pytest.approx(np.array([[0, 6, 0], [0, 0, 4]]))
    assert np.array_equal(same, np.tile(ALL, (1, 3)))


def test_no_regions_need_no_pass() -> None:
    scores, moved = im_detect(make_net(), picture(), boxes(), make_config())
    assert (scores.shape, moved.shape) == ((0, 3), (0, 12))


def test_regions_on_the_same_cells_are_computed_once() -> None:
    net, config = make_net(), make_config()
    config.DEDUP_BOXES = 1 / 16
    crowd = np.concatenate([ALL, ALL + 1, ALL[::-1] + 2]).astype(np.float32)
    scores, moved = im_detect(net, picture(), crowd, config)
    assert net.blobs["rois"].shape[0] < len(crowd)
    assert scores.shape == (9, 3)
    kept = net.blobs["rois"].data[:, 1:].copy()
    cells = np.round(kept / 16)
    for box, score, its_own in zip(crowd, scores, moved, strict=True):
        (first,) = np.flatnonzero((cells == np.round(box / 16)).all(axis=1))
        alone, _ = im_detect(net, picture(), kept[first : first + 1], make_config())
        assert score == pytest.approx(alone[0], abs=1e-6)
        assert its_own[:4] == pytest.approx(box + [0, 0, 1, 1])


@settings(deadline=None, max_examples=30)
@given(arrays(np.float32, st.tuples(st.integers(1, 20), st.just(5)), elements=st.integers(0, 40)), st.booleans())
def test_distinct_rois_and_the_way_back(rois: np.ndarray, all_of_them: bool) -> None:
    scale = 0.0 if all_of_them else 0.125
    index, inverse = distinct(rois, scale)
    if all_of_them:
        assert index.tolist() == inverse.tolist() == list(range(len(rois)))
    back = rois[index][inverse]
    assert np.array_equal(back[:, 0], rois[:, 0])
    assert np.array_equal(np.round(back[:, 1:] * scale), np.round(rois[:, 1:] * scale))
    if scale:
        cells = np.column_stack([rois[index, 0], np.round(rois[index, 1:] * scale)])
        assert len(np.unique(cells, axis=0)) == len(index)


def test_a_box_goes_where_its_area_is_nearest_224_squared() -> None:
    small, middling, large = (0, 0, 55, 55), (0, 0, 223, 223), (0, 0, 447, 447)
    rois = project(boxes(small, middling, large), np.array([0.5, 1.0, 4.0]))
    assert rois.dtype == np.float32
    assert rois.tolist() == [[2, 0, 0, 220, 220], [1, 0, 0, 223, 223], [0, 0, 0, 223.5, 223.5]]
    ties = project(boxes(middling), np.array([1.0, 1.0]))
    assert ties[0, 0] == 0


def test_several_scales_are_one_padded_batch() -> None:
    net = make_net()
    scores, _ = im_detect(net, picture(), ALL, make_config(SCALES=(40, 80)))
    assert net.blobs["data"].shape == (2, 3, 80, 120)
    assert net.blobs["rois"].data[:, 0].tolist() == [1, 1, 1]  # boxes this small are nearest when enlarged
    assert scores.argmax(axis=1).tolist() == [1, 2, 0]
    assert not net.blobs["data"].data[0, :, 40:].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("cls_prob", "prob"), "has no blob 'cls_prob' .*expected inputs data and rois"),
        (("num_output: 12", "num_output: 8"), "bbox_pred gives 8 numbers a region; 3 classes need four each"),
    ],
)
def test_a_net_that_is_no_detector_is_named(change: tuple[str, str], message: str) -> None:
    net = make_net(TEXT.replace(*change), deltas=(0,) * (8 if "12" in change[0] else 12))
    with pytest.raises(NetError, match=f"(?s){message}"):
        im_detect(net, picture(), ALL, make_config())


def test_a_net_for_training_is_named() -> None:
    net = make_net(TEXT.replace('"Input"', '"DummyData"').replace("input_param", "dummy_data_param"))
    with pytest.raises(NetError, match="give the test prototxt, not the one for training"):
        class_count(net, make_config())


# -- from scores to detections ----------------------------------------------------------------------------------------


def test_a_list_for_every_class() -> None:
    background, blue, green = detect(make_net(), picture(), ALL, make_config(), Options(threshold=0.5))
    assert background.shape == (0, 5)
    assert blue == pytest.approx(np.array([[10, 10, 20, 20, softmax(0, 6, 0)[1]]]))
    assert green == pytest.approx(np.array([[40, 20, 50, 30, softmax(0, 0, 4)[2]]]))
    assert {of_class.dtype for of_class in (background, blue, green)} == {np.dtype(np.float32)}


def test_scores_up_to_the_threshold_are_dropped() -> None:
    third = float(np.float32(1) / 3)
    net = make_net()
    assert len(detect(net, picture(), boxes(EMPTY), make_config(), Options(threshold=0.33))[1]) == 1
    assert len(detect(net, picture(), boxes(EMPTY), make_config(), Options(threshold=third + 1e-6))[1]) == 0


def test_suppression_is_by_class_and_keeps_the_surest() -> None:
    found = np.array([[0, 0, 9, 9, 0.5], [1, 0, 10, 9, 0.9], [30, 0, 39, 9, 0.7]], np.float32)
    assert suppress(found, 0.3).tolist() == found[[1, 2]].tolist()
    both = boxes((10, 10, 49, 29))  # sees blue and green
    _, blue, green = detect(make_net(), picture(), both, make_config())
    assert len(blue) == len(green) == 1


@pytest.mark.parametrize(
    ("limit", "left"), [(0, [3, 2]), (1, [2, 0]), (2, [2, 0]), (3, [3, 1]), (4, [3, 1]), (9, [3, 2])]
)
def test_the_limit_counts_all_classes_and_keeps_ties(limit: int, left: list[int]) -> None:
    def rows(*scores: float) -> np.ndarray:
        return np.array([[0, 0, 1, 1, score] for score in scores], np.float32).reshape(-1, 5)

    found = surest([rows(), rows(0.9, 0.9, 0.5), rows(0.5, 0.1)], limit)
    assert [len(of_class) for of_class in found[1:]] == left


def test_a_second_round_looks_from_where_the_first_arrived() -> None:
    """Boxes move right by half their width each time; the score is that of the place looked at, not arrived at."""
    net = make_net(deltas=(0, 0, 0, 0, 0.5, 0, 0, 0, 0, 0, 0, 0))
    start = boxes((5, 10, 14, 19))
    config = make_config(NMS=0.9)
    once = detect(net, picture(), start, config, Options(threshold=0.5))[1]
    twice = detect(net, picture(), start, config, Options(threshold=0.5, rounds=2))[1]
    assert once[:, 0].tolist() == [10]
    assert sorted(twice[:, 0].tolist()) == [10, 15.5]  # the box has become a pixel wider on the way
    assert len(detect(net, picture(), start, config, Options(threshold=0.5, rounds=3))[1]) == 3


def test_a_later_round_scores_a_box_for_the_class_that_moved_it_only() -> None:
    """Class 1 leads from the blue square to the green one: what it finds there is no detection of class 2."""
    net = make_net(deltas=(0, 0, 0, 0, 3.0, 1.0, 0, 0, 0, 0, 0, 0))
    _, blue, green = detect(net, picture(), boxes(BLUE), make_config(), Options(threshold=0.5, rounds=2))
    assert len(blue) == 1
    assert len(green) == 0


def test_voting_moves_a_box_towards_those_it_suppressed() -> None:
    crowd = boxes(BLUE, (12, 10, 21, 19), (10, 14, 19, 23))
    plain = detect(make_net(), picture(), crowd, make_config(), Options(threshold=0.5))[1]
    voted = detect(make_net(), picture(), crowd, make_config(), Options(threshold=0.5, voting=True))[1]
    moved = crowd + [0, 0, 1, 1]
    heard = geometry.iou(plain[:, :4], moved)[0] >= 0.5
    assert heard.tolist() == [True, True, False]
    assert voted[0, :4] == pytest.approx(moved[heard].mean(axis=0))
    assert voted[0, 4] == plain[0, 4]
    narrow = Options(threshold=0.5, voting=True, vote_overlap=0.95)
    assert detect(make_net(), picture(), crowd, make_config(), narrow)[1] == pytest.approx(plain)


# -- a data set -------------------------------------------------------------------------------------------------------


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    for name in ("first", "second"):
        (tmp_path / f"{name}.png").write_bytes(images.encode(picture(), "png"))
    (tmp_path / "broken.png").write_bytes(b"no image")
    names = ("first", "broken", "second")
    return Dataset(
        "made", ("__background__", "blue", "green"), [Photograph(n, tmp_path / f"{n}.png", (60, 40)) for n in names]
    )


def test_every_photograph_in_its_place_and_the_unreadable_named(dataset: Dataset) -> None:
    done: list[tuple[int, int]] = []
    proposals = [ALL, ALL, boxes(GREEN)]
    options = Options(threshold=0.5)
    found = detect_dataset(
        make_net(), dataset, proposals, make_config(), options, progress=lambda i, n: done.append((i, n))
    )
    assert [[len(of_image) for of_image in of_class] for of_class in found] == [[0, 0, 0], [1, 0, 0], [1, 0, 1]]
    assert done == [(1, 3), (2, 3), (3, 3)]
    (problem,) = dataset.problems
    assert problem.startswith("broken: image") and problem.endswith("nothing is detected in it")


def test_an_unreadable_photograph_can_end_the_run(dataset: Dataset) -> None:
    config = make_config()
    config.BAD_DATA = "stop"
    with pytest.raises(DataError, match="broken: image"):
        detect_dataset(make_net(), dataset, [ALL] * 3, config)


def test_what_does_not_belong_together_is_named(dataset: Dataset) -> None:
    with pytest.raises(DataError, match="3 photographs, but proposals for 1"):
        detect_dataset(make_net(), dataset, [ALL], make_config())
    dataset.classes = ("__background__", "blue")
    with pytest.raises(NetError, match="tells 3 classes apart, made has 2: __background__, blue"):
        detect_dataset(make_net(), dataset, [ALL] * 3, make_config())
