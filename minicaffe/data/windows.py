"""Window files: images with scored boxes, from which R-CNN draws foreground and background windows.

An image takes `# INDEX`, its path, its channels, height and width, the number of its windows, and then that many lines
`class overlap x1 y1 x2 y2`, each thing on a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe.data.lists import numbered_lines
from minicaffe.errors import DataError


@dataclass(frozen=True)
class Window:
    """A box in an image, corners inclusive, in pixels. `place` is where it stands (`FILE:LINE`)."""

    image: str
    label: int
    x1: int
    y1: int
    x2: int
    y2: int
    place: str


@dataclass
class WindowFile:
    """All windows of a file, and the channels its images are said to have."""

    channels: int = 0
    images: dict[int, str] = field(default_factory=dict)
    foreground: list[Window] = field(default_factory=list)
    background: list[Window] = field(default_factory=list)


def read_windows(path: Path, fg_threshold: float, bg_threshold: float) -> WindowFile:
    """Return the windows of a file: foreground if they overlap at least `fg_threshold`, background if less than
    `bg_threshold`.

    Background windows get the label 0. DataError, naming FILE:LINE, for text that breaks the form, a foreground window
    of class 0, and a file without a window of each sort.
    """
    found = WindowFile()
    lines = iter(numbered_lines(path))
    for number, line in lines:
        if not line.startswith("#") or not line[1:].strip().isdigit():
            raise DataError(f"{path}:{number}: expected '# INDEX', which begins an image, found {line!r}")
        index = int(line[1:])
        if index in found.images:
            raise DataError(f"{path}:{number}: a second image has the index {index}")
        found.images[index] = _take(lines, path)[1].strip()
        found.channels = _whole(lines, path, "channels")
        for what in ("height", "width"):
            _whole(lines, path, what)
        for _ in range(_whole(lines, path, "number of windows")):
            _sort_in(found, found.images[index], *_take(lines, path), path, fg_threshold, bg_threshold)
    for kind, windows in (("foreground", found.foreground), ("background", found.background)):
        if not windows:
            raise DataError(
                f"{path}: no {kind} windows (foreground: overlap >= {fg_threshold}; background: < {bg_threshold})"
            )
    return found


def _take(lines: Iterator[tuple[int, str]], path: Path) -> tuple[int, str]:
    line = next(lines, None)
    if line is None:
        raise DataError(f"{path}: ends in the middle of an image")
    return line


def _whole(lines: Iterator[tuple[int, str]], path: Path, what: str) -> int:
    number, line = _take(lines, path)
    if not line.strip().isdigit():
        raise DataError(f"{path}:{number}: expected the {what} of the image, a whole number, found {line!r}")
    return int(line)


def _sort_in(
    found: WindowFile, image: str, number: int, line: str, path: Path, fg_threshold: float, bg_threshold: float
) -> None:
    place = f"{path}:{number}"
    try:
        label, overlap, *corners = line.split()
        x1, y1, x2, y2 = (int(corner) for corner in corners)
        window = Window(image, int(label), x1, y1, x2, y2, place)
        score = float(np.float32(overlap))
    except ValueError:
        raise DataError(f"{place}: expected 'class overlap x1 y1 x2 y2', found {line!r}") from None
    if score >= fg_threshold:
        if window.label <= 0:
            raise DataError(
                f"{place}: a window that overlaps {overlap} >= fg_threshold has the class {window.label}, not one > 0"
            )
        found.foreground.append(window)
    elif score < bg_threshold:
        found.background.append(Window(image, 0, x1, y1, x2, y2, place))


# -- geometry ---------------------------------------------------------------------------------------------------------


def round_half_away(x: Any) -> int:
    """Return `x` rounded to a whole number, halves away from zero, as C's `round` does."""
    return int(np.sign(x) * np.floor(np.abs(x) + 0.5))


@dataclass(frozen=True)
class Placement:
    """The part [y1, y2] x [x1, x2] of an image, and where it goes in the crop, resized: at row `top`, column `left`."""

    x1: int
    y1: int
    x2: int
    y2: int
    left: int
    top: int
    width: int
    height: int


def place_window(window: Window, image: tuple[int, int], crop: int, pad: int, square: bool, mirror: bool) -> Placement:
    """Return how a window of an image (height, width) fills a crop x crop square with `pad` pixels of context on every
    side.

    The window is widened so that, warped, it leaves `pad` pixels around itself; `square` first widens it to a square.
    What lies outside of the image stays empty. All in float32, halves rounded away from zero, as Caffe rounds.
    """
    x1, y1, x2, y2 = window.x1, window.y1, window.x2, window.y2
    if not (pad or square):
        return Placement(x1, y1, x2, y2, 0, 0, crop, crop)
    f32 = np.float32
    scale = f32(crop) / f32(crop - 2 * pad)
    half_h, half_w = f32(y2 - y1 + 1) / f32(2), f32(x2 - x1 + 1) / f32(2)
    centre_x, centre_y = f32(x1) + half_w, f32(y1) + half_h
    if square:
        half_h = half_w = max(half_h, half_w)
    x1, x2 = round_half_away(centre_x - half_w * scale), round_half_away(centre_x + half_w * scale)
    y1, y2 = round_half_away(centre_y - half_h * scale), round_half_away(centre_y + half_h * scale)
    scale_x, scale_y = f32(crop) / f32(x2 - x1 + 1), f32(crop) / f32(y2 - y1 + 1)
    before_x, before_y = max(0, -x1), max(0, -y1)
    after_x, after_y = max(0, x2 - image[1] + 1), max(0, y2 - image[0] + 1)
    x1, x2, y1, y2 = x1 + before_x, x2 - after_x, y1 + before_y, y2 - after_y
    left = round_half_away(f32(after_x if mirror else before_x) * scale_x)
    top = round_half_away(f32(before_y) * scale_y)
    width = min(round_half_away(f32(x2 - x1 + 1) * scale_x), crop - left)
    height = min(round_half_away(f32(y2 - y1 + 1) * scale_y), crop - top)
    return Placement(x1, y1, x2, y2, left, top, width, height)
