"""did-you-mean and the words every message is made of."""

from __future__ import annotations

from minicaffe.errors import Error, describe, did_you_mean, missing_dependency, nearest
from minicaffe.proto import schema


def test_nearest_ignores_case_and_keeps_spelling() -> None:
    assert nearest("convolutoin", ["Convolution", "Deconvolution", "ReLU"])[0] == "Convolution"


def test_did_you_mean() -> None:
    assert did_you_mean("relu", ["ReLU"]) == " (did you mean 'ReLU'?)"
    assert did_you_mean("xyz", ["ReLU"]) == ""


def test_describe() -> None:
    param = schema.LayerParameter(name="a", type="ReLU")
    assert describe(param) == "layer 'a' (ReLU)"
    param.origin = "net.prototxt:3"
    assert describe(param) == "net.prototxt:3: layer 'a' (ReLU)"


def test_missing_dependency_says_what_to_install() -> None:
    error = missing_dependency("h5py", "data", "reading HDF5")
    assert isinstance(error, Error)
    assert "pip install 'minicaffe[data]'" in str(error)
