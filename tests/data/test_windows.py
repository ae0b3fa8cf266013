"""Window files, and where a window with its context goes in the crop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe.data.windows import Placement, Window, place_window, read_windows, round_half_away
from minicaffe.errors import DataError

TEXT = """# 0
images/a b.jpg
3
40
50
3
2 0.7 1 2 30 35
5 0.5 0 0 10 10
1 0.49999 3 4 5 6

# 1
/abs/c.jpg
3
20
20
1
7 0.1 0 0 4 5
"""


def parsed(tmp_path: Path, text: str, fg: float = 0.5, bg: float = 0.3):  # type: ignore[no-untyped-def]
    (tmp_path / "w.txt").write_text(text)
    return read_windows(tmp_path / "w.txt", fg, bg)


def test_windows_are_sorted_by_overlap(tmp_path: Path) -> None:
    found = parsed(tmp_path, TEXT)
    assert found.images == {0: "images/a b.jpg", 1: "/abs/c.jpg"}
    assert found.channels == 3
    assert [(w.image, w.label, w.x1, w.y1, w.x2, w.y2) for w in found.foreground] == [
        ("images/a b.jpg", 2, 1, 2, 30, 35),
        ("images/a b.jpg", 5, 0, 0, 10, 10),
    ]
    assert [(w.image, w.label, w.x2) for w in found.background] == [("/abs/c.jpg", 0, 4)]
    assert found.foreground[0].place == f"{tmp_path / 'w.txt'}:7"


def test_thresholds_hold_for_float32(tmp_path: Path) -> None:
    threshold = float(np.float32(0.7))  # as a prototxt's 0.7 arrives
    assert [w.label for w in parsed(tmp_path, TEXT, threshold).foreground] == [2]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# 0", "0", r"w\.txt:1: expected '# INDEX'"),
        ("# 1", "# 0", r"w\.txt:11: a second image has the index 0"),
        ("\n40\n", "\nforty\n", r"w\.txt:4: expected the height of the image, a whole number, found 'forty'"),
        ("5 0.5 0", "5 0.5", r"w\.txt:8: expected 'class overlap x1 y1 x2 y2'"),
        ("5 0.5", "0 0.5", r"w\.txt:8: a window that overlaps 0\.5 >= fg_threshold has the class 0"),
        ("20\n1\n7", "20\n2\n7", r"w\.txt: ends in the middle of an image"),
        ("7 0.1", "7 0.4", r"no background windows"),
    ],
)
def test_what_breaks_the_form(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(DataError, match=message):
        parsed(tmp_path, TEXT.replace(old, new, 1))


def test_no_foreground(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no foreground windows"):
        parsed(tmp_path, TEXT, fg=0.9)


def test_halves_are_rounded_away_from_zero() -> None:
    assert [round_half_away(x) for x in (0.5, 1.5, -0.5, -1.5, 0.49, -0.49, 2)] == [1, 2, -1, -2, 0, 0, 2]


# -- placement --------------------------------------------------------------------------------------------------------


def window(x1: int, y1: int, x2: int, y2: int) -> Window:
    return Window("a.jpg", 1, x1, y1, x2, y2, "w.txt:1")


def test_without_context_the_window_is_the_crop() -> None:
    placed = place_window(window(3, 4, 10, 6), (20, 20), 8, 0, False, True)
    assert placed == Placement(3, 4, 10, 6, 0, 0, 8, 8)


def test_context_inside_the_image() -> None:
    # 16 x 8 pixels into 8 with 2 of context on each side: the window is doubled about its centre (12, 14)
    placed = place_window(window(4, 10, 19, 17), (60, 60), 8, 2, False, False)
    assert placed == Placement(-4 + 4, 6, 28, 22, 1, 0, 7, 8)


def test_context_outside_is_left_empty_and_mirrors_with_the_image() -> None:
    # widened to columns -4 … 12 and rows -4 … 12 of 17 each; 4 of them lie before the image
    plain = place_window(window(0, 0, 7, 7), (60, 60), 17, 4, False, False)
    assert (plain.x1, plain.y1, plain.x2, plain.y2) == (0, 0, 12, 12)
    assert (plain.left, plain.top, plain.width, plain.height) == (4, 4, 13, 13)
    mirrored = place_window(window(0, 0, 7, 7), (60, 60), 17, 4, False, True)
    assert (mirrored.left, mirrored.top, mirrored.width, mirrored.height) == (0, 4, 13, 13)


def test_squares_take_the_longer_side() -> None:
    placed = place_window(window(10, 20, 29, 29), (60, 60), 10, 0, True, False)
    assert (placed.x1, placed.y1, placed.x2, placed.y2) == (10, 15, 30, 35)
    assert (placed.left, placed.top, placed.width, placed.height) == (0, 0, 10, 10)


def by_hand(w: Window, image: tuple[int, int], crop: int, pad: int, square: bool, mirror: bool) -> Placement:
    """The two axes one at a time, in float32."""
    f, away = np.float32, lambda v: int(np.trunc(v + np.copysign(np.float32(0.5), v)))
    half = [f(w.x2 - w.x1 + 1) / f(2), f(w.y2 - w.y1 + 1) / f(2)]
    longest = max(half)
    result = []
    for axis, (low, size) in enumerate(((w.x1, image[1]), (w.y1, image[0]))):
        centre, reach = f(low) + half[axis], (longest if square else half[axis]) * (f(crop) / f(crop - 2 * pad))
        first, last = away(centre - reach), away(centre + reach)
        scale = f(crop) / f(last - first + 1)
        before, after = max(0, -first), max(0, last - size + 1)
        start = away(f(after if mirror and axis == 0 else before) * scale)
        first, last = first + before, last - after
        result.append((first, last, start, min(away(f(last - first + 1) * scale), crop - start)))
    (x1, x2, left, width), (y1, y2, top, height) = result
    return Placement(x1, y1, x2, y2, left, top, width, height)


@settings(deadline=None, max_examples=80)
@given(st.data(), st.integers(1, 40), st.booleans(), st.booleans())
def test_placement_agrees_with_each_axis_by_itself(data: st.DataObject, crop: int, square: bool, mirror: bool) -> None:
    height, width = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))
    pad = data.draw(st.integers(0 if square else 1, max(0 if square else 1, (crop - 1) // 2)))
    if 2 * pad >= crop:
        return
    x1, y1 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    w = window(x1, y1, data.draw(st.integers(x1, width - 1)), data.draw(st.integers(y1, height - 1)))
    placed = place_window(w, (height, width), crop, pad, square, mirror)
    assert placed == by_hand(w, (height, width), crop, pad, square, mirror)
    assert placed.left + placed.width <= crop
    assert placed.top + placed.height <= crop
