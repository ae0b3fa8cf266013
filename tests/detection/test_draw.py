from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL")

from minicaffe.data import images
from minicaffe.detection.draw import colour, draw, draw_truth, label_height, save
from minicaffe.errors import DataError

CLASSES = ("__background__", "tree", "house")
GREY = np.full((120, 160, 3), 90, np.uint8)


def found(*rows) -> list[np.ndarray]:
    """One photograph's detections from (class, x1, y1, x2, y2, score)."""
    lists = [[row[1:] for row in rows if row[0] == j] for j in range(len(CLASSES))]
    return [np.array(of_class, np.float32).reshape(-1, 5) for of_class in lists]


def bgr(number: int) -> list[int]:
    return list(colour(number))[::-1]


def test_a_frame_in_the_colour_of_its_class_and_nothing_else_changes() -> None:
    picture = draw(GREY, found((1, 40, 50, 120, 100, 0.9)), CLASSES)
    assert picture.shape == GREY.shape and picture.dtype == np.uint8
    for y, x in ((70, 40), (70, 120), (100, 80), (50, 80)):
        assert picture[y, x].tolist() == bgr(1)
    changed = (picture != GREY).any(axis=2)
    assert not changed[52:99, 42:119].any()
    assert not changed[101:].any() and not changed[:, 121:].any() and not changed[:, :40].any()
    assert (GREY == 90).all()


def test_the_label_stands_above_its_box_or_inside_where_there_is_no_room() -> None:
    above = (draw(GREY, found((1, 40, 50, 120, 100, 0.9)), CLASSES) != GREY).any(axis=2)
    assert above[40:50, 42:60].all(axis=None)
    inside = (draw(GREY, found((1, 40, 0, 120, 100, 0.9)), CLASSES) != GREY).any(axis=2)
    assert inside[1:10, 42:60].all(axis=None)
    corner = (draw(GREY, found((1, 150, 50, 159, 100, 0.9)), CLASSES) != GREY).any(axis=2)
    assert corner[41:50, 125:159].all(axis=None)


def test_text_can_be_read_on_every_colour() -> None:
    for number in range(1, 21):
        classes = ("__background__", *map(str, range(1, 21)))
        rows = [np.zeros((0, 5), np.float32) for _ in classes]
        rows[number] = np.array([[20, 60, 140, 110, 0.88]], np.float32)
        label = draw(GREY, rows, classes)[46:60, 21:60].astype(int)
        luma = label @ np.array([0.114, 0.587, 0.299])
        assert luma.max() - luma.min() > 90, number


def test_the_surest_is_drawn_last_and_the_unsure_not_at_all() -> None:
    both = found((1, 40, 50, 120, 100, 0.9), (2, 40, 50, 120, 100, 0.6))
    assert draw(GREY, both, CLASSES)[70, 40].tolist() == bgr(1)
    assert draw(GREY, both[::-1], CLASSES[::-1])[70, 40].tolist() == bgr(1)
    assert np.array_equal(draw(GREY, both, CLASSES, threshold=0.95), GREY)


def test_neighbouring_classes_have_colours_far_apart() -> None:
    colours = np.array([colour(number) for number in range(1, 22)], float)
    assert np.linalg.norm(np.diff(colours, axis=0), axis=1).min() > 100
    assert len({colour(number) for number in range(1, 81)}) == 80


def test_truth_is_a_thin_white_frame() -> None:
    picture = draw_truth(GREY, np.array([[10, 10, 50, 50]], np.float32))
    assert (picture == 255).all(axis=2).sum() == 4 * 40


@pytest.mark.parametrize("extension", ["png", "jpg"])
def test_pictures_are_saved(tmp_path: Path, extension: str) -> None:
    picture = draw(GREY, found((2, 40, 50, 120, 100, 0.9)), CLASSES)
    back = images.read(save(tmp_path / "new" / f"picture.{extension}", picture))
    assert back.shape == picture.shape
    assert np.abs(back.astype(int) - picture).mean() < (0.001 if extension == "png" else 3)


def test_a_format_nobody_knows_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'docx'"):
        save(tmp_path / "picture.docx", GREY)
    assert not list(tmp_path.iterdir())


def test_labels_shrink_with_the_picture_and_with_the_boxes_but_stay_readable() -> None:
    large, small = [(0, 0, 300, 300)], [(0, 0, 40, 40)]
    assert label_height((1200, 900), large) == 20
    assert label_height((1200, 900), small) == 13
    assert label_height((1200, 900), [*small, *small, *large]) == 13
    assert label_height((100, 100), large) == label_height((1200, 900), []) == 9
