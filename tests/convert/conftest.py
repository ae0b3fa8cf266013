"""Pictures as files, and databases made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minicaffe.data import images


def picture(number: int, height: int = 6, width: int = 8) -> np.ndarray:
    """A picture [H, W, 3], blue, green, red, that no other number has; without noise, so that JPEG keeps it nearly."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([10 * number + x, 200 - 9 * number - y, 60 + 2 * x + 3 * y], axis=2).astype(np.uint8)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with pictures 0 to 4 as img/0.png ... and their list, each labelled 10 times its number."""
    pytest.importorskip("PIL")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "img").mkdir()
    for i in range(5):
        (tmp_path / "img" / f"{i}.png").write_bytes(images.encode(picture(i), "png"))
    (tmp_path / "list.txt").write_text("".join(f"{i}.png {10 * i}\n" for i in range(5)))
    return tmp_path
