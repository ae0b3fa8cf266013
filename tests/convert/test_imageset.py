"""Images to databases: keys, planes, sizes, files kept whole, what goes wrong, and a Data layer reading it all."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe.convert import imageset
from minicaffe.convert.imageset import ImageForm, convert_images, shuffled
from minicaffe.data import images
from minicaffe.data.datum import datum_planes, parse_datum
from minicaffe.data.lists import Entry, read_image_list
from minicaffe.data.sources import open_source
from minicaffe.errors import DataError
from minicaffe.net import Net
from minicaffe.proto import parse, schema

from .conftest import picture

PLANES = [picture(i).transpose(2, 0, 1) for i in range(5)]


def entries(*lines: tuple[str, int]) -> list[Entry]:
    return [Entry(path, label, f"list.txt:{number}") for number, (path, label) in enumerate(lines, 1)]


def items(path: str | Path, backend: str = "LMDB") -> dict[str, Any]:
    """Every Datum of a database by its key."""
    source, found = open_source(path, backend), {}
    while source.key.decode() not in found:
        found[source.key.decode()] = parse_datum(source.value)
        source.advance()
    return found


@pytest.mark.parametrize("backend", ["LMDB", "LEVELDB"])
def test_keys_planes_and_labels_are_those_of_caffe(photos: Path, backend: str) -> None:
    pytest.importorskip({"LMDB": "lmdb", "LEVELDB": "plyvel"}[backend])
    done = convert_images(read_image_list(Path("list.txt")), "img", "db", ImageForm(), backend)
    assert (done.count, done.skipped) == (5, [])
    found = items("db", backend)
    assert list(found) == [f"{i:08d}_{i}.png" for i in range(5)]
    for i, datum in enumerate(found.values()):
        assert (datum.channels, datum.height, datum.width, datum.label) == (3, 6, 8, 10 * i)
        assert datum.data == PLANES[i].tobytes()
        assert not datum.encoded


def test_a_data_layer_reads_it(photos: Path) -> None:
    convert_images(read_image_list(Path("list.txt")), "img/", "db", ImageForm())
    text = 'layer { name: "d" type: "Data" top: "x" top: "y" data_param { source: "db" backend: LMDB batch_size: 5 } }'
    net = Net(parse(text, schema.NetParameter), "TEST")
    net.forward()
    net.close()
    np.testing.assert_array_equal(net.blobs["x"].data, np.stack(PLANES).astype(np.float32))
    np.testing.assert_array_equal(net.blobs["y"].data, [0, 10, 20, 30, 40])


def test_grey_and_resized(photos: Path) -> None:
    convert_images(read_image_list(Path("list.txt")), "img", "db", ImageForm(color=False, height=3, width=5))
    for i, datum in enumerate(items("db").values()):
        expected = images.resize(images.decode(images.encode(picture(i), "png"), False), 3, 5)
        assert (datum.channels, datum.height, datum.width) == (1, 3, 5)
        assert datum.data == expected.tobytes()


def test_paths_may_begin_with_a_slash(photos: Path) -> None:
    done = convert_images(entries(("/0.png", 1), ("/1.png", 2)), "img/", "db", ImageForm())
    assert done.count == 2
    assert list(items("db")) == ["00000000_/0.png", "00000001_/1.png"]
    absolute = entries((str(photos / "img" / "2.png"), 1))
    assert convert_images(absolute, "/", "db2", ImageForm()).count == 1
    assert convert_images(absolute, "", "db3", ImageForm()).count == 1


# -- images kept as files ---------------------------------------------------------------------------------------------


def convert_one(name: str, content: bytes, form: ImageForm) -> bytes:
    """Convert a single file and return what the database holds of it, which decodes to what `form` asks for."""
    Path(name).write_bytes(content)
    convert_images(entries((name, 3)), "", f"{name}.db", form)
    (datum,) = items(f"{name}.db").values()
    assert datum.encoded
    assert datum.label == 3
    assert datum_planes(datum).shape[0] == (3 if form.color else 1)
    return datum.data


def test_files_are_kept_byte_for_byte_where_they_are_as_wanted(photos: Path) -> None:
    png, jpg = (images.encode(picture(1, 16, 24), kind) for kind in ("png", "jpg"))
    grey = images.encode(picture(1)[..., 0], "png")
    assert convert_one("a.png", png, ImageForm(encoded=True)) == png
    assert convert_one("a.JPEG", jpg, ImageForm(encoded=True, encoding="jpg")) == jpg
    assert convert_one("same", png, ImageForm(encoded=True, height=16, width=24)) == png
    assert convert_one("grey.png", grey, ImageForm(color=False, encoded=True)) == grey


def test_other_files_are_encoded_anew(photos: Path) -> None:
    png, jpg = (images.encode(picture(1, 16, 24), kind) for kind in ("png", "jpg"))
    with_alpha = images.encode(np.dstack([picture(2), np.full((6, 8), 9, np.uint8)]), "png")
    grey = images.encode(picture(1)[..., 0], "png")
    assert convert_one("a.png", png, ImageForm(encoded=True, encoding="jpg"))[:2] == b"\xff\xd8"
    assert convert_one("b.jpg", jpg, ImageForm(encoded=True, encoding="png"))[1:4] == b"PNG"
    assert convert_one("c.jpg", jpg, ImageForm(encoded=True, height=4, width=4))[:2] == b"\xff\xd8"
    assert convert_one("d.bmp", png, ImageForm(encoded=True, height=4, width=4))[1:4] == b"PNG"
    for name, content, plain in (("alpha.png", with_alpha, picture(2)), ("g.png", grey, picture(1)[..., [0, 0, 0]])):
        stored = convert_one(name, content, ImageForm(encoded=True))
        assert stored != content
        np.testing.assert_array_equal(images.decode(stored, None), plain)


def test_a_photograph_held_upright_by_its_exif_is_stored_upright(photos: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter to see it upright
    Image.fromarray(picture(1, 16, 24)).save("turned.jpg", exif=exif)
    stored = convert_one("turned2.jpg", Path("turned.jpg").read_bytes(), ImageForm(encoded=True))
    assert images.decode(stored, None).shape == (24, 16, 3)


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_unreadable_images_are_named_and_skipped(photos: Path, caplog: pytest.LogCaptureFixture) -> None:
    Path("img/bad.jpg").write_bytes(b"no image")
    listed = entries(("0.png", 1), ("bad.jpg", 2), ("none.png", 3), ("1.png", 4))
    with caplog.at_level(logging.WARNING, "minicaffe"):
        done = convert_images(listed, "img", "db", ImageForm())
    assert (done.count, done.skipped) == (2, ["bad.jpg", "none.png"])
    assert list(items("db")) == ["00000000_0.png", "00000003_1.png"]
    said = [record.getMessage() for record in caplog.records]
    assert said[0].startswith("list.txt:2: image 'img/bad.jpg' cannot be decoded")
    assert said[1] == "list.txt:3: image 'img/none.png' cannot be read: No such file or directory; skipped"


def test_nothing_readable_leaves_nothing(photos: Path) -> None:
    with pytest.raises(DataError, match=r"none of the 2 images can be read; the first is 'img/a.png'"):
        convert_images(entries(("a.png", 1), ("b.png", 2)), "img", "db", ImageForm())
    assert sorted(path.name for path in photos.iterdir()) == ["img", "list.txt"]


def test_an_image_of_another_size(photos: Path, caplog: pytest.LogCaptureFixture) -> None:
    Path("img/big.png").write_bytes(images.encode(picture(1, 9, 9), "png"))
    listed = entries(("0.png", 1), ("1.png", 1), ("big.png", 2))
    with pytest.raises(DataError, match=r"list.txt:3: image 'big.png' is 9 x 9 .*, and the first one 6 x 8 \(3 chan"):
        convert_images(listed, "img", "db", ImageForm(), same_size=True)
    assert not Path("db").exists()
    assert convert_images(listed, "img", "resized", ImageForm(height=4, width=4), same_size=True).count == 3
    assert not caplog.records
    convert_images(listed, "img", "db", ImageForm())
    assert caplog.records[-1].getMessage().startswith("The images are of 2 sizes, such as 6 x 8 (3 channels) and 9 x 9")


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (ImageForm(height=3), "cannot resize to height 3 and width 0: give both"),
        (ImageForm(height=-3, width=-3), "cannot resize to height -3"),
        (ImageForm(encoded=True, encoding="jpgg"), "cannot store images as 'jpgg': try 'jpg' or 'png'"),
        (ImageForm(color=False, encoded=True, encoding="webp"), "cannot store grey images as 'webp'"),
    ],
)
def test_forms_that_cannot_be(photos: Path, form: ImageForm, message: str) -> None:
    with pytest.raises(DataError, match=message):
        convert_images(read_image_list(Path("list.txt")), "img", "db", form)
    assert not Path("db").exists()


def test_places_that_cannot_be(photos: Path) -> None:
    listed = read_image_list(Path("list.txt"))
    with pytest.raises(DataError, match=r"imgs: no such folder"):
        convert_images(listed, "imgs", "db", ImageForm())
    with pytest.raises(DataError, match=r"list.txt: not a folder"):
        convert_images(listed, "list.txt", "db", ImageForm())
    Path("db").mkdir()
    with pytest.raises(DataError, match=r"db: already exists"):
        convert_images(listed, "img", "db", ImageForm())


def test_keys_and_labels_that_a_database_cannot_hold(photos: Path) -> None:
    with pytest.raises(DataError, match=r"list.txt:1: the path has 507 bytes, and keys of LMDB have 511"):
        convert_images(entries(("x" * 503 + ".png", 1)), "img", "db", ImageForm())
    with pytest.raises(DataError, match=r"list.txt:1: the label 2147483648 is no 32-bit number"):
        convert_images(entries(("0.png", 2**31)), "img", "db", ImageForm())


# -- order and progress -----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(count=st.integers(0, 40), seed=st.integers(0, 2**31))
def test_shuffling_keeps_every_image_and_repeats(count: int, seed: int) -> None:
    listed = entries(*((f"{i}.png", i) for i in range(count)))
    mixed, used = shuffled(listed, seed)
    assert used == seed
    assert sorted(mixed, key=lambda entry: entry.label) == listed
    assert shuffled(listed, seed)[0] == mixed


def test_a_drawn_seed_repeats_the_order() -> None:
    listed = entries(*((f"{i}.png", i) for i in range(50)))
    mixed, seed = shuffled(listed)
    assert mixed != listed
    assert shuffled(listed, seed)[0] == mixed
    assert shuffled(listed, seed + 1)[0] != mixed


def test_progress_reaches_the_end(
    photos: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(imageset, "_AT_ONCE", 2)
    monkeypatch.setattr(imageset, "_REPORT", 2)
    seen: list[tuple[int, int]] = []
    with caplog.at_level(logging.INFO, "minicaffe"):
        listed = read_image_list(Path("list.txt"))
        convert_images(listed, "img", "db", ImageForm(), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]
    said = [record.getMessage() for record in caplog.records]
    assert said == ["A total of 5 images.", *(f"Processed {n} files." for n in (2, 4, 5))]
    assert len(items("db")) == 5
