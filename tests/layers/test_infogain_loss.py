"""InfogainLoss: the matrix as a bottom and from a file, and its likeness to SoftmaxWithLoss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minicaffe.errors import DataError, NetError
from minicaffe.proto import schema
from minicaffe.testing import Case, check_elements, given, labels, normal, uniform
from minicaffe.testing.bench import Bench

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, 0.0]])
LABELS = [2, 0]
H = np.array([[1.0, 0.5, 0.0], [0.0, 2.0, 0.25], [0.75, 0.0, 1.0]])


def bench(text: str, *bottoms: object, kind: str = "InfogainLoss", tops: int = 1) -> Bench:
    case = Case(f'type: "{kind}" {text}', tuple(map(given, bottoms)), gradients=(0,), tops=tops, through=(0,))
    return Bench(case)


def write_matrix(path: Path, matrix: np.ndarray) -> None:
    blob = schema.BlobProto(data=matrix.ravel().tolist())
    blob.shape.dim.extend(matrix.shape)
    path.write_bytes(blob.SerializeToString())


def test_loss_is_the_row_of_the_label_times_the_log_probabilities() -> None:
    results = bench("", X, LABELS, H).run()
    p = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
    assert float(results.tops[0]) == pytest.approx(-(H[LABELS] * np.log(p)).sum() / 2, rel=1e-9)


def test_identity_matrix_makes_it_softmax_with_loss() -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    x, target = rng.standard_normal((2, 3, 4)), rng.integers(0, 3, (2, 4))
    text = "loss_param { ignore_label: 1 }"
    ours, plain = bench(text, x, target, np.eye(3)).run(), bench(text, x, target, kind="SoftmaxWithLoss").run()
    np.testing.assert_allclose(ours.tops[0], plain.tops[0], rtol=1e-12)
    np.testing.assert_allclose(ours.bottoms[0], plain.bottoms[0], rtol=1e-12, atol=1e-15)


def test_matrix_from_a_file(tmp_path: Path) -> None:
    write_matrix(tmp_path / "H.binaryproto", H.reshape(1, 1, 3, 3))
    source = f'infogain_loss_param {{ source: "{tmp_path / "H.binaryproto"}" }}'
    from_file, from_bottom = bench(source, X, LABELS).run(), bench("", X, LABELS, H).run()
    np.testing.assert_array_equal(from_file.tops[0], from_bottom.tops[0])
    np.testing.assert_array_equal(from_file.bottoms[0], from_bottom.bottoms[0])


def test_gradient_element_by_element() -> None:
    case = Case('type: "InfogainLoss"', (normal(3, 4), labels(4, 3), uniform(0.1, 2, 4, 4)), gradients=(0,))
    check_elements(case, step=1e-4, threshold=2e-2)


def test_missing_matrix() -> None:
    with pytest.raises(NetError, match="needs its matrix: a third bottom, or a file"):
        bench("", X, LABELS)


def test_missing_file() -> None:
    with pytest.raises(DataError, match=r"(?s)InfogainLoss.*'nowhere/H.binaryproto' does not exist"):
        bench('infogain_loss_param { source: "nowhere/H.binaryproto" }', X, LABELS)


def test_matrix_of_another_size() -> None:
    with pytest.raises(NetError, match="3 x 3 = 9 numbers, one row a class: it has 4"):
        bench("", X, LABELS, np.eye(2))


def test_old_normalize_is_refused() -> None:
    with pytest.raises(NetError, match="'normalization', not the older 'normalize'"):
        bench("loss_param { normalize: true }", X, LABELS, H)


@pytest.mark.parametrize("bottom", [1, 2])
def test_labels_and_matrix_have_no_gradient(bottom: int) -> None:
    with pytest.raises(NetError, match=rf"no gradient for bottom\[{bottom}\]"):
        bench("", X, LABELS, H).run((0, bottom))
