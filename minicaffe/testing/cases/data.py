"""Cases of the layers that read data, and of the one that writes it: they make their own small sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minicaffe.testing.case import Case, normal


def _images(count: int, height: int, width: int) -> list[np.ndarray]:
    generator = np.random.Generator(np.random.PCG64(7))
    return [generator.integers(0, 256, (height, width, 3), np.uint8) for _ in range(count)]


def _database(folder: Path, encoded: bool) -> str:
    from minicaffe.data import images
    from minicaffe.data.datum import encoded_datum, image_datum
    from minicaffe.data.sources import create_source

    with create_source(folder / "lmdb") as out:
        for i, image in enumerate(_images(5, 6, 7)):
            datum = encoded_datum(images.encode(image, "png"), i) if encoded else image_datum(image, i)
            out.put(f"{i:08d}", datum.SerializeToString())
    return f'data_param {{ source: "{(folder / "lmdb").as_posix()}" backend: LMDB batch_size: 3 }}'


def _raw(folder: Path) -> str:
    return _database(folder, encoded=False)


def _encoded(folder: Path) -> str:
    return _database(folder, encoded=True)


def _image_files(folder: Path) -> list[Path]:
    from minicaffe.data import images

    paths = [folder / f"image {i}.png" for i in range(4)]
    for path, image in zip(paths, _images(4, 9, 8), strict=True):
        path.write_bytes(images.encode(image, "png"))
    return paths


def _list(folder: Path) -> str:
    lines = [f"{path.as_posix()} {i}" for i, path in enumerate(_image_files(folder))]
    (folder / "list.txt").write_text("\n".join(lines))
    return (
        f'image_data_param {{ source: "{(folder / "list.txt").as_posix()}" batch_size: 3 shuffle: true '
        "new_height: 7 new_width: 6 }"
    )


def _windows(folder: Path) -> str:
    blocks = [
        f"# {i}\n{path.as_posix()}\n3\n9\n8\n2\n1 0.9 1 1 5 6\n0 0.1 2 0 7 8\n"
        for i, path in enumerate(_image_files(folder))
    ]
    (folder / "windows.txt").write_text("".join(blocks))
    return (
        f'window_data_param {{ source: "{(folder / "windows.txt").as_posix()}" batch_size: 4 fg_fraction: 0.5 '
        "context_pad: 1 }"
    )


def _rows(folder: Path) -> str:
    import h5py

    generator = np.random.Generator(np.random.PCG64(7))
    for name, rows in (("a.h5", 3), ("b.h5", 4)):
        with h5py.File(folder / name, "w") as file:
            file["top0"] = generator.standard_normal((rows, 2, 5)).astype(np.float32)
            file["top1"] = generator.integers(0, 9, rows)
    (folder / "list.txt").write_text("a.h5\nb.h5\n")
    return f'hdf5_data_param {{ source: "{(folder / "list.txt").as_posix()}" batch_size: 5 }}'


def _output(folder: Path) -> str:
    return f'hdf5_output_param {{ file_name: "{(folder / "out.h5").as_posix()}" }}'


CASES: list[Case] = [
    Case('type: "Data"', tops=2, label="raw", prepare=_raw),
    Case(
        'type: "Data" transform_param { crop_size: 5 mirror: true mean_value: 104 mean_value: 117 mean_value: 123 '
        "scale: 0.5 }",
        label="encoded_and_transformed",
        prepare=_encoded,
    ),
    Case('type: "Data" transform_param { crop_size: 4 }', tops=2, train=False, label="test_phase", prepare=_raw),
    Case('type: "ImageData" transform_param { mirror: true scale: 0.1 }', tops=2, prepare=_list),
    Case('type: "WindowData" transform_param { crop_size: 6 mirror: true mean_value: 100 }', tops=2, prepare=_windows),
    Case('type: "HDF5Data"', tops=2, prepare=_rows),
    Case('type: "HDF5Output"', (normal(3, 2, 2, 2), normal(3, 2)), gradients=(), tops=0, prepare=_output),
    Case('type: "DummyData" dummy_data_param { num: 2 channels: 3 height: 4 width: 5 }', label="zeros"),
    Case(
        'type: "DummyData" dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 4 } '
        'data_filler { type: "constant" value: 2 } data_filler { type: "gaussian" mean: 3 std: 0 } }',
        tops=2,
        label="constant_and_gaussian",
    ),
]
