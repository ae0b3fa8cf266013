"""What is shipped, and what `import minicaffe` costs."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import minicaffe

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("numpy", "numba", "cupy", "scipy", "h5py", "lmdb", "cv2", "PIL", "google.protobuf", "tqdm", "yaml")


def run(script: str, folder: Path = ROOT) -> str:
    """Run `script` in a Python of its own, in `folder`, and return what it printed."""
    ran = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy of the tree with the setuptools that is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "minicaffe", folder / "minicaffe", ignore=shutil.ignore_patterns("__pycache__"))
    built = run("from setuptools import build_meta; print(build_meta.build_wheel('dist'))", folder)
    return zipfile.ZipFile(folder / "dist" / built.splitlines()[-1])


def test_the_wheel_is_pure_and_whole(wheel: zipfile.ZipFile) -> None:
    assert Path(wheel.filename or "").name == f"minicaffe-{minicaffe.__version__}-py3-none-any.whl"
    names = set(wheel.namelist())
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "minicaffe").rglob("*.py")}
    assert sources <= names
    assert {"minicaffe/proto/caffe.desc", "minicaffe/py.typed"} <= names
    assert not [name for name in names if name.startswith(("tests/", "models/", "benchmarks/"))]
    assert any(name.endswith("LICENSE") for name in names)
    assert wheel.read("minicaffe/proto/caffe.desc") == (ROOT / "minicaffe/proto/caffe.desc").read_bytes()


def test_the_wheel_declares_what_it_needs(wheel: zipfile.ZipFile) -> None:
    metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    text = wheel.read(metadata).decode()
    assert "Requires-Python: >=3.10" in text
    for extra in ("cuda12x", "cuda13x", "data", "digits", "leveldb", "quickstart", "ss", "test"):
        assert f"Provides-Extra: {extra}\n" in text
    entry_points = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "minicaffe = minicaffe.cli.main:main" in wheel.read(entry_points).decode()


def test_pyproject_is_the_stub_only() -> None:
    sections = [line for line in (ROOT / "pyproject.toml").read_text().splitlines() if line.startswith("[")]
    assert sections == ["[build-system]"]


def test_import_loads_next_to_nothing() -> None:
    loaded = run("import sys, minicaffe; print(sorted(sys.modules))")
    assert "'minicaffe'" in loaded
    for module in HEAVY:
        assert f"'{module}'" not in loaded


def test_building_a_net_loads_no_optional_package() -> None:
    loaded = run(
        "import sys, minicaffe\n"
        "net = minicaffe.Net('models/lenet/deploy.prototxt', minicaffe.TEST)\n"
        "print(sorted(sys.modules))"
    )
    for module in ("cupy", "h5py", "lmdb", "cv2", "PIL", "sklearn"):
        assert f"'{module}'" not in loaded


def test_runs_without_numba() -> None:
    script = """
import sys
if {absent}:
    sys.modules["numba"] = None
import numpy as np, minicaffe
minicaffe.set_random_seed(1)
net = minicaffe.Net("models/lenet/deploy.prototxt", minicaffe.TEST)
x = np.random.default_rng(0).uniform(size=net.blobs["data"].data.shape)
print(*net.forward(data=x)["prob"].ravel())
"""
    without, with_numba = ([float(p) for p in run(script.format(absent=absent)).split()] for absent in (True, False))
    assert len(without) == 10
    assert without == pytest.approx(with_numba, rel=1e-4)


def test_every_file_of_the_package_names_an_existing_extra() -> None:
    """`missing_dependency(package, extra, ...)` sends users to `pip install 'minicaffe[extra]'`: it must exist."""

    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = set(config["options.extras_require"])
    named = {
        (path.name, match[2])
        for path in (ROOT / "minicaffe").rglob("*.py")
        for match in re.finditer(r"missing_dependency\(\s*\"([\w-]+)\",\s*\"(\w+)\"", path.read_text())
    }
    assert named
    assert [(name, extra) for name, extra in named if extra not in extras] == []
