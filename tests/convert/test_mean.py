"""Mean images: their numbers, their file, a Data layer subtracting them, and items that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minicaffe.convert.imageset import ImageForm, convert_images
from minicaffe.convert.mean import backend_of, image_mean, write_mean
from minicaffe.data.datum import image_datum
from minicaffe.data.lists import read_image_list
from minicaffe.data.sources import create_source
from minicaffe.errors import DataError
from minicaffe.io import array_to_datum
from minicaffe.net import Net
from minicaffe.proto import parse, schema

from .conftest import picture

PLANES = np.stack([picture(i).transpose(2, 0, 1) for i in range(5)])


@pytest.mark.parametrize("backend", ["LMDB", "LEVELDB"])
@pytest.mark.parametrize("encoded", [False, True])
def test_the_mean_of_all_images_once(photos: Path, backend: str, encoded: bool) -> None:
    pytest.importorskip({"LMDB": "lmdb", "LEVELDB": "plyvel"}[backend])
    convert_images(read_image_list(Path("list.txt")), "img", "db", ImageForm(encoded=encoded), backend)
    assert backend_of("db") == backend
    mean = image_mean("db")
    assert mean.dtype == np.float32
    np.testing.assert_array_equal(mean, PLANES.mean(axis=0, dtype=np.float64).astype(np.float32))
    np.testing.assert_array_equal(image_mean("db", backend), mean)


def test_numbers_other_than_pixels(tmp_path: Path) -> None:
    x = np.linspace(-3, 5, 24).reshape(2, 3, 2, 2).astype(np.float32)
    with create_source(tmp_path / "db") as out:
        for i in range(2):
            out.put(str(i), array_to_datum(x[i]).SerializeToString())
    np.testing.assert_allclose(image_mean(tmp_path / "db"), x.mean(axis=0), rtol=1e-6)


def test_a_sum_beyond_what_float32_counts_exactly(tmp_path: Path) -> None:
    with create_source(tmp_path / "db") as out:
        for i, value in enumerate([2.0**25, 1.0, 1.0, 1.0]):
            out.put(str(i), array_to_datum(np.full((1, 1, 1), value, np.float32)).SerializeToString())
    assert image_mean(tmp_path / "db").item() == np.float32((2.0**25 + 3) / 4)


def test_the_file_is_what_mean_file_reads(photos: Path) -> None:
    convert_images(read_image_list(Path("list.txt")), "img", "db", ImageForm())
    write_mean("mean.binaryproto", image_mean("db"))
    blob = schema.BlobProto.FromString(Path("mean.binaryproto").read_bytes())
    assert (blob.num, blob.channels, blob.height, blob.width) == (1, 3, 6, 8)
    assert not blob.HasField("shape")
    text = (
        'layer { name: "d" type: "Data" top: "x" transform_param { mean_file: "mean.binaryproto" } '
        'data_param { source: "db" backend: LMDB batch_size: 5 } }'
    )
    net = Net(parse(text, schema.NetParameter), "TEST")
    net.forward()
    net.close()
    np.testing.assert_allclose(net.blobs["x"].data, PLANES - PLANES.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(net.blobs["x"].data.mean(axis=0), 0, atol=1e-4)


def test_an_image_of_another_size_is_named(tmp_path: Path) -> None:
    with create_source(tmp_path / "db") as out:
        for i, height in enumerate([4, 4, 5]):
            out.put(f"{i}_x.png", image_datum(picture(i, height)).SerializeToString())
    with pytest.raises(DataError, match=r"item '2_x.png' has shape \(3, 5, 8\), but item '0_x.png' has \(3, 4, 8\)"):
        image_mean(tmp_path / "db")


def test_an_item_that_is_no_image_is_named(tmp_path: Path) -> None:
    with create_source(tmp_path / "db") as out:
        out.put("0", image_datum(picture(0)).SerializeToString())
        out.put("1", b"\xff\xff")
    with pytest.raises(DataError, match=r"db: item '1': 2 bytes that are not a Datum"):
        image_mean(tmp_path / "db")


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such database"):
        image_mean(tmp_path / "db")
