"""Bad input as users give it: every mistake is one clear error that says where, what was expected, what was found."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicaffe
from minicaffe.cli.main import main
from minicaffe.errors import DataError, Error, NetError, PrototxtError, SolverError, WeightsError
from tests.cli.conftest import NET, SOLVER, quiet_log  # noqa: F401  (the fixture works by being here)

HEAD = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 6 dim: 6 } } }
layer { name: "flat" type: "Input" top: "flat" input_param { shape { dim: 2 dim: 5 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 2 } } }
"""


def layer(kind: str, body: str = "", bottoms: str = "data", tops: str = "x", name: str = "x") -> str:
    ends = [f'bottom: "{b}"' for b in bottoms.split()] + [f'top: "{t}"' for t in tops.split()]
    return f'layer {{ name: "{name}" type: "{kind}" {" ".join(ends)} {body} }}\n'


def build(folder: Path, *layers: str) -> minicaffe.Net:
    path = folder / "net.prototxt"
    path.write_text(HEAD + "".join(layers))
    return minicaffe.Net(path, minicaffe.TRAIN)


def message(folder: Path, *layers: str, error: type[Error] = NetError) -> str:
    """Build the net, which must fail with this error; return what it says, without the folder."""
    with pytest.raises(error) as caught:
        build(folder, *layers)
    assert type(caught.value) is error
    return str(caught.value).replace(f"{folder}/", "")


def conv(body: str, kind: str = "Convolution") -> str:
    return layer(kind, f"convolution_param {{ {body} }}")


def pool(body: str, **more: str) -> str:
    return layer("Pooling", f"pooling_param {{ {body} }}", **more)


def of(kind: str, body: str, *bottoms: str, field: str = "", tops: str = "x") -> str:
    field = field or {"InnerProduct": "inner_product", "BatchNorm": "batch_norm"}.get(kind, kind.lower())
    return layer(kind, f"{field}_param {{ {body} }}", " ".join(bottoms) or "data", tops)


PARAMETERS = {
    "kernel 0": (conv("num_output: 2 kernel_size: 0"), "kernel_size 0 x 0 must be positive"),
    "no kernel": (conv("num_output: 2"), "kernel_size is given 0 times: give it once, or once for each of the 2"),
    "one side of a kernel": (conv("num_output: 2 kernel_h: 3"), "kernel_size 3 x 0 must be positive"),
    "three sides": (conv("num_output: 2" + 3 * " kernel_size: 3"), "kernel_size is given 3 times"),
    "both kernels": (conv("num_output: 2 kernel_size: 3 kernel_h: 3"), "give either kernel_size or kernel_h and"),
    "stride 0": (conv("num_output: 2 kernel_size: 3 stride: 0"), "stride 0 x 0 must be positive"),
    "dilation 0": (conv("num_output: 2 kernel_size: 3 dilation: 0"), "dilation 0 x 0 must be positive"),
    "no outputs": (conv("kernel_size: 3"), "convolution_param needs a num_output greater than 0"),
    "group and channels": (conv("num_output: 3 kernel_size: 1 group: 3"), "group 3 must divide both its 4 input chan"),
    "group and outputs": (conv("num_output: 3 kernel_size: 1 group: 2"), "4 input channels and num_output 3"),
    "group 0": (conv("num_output: 3 kernel_size: 1 group: 0"), "group 0 must divide"),
    "group of a deconvolution": (conv("num_output: 3 kernel_size: 2 group: 2", "Deconvolution"), "group 2 must divide"),
    "axis of a convolution": (conv("num_output: 2 kernel_size: 3 axis: 7"), "axis 7 is out of range for a blob of 4"),
    "kernel larger than image": (conv("num_output: 2 kernel_size: 9"), "size -2 x -2 from input 6 x 6, kernel 9 x 9"),
    "pad eats a deconvolution": (conv("num_output: 2 kernel_size: 2 pad: 5", "Deconvolution"), "would be empty"),
    "pooling kernel 0": (pool("kernel_size: 0"), "kernel 0 x 0 must be positive"),
    "no pooling kernel": (pool(""), "needs a kernel_size .or kernel_h and kernel_w, or global_pooling: true"),
    "pad as large as the kernel": (pool("kernel_size: 2 pad: 2"), "pad 2 x 2 must be smaller than the kernel, 2 x 2"),
    "pooling stride 0": (pool("kernel_size: 2 stride: 0"), "stride 0 x 0 must be positive"),
    "global with kernel": (pool("global_pooling: true kernel_size: 2"), "leave out kernel_size"),
    "mask of an average": (pool("pool: AVE kernel_size: 2", tops="x m"), "only MAX pooling has a second top"),
    "pooling larger than map": (pool("kernel_size: 20"), "would be empty: size -13 x -13 from input 6 x 6"),
    "axis of an inner product": (of("InnerProduct", "num_output: 3 axis: 9"), "axis 9 is out of range"),
    "inner product of nothing": (of("InnerProduct", ""), "inner_product_param needs a num_output greater than 0"),
    "axis of a softmax": (of("Softmax", "axis: -5"), "axis -5 is out of range for a blob of 4 axes"),
    "axis of a concat": (of("Concat", "axis: 4", "data", "data"), "axis 4 is out of range"),
    "two names of an axis": (of("Concat", "axis: 1 concat_dim: 1", "data", "data"), "keep axis"),
    "axis of a slice": (of("Slice", "axis: 5", tops="a b"), "axis 5 is out of range"),
    "too few slice points": (of("Slice", "slice_point: 1", tops="a b c"), "slice_point is given 1 times for 3 tops"),
    "slice points out of order": (of("Slice", "slice_point: 3 slice_point: 1", tops="a b c"), "must be increasing"),
    "slice point at the end": (of("Slice", "slice_point: 4", tops="a b"), "leave something of axis 1, of size 4"),
    "unequal slices": (of("Slice", "", tops="a b c"), "cannot cut axis 1 into 3 equal parts"),
    "coefficient count": (of("Eltwise", "coeff: 1", "data", "data"), "coeff is given 1 times for 2 bottoms"),
    "coefficients of a product": (
        of("Eltwise", "operation: PROD coeff: 1 coeff: 2", "data", "data"),
        "coeff belongs to operation SUM",
    ),
    "negative size in a reshape": (of("Reshape", "shape { dim: -2 }"), r"shape \[-2\] has a size below -1"),
    "reshape to other count": (of("Reshape", "shape { dim: 5 dim: -1 }"), "5 does not divide 288"),
    "two sizes to infer": (of("Reshape", "shape { dim: -1 dim: -1 }"), "more than one -1"),
    "size to copy that is not there": (of("Reshape", "shape { dim: 0 dim: 0 dim: 0 }", "flat"), "copies axis 2"),
    "flatten backwards": (of("Flatten", "axis: 3 end_axis: 1"), "axis 3 comes after end_axis 1"),
    "no tiles": (of("Tile", "tiles: 0"), "tiles: 0 must be given, and be 1 or more"),
    "offset outside": (of("Crop", "offset: 3", "data", "data"), "offset 3 . size 6 exceed 6"),
    "offset count": (of("Crop", "offset: 1 offset: 1 offset: 1", "data", "data"), "offset is given 3 times"),
    "axis of a reduction": (of("Reduction", "axis: 6"), "axis 6 is out of range"),
    "top_k of nothing": (of("ArgMax", "top_k: 0"), "top_k: 0 must lie between 1 and 144"),
    "top_k beyond classes": (of("Accuracy", "top_k: 9", "flat", "label"), "top_k: 9 } is more than the 5 classes"),
    "even LRN": (of("LRN", "local_size: 4"), "local_size: 4 } must be odd"),
    "statistics that learn": (layer("BatchNorm", "param { lr_mult: 1 }"), "has lr_mult: 1, .* write lr_mult: 0"),
    "too many axes to scale": (of("Scale", "axis: 3 num_axes: 4"), "reach beyond the 4 axes"),
    "negative num_axes": (of("Scale", "num_axes: -3"), "num_axes: -3 must be -1"),
    "dropping everything": (of("Dropout", "dropout_ratio: 1"), "dropout_ratio: 1 must be at least 0 and less than 1"),
    "base of a power": (of("Exp", "base: -3"), "base: -3 must be > 0, or -1 for e"),
    "base of a logarithm": (of("Log", "base: 1"), "base: 1 must be > 0 and not 1, or -1 for e"),
    "no ends to clip at": (layer("Clip"), "clip_param needs both min and max"),
    "ends swapped": (of("Clip", "min: 2 max: 1"), "min: 2 is greater than max: 1"),
    "embedding of no words": (of("Embed", "num_output: 3", "label"), "embed_param needs an input_dim greater than 0"),
    "rois to nothing": (
        of("ROIPooling", "pooled_w: 2", "data", "flat", field="roi_pooling"),
        "pooled_h 0 and pooled_w",
    ),
    "no pyramid": (of("SPP", ""), "pyramid_height greater than 0"),
    "a pyramid too high": (of("SPP", "pyramid_height: 5"), "lower pyramid_height"),
    "recurrent of nothing": (of("LSTM", "", "data", "flat", field="recurrent"), "num_output greater than 0"),
    "no matrix": (layer("InfogainLoss", bottoms="flat label"), "needs its matrix"),
    "no module": (layer("Python"), "python_param needs both 'module' and 'layer'"),
    "module not there": (of("Python", 'module: "gone" layer: "A"'), "cannot find the Python module 'gone'"),
    "unknown filler": (conv('num_output: 2 kernel_size: 3 weight_filler { type: "xaver" }'), "did you mean 'xavier'"),
    "filler of another shape": (
        conv('num_output: 2 kernel_h: 3 kernel_w: 2 weight_filler { type: "bilinear" }'),
        "bilinear needs 4 axes and a square kernel",
    ),
    "filler without room": (
        conv('num_output: 2 kernel_size: 3 weight_filler { type: "uniform" min: 2 max: 1 }'),
        "min: 2 is greater than max: 1",
    ),
    "negative input": (layer("Input", "input_param { shape { dim: -3 } }", ""), r"shape \[-3\] has a negative size"),
    "negative dummy": (
        layer("DummyData", "dummy_data_param { shape { dim: -1 } }", ""),
        r"shape \[-1\] has a negative size",
    ),
    "negative parameter": (layer("Parameter", "parameter_param { shape { dim: -2 } }", ""), "has a negative size"),
    "half a shape": (layer("DummyData", "dummy_data_param { num: 3 }", ""), "channels is given 0 times"),
    "memory without sizes": (layer("MemoryData", "memory_data_param { batch_size: 2 }", "", "d l"), "channels > 0"),
    "no batch size": (layer("Data", 'data_param { source: "db" }', "", "d l"), "data_param needs batch_size > 0"),
    "loss weights": (layer("ReLU", "loss_weight: 1 loss_weight: 2"), "loss_weight is given 2 times for 1 tops"),
    "propagate_down count": (
        layer("ReLU", "propagate_down: true propagate_down: false"),
        "propagate_down is given 2 times for 1 bottoms; give it once for each",
    ),
    "params for nothing": (layer("ReLU", "param { lr_mult: 1 }"), "1 'param' entries for 0 parameter blobs"),
    "both kinds of rules": (
        layer("ReLU", "include { phase: TRAIN } exclude { phase: TEST }"),
        "both include and exclude",
    ),
}

SHAPES = {
    "image expected": (pool("kernel_size: 2", bottoms="flat"), "needs a bottom with 4 axes: N x C x H x W"),
    "nothing to slide over": (of("Im2col", "kernel_size: 2", "flat", field="convolution"), "needs a spatial axis"),
    "no channels": (layer("PReLU", bottoms="label"), "needs a bottom of 2 axes or more"),
    "unlike parts": (layer("Concat", bottoms="data flat"), "alike in all axes but axis 1"),
    "unlike terms": (layer("Eltwise", bottoms="data flat"), "needs bottoms of equal shape"),
    "bias of another shape": (layer("Bias", bottoms="data flat"), r"has shape \(2, 5\), but the bottom has \(4, 6\)"),
    "selector": (layer("Filter", bottoms="data flat"), "selector of one number an item"),
    "indices": (layer("BatchReindex", bottoms="data flat"), "needs indices of 1 axis"),
    "rois": (
        of("ROIPooling", "pooled_h: 2 pooled_w: 2", "data", "label", field="roi_pooling"),
        r"must be rois, R x 5: \(image, x1, y1, x2, y2\)",
    ),
    "labels": (layer("SoftmaxWithLoss", bottoms="data label"), "72 labels are needed, .* has 2"),
    "targets": (layer("EuclideanLoss", bottoms="data flat"), "equally many numbers an item"),
    "targets of scores": (layer("SigmoidCrossEntropyLoss", bottoms="flat label"), "has 10 numbers, bottom.1. 2"),
    "pairs": (layer("ContrastiveLoss", bottoms="flat data label"), "must both have the shape N x C"),
}


@pytest.mark.parametrize("mistake", PARAMETERS)
def test_a_bad_parameter_is_named_with_its_layer_and_line(mistake: str, tmp_path: Path) -> None:
    text, says = PARAMETERS[mistake]
    kind = re.search(r'type: "(\w+)"', text)
    assert kind
    said = message(tmp_path, text)
    assert re.match(rf"net\.prototxt:4: layer 'x' \({kind[1]}\): ", said)
    assert re.search(says, said)


@pytest.mark.parametrize("mistake", SHAPES)
def test_shapes_that_do_not_fit_are_shown_with_their_producers(mistake: str, tmp_path: Path) -> None:
    text, says = SHAPES[mistake]
    said = message(tmp_path, text)
    assert said.startswith("net.prototxt:4: layer 'x' (")
    assert re.search(says, said)
    for i, name in enumerate(re.findall(r'bottom: "(\w+)"', text)):
        assert re.search(rf"bottom\[{i}\] '{name}' has shape \(.*\), produced by net.prototxt:\d: layer", said)


GRAPH = {
    "unknown type": ((layer("Convolutoin"),), "unknown layer type .* .did you mean 'Convolution'"),
    "unknown bottom": ((layer("ReLU", bottoms="dta"),), r"bottom index 0\): no layer produces it .did you mean 'data'"),
    "other phase": (
        (layer("ReLU", "include { phase: TEST }", tops="y", name="y"), layer("ReLU", bottoms="y")),
        "Unknown bottom blob 'y' .*phase TEST",
    ),
    "cycle": ((layer("ReLU", bottoms="b"), layer("ReLU", bottoms="x", tops="b", name="b")), "a net has no cycles"),
    "top twice": ((layer("ReLU", name="a"), layer("ReLU")), "Top blob 'x' produced by multiple sources"),
    "too many bottoms": ((layer("ReLU", bottoms="data flat"),), "takes 1 bottom.* gives 2: 'data', 'flat'"),
    "too few bottoms": ((layer("Eltwise"),), "takes 2 or more bottoms?.* gives 1: 'data'"),
    "too many tops": ((layer("ReLU", tops="x y"),), "takes 1 top.* gives 2: 'x', 'y'"),
    "never in place": ((layer("Pooling", "pooling_param { kernel_size: 1 }", tops="data"),), "cannot compute in place"),
    "shared shapes": (
        (
            layer("InnerProduct", 'param { name: "w" } inner_product_param { num_output: 2 }', name="a", tops="a"),
            layer("InnerProduct", 'param { name: "w" } inner_product_param { num_output: 3 }'),
        ),
        r"cannot share param 'w': the shapes differ\n.*\(3, 144\).*\n.*layer 'a'.*\(2, 144\)",
    ),
}


@pytest.mark.parametrize("mistake", GRAPH)
def test_a_net_that_does_not_hang_together(mistake: str, tmp_path: Path) -> None:
    layers, says = GRAPH[mistake]
    said = message(tmp_path, *layers)
    assert re.match(r"net\.prototxt:[45]: layer '[xa]' \(", said)
    assert re.search(says, said, re.DOTALL)


TEXT = {
    "unknown field": (layer("ReLU", "rel_param { }"), "no field 'rel_param' .did you mean 'relu_param'"),
    "unknown value": (pool("pool: MEAN kernel_size: 2"), "no value MEAN; expected one of MAX, AVE, STOCHASTIC"),
    "a word for a number": (conv("num_output: two"), "'num_output' expects an integer, found two"),
    "negative num_output": (conv("num_output: -2"), "'num_output' cannot hold -2"),
    "negative pad": (conv("num_output: 2 pad: -1"), "'pad' cannot hold -1"),
    "open bracket": (layer("ReLU").rstrip()[:-1], "opened here is never closed with '}'"),
}


@pytest.mark.parametrize("mistake", TEXT)
def test_text_that_is_no_net_is_shown_with_line_and_column(mistake: str, tmp_path: Path) -> None:
    text, says = TEXT[mistake]
    said = message(tmp_path, text, error=PrototxtError)
    assert re.match(r"net\.prototxt:[45]:\d+: ", said)
    assert re.search(says, said)


SOURCES = {
    "Data": 'data_param { source: "gone" batch_size: 2 backend: LMDB }',
    "HDF5Data": 'hdf5_data_param { source: "gone" batch_size: 2 }',
    "ImageData": 'image_data_param { source: "gone" batch_size: 2 }',
    "WindowData": 'window_data_param { source: "gone" batch_size: 2 } transform_param { crop_size: 3 }',
}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_missing_source_tells_where_it_was_looked_for(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    said = message(tmp_path, layer(kind, SOURCES[kind], "", "d l"), error=DataError)
    assert said.startswith(f"net.prototxt:4: layer 'x' ({kind}): ")
    assert "'gone' does not exist" in said
    assert re.findall("tried: (.*)", said) == ["elsewhere/gone", "gone"]


def test_a_place_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = message(tmp_path, layer("Data", SOURCES["Data"], "", "d l"), error=DataError)
    assert said.count("tried: ") == 1


def test_a_source_left_out(tmp_path: Path) -> None:
    said = message(tmp_path, layer("Data", "data_param { batch_size: 2 }", "", "d l"), error=DataError)
    assert "data_param.source is empty: name a file or folder" in said


# -- numbers that turn out wrong only when the net runs -----------------------------------------------------------

MATRIX = 'layer { name: "m" type: "Input" top: "m" input_param { shape { dim: 5 dim: 5 } } }\n'
ROI = 'layer { name: "roi" type: "Input" top: "roi" input_param { shape { dim: 1 dim: 5 } } }\n'


@pytest.mark.parametrize("label", [-1, 5])
@pytest.mark.parametrize(
    "kind", ["SoftmaxWithLoss", "HingeLoss", "MultinomialLogisticLoss", "InfogainLoss", "Accuracy"]
)
def test_a_label_outside_the_classes(kind: str, label: int, tmp_path: Path) -> None:
    bottoms = "flat label m" if kind == "InfogainLoss" else "flat label"
    net = build(tmp_path, MATRIX, layer(kind, bottoms=bottoms))
    net.blobs["label"].data[1] = label
    with pytest.raises(NetError, match=rf"\({kind}\): label {label} at index \(1,\).*5 classes.*expected 0 to 4"):
        net.forward()


INDICES = {
    "Embed": (of("Embed", "num_output: 2 input_dim: 3", "label"), "label", [0, 3], "number 3 at position 1.*0 to 2"),
    "BatchReindex": (layer("BatchReindex", bottoms="data label"), "label", [2, 0], "index 2 .* outside the 2 items"),
    "ROIPooling": (
        ROI + of("ROIPooling", "pooled_h: 2 pooled_w: 2", "data", "roi", field="roi_pooling"),
        "roi",
        [2, 0, 0, 3, 3],
        "names image 2, but the batch holds 0 to 1",
    ),
}


@pytest.mark.parametrize("kind", INDICES)
def test_an_index_out_of_range(kind: str, tmp_path: Path) -> None:
    text, blob, values, says = INDICES[kind]
    net = build(tmp_path, text)
    net.blobs[blob].data[...] = values
    with pytest.raises(NetError, match=rf"net\.prototxt:[45]: layer 'x' \({kind}\): .*{says}"):
        net.forward()


def test_a_gradient_that_does_not_exist(tmp_path: Path) -> None:
    scores = of("InnerProduct", "num_output: 2", "flat").replace('"x"', '"scores"')
    net = build(tmp_path, scores, layer("SoftmaxWithLoss", "propagate_down: true propagate_down: true", "scores label"))
    net.forward()
    with pytest.raises(NetError, match=r"layer 'x' \(SoftmaxWithLoss\): .*bottom\[1\].*propagate_down: false"):
        net.backward()


def test_memory_data_before_any_data(tmp_path: Path) -> None:
    body = "memory_data_param { batch_size: 2 channels: 1 height: 2 width: 2 }"
    net = build(tmp_path, layer("MemoryData", body, "", "d l"))
    with pytest.raises(DataError, match=r"layer 'x' \(MemoryData\): .*call net.set_input_arrays"):
        net.forward()


def test_sizes_that_cannot_be_given_to_a_blob(tmp_path: Path) -> None:
    net = build(tmp_path)
    with pytest.raises(NetError, match=r"'data' cannot take the shape \(2, -1\): 0 to 32 axes, none negative"):
        net.blobs["data"].reshape(2, -1)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"data": np.zeros((2, 4, 6, 6))}, r"Given: \['data'\]; the net's: \['data', 'flat', 'label'\]"),
        ({"data": np.zeros((3, 4, 6, 6)), "flat": 0, "label": 0}, "holds 2 items, 3 were given; .*reshape"),
    ],
)
def test_inputs_that_are_not_the_nets(inputs: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(NetError, match=says):
        build(tmp_path).forward(**inputs)


class Shrinking(minicaffe.Layer):
    """A user's layer that works out a size below zero."""

    def reshape(self, bottom: Any, top: Any) -> None:
        top[0].reshape(bottom[0].shape[0] - 5)


def test_a_negative_size_inside_a_layer_is_told_with_the_layer(tmp_path: Path) -> None:
    said = message(tmp_path, of("Python", f'module: "{__name__}" layer: "Shrinking"'))
    assert "cannot take the shape (-3,)" in said
    assert said.startswith("net.prototxt:4: layer 'x' (Python): ")


def test_a_filler_of_dummy_data_is_told_with_the_layer(tmp_path: Path) -> None:
    body = 'dummy_data_param { shape { dim: 2 } data_filler { type: "xaver" } }'
    said = message(tmp_path, layer("DummyData", body, ""))
    assert "did you mean 'xavier'" in said
    assert said.startswith("net.prototxt:4: layer 'x' (DummyData): ")


# -- weights, snapshots, solvers, on the command line ---------------------------------------------------------------


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a net, its solver, and weights good and bad."""
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(NET)
    Path("wider.prototxt").write_text(NET.replace("num_output: 2", "num_output: 5").replace("dim: 2 }", "dim: 5 }"))
    Path("solver.prototxt").write_text(SOLVER)
    net = minicaffe.Net("net.prototxt", minicaffe.TEST)
    net.save("good.caffemodel")
    net.save_hdf5("good.h5")
    Path("cut.caffemodel").write_bytes(Path("good.caffemodel").read_bytes()[:-20])
    Path("cut.h5").write_bytes(Path("good.h5").read_bytes()[:700])
    Path("empty.caffemodel").write_bytes(b"")
    Path("picture.caffemodel").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    return tmp_path


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run the command line, which must fail with exit code 1 and one message; return the message."""
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said[said.index("minicaffe: ") + len("minicaffe: ") :]


WEIGHTS = {
    "gone.caffemodel": "Could not open weights file gone.caffemodel: there is no such file",
    "cut.caffemodel": r"cut.caffemodel: truncated or damaged at byte \d+ of \d+",
    "empty.caffemodel": "empty.caffemodel: the file is empty",
    "picture.caffemodel": "expected weights in a .caffemodel .*, but this is a PNG image",
    "net.prototxt": "expected weights in a .caffemodel .*, but this is a net definition",
    "solver.prototxt": "expected weights in a .caffemodel .*, but this is a solver definition",
}


@pytest.mark.parametrize("file", WEIGHTS)
@pytest.mark.usefixtures("bench")
def test_weights_that_are_none(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = complaint(capsys, "test", "net.prototxt", "--weights", file, "--iterations", "1")
    assert re.match(WEIGHTS[file], said) or re.match(rf"{file}: {WEIGHTS[file]}", said)
    with pytest.raises(WeightsError, match=WEIGHTS[file]):
        minicaffe.Net("net.prototxt", minicaffe.TEST, weights=file)
    assert re.search(WEIGHTS[file], complaint(capsys, "train", "solver.prototxt", "--weights", file))


@pytest.mark.usefixtures("bench")
def test_hdf5_weights_cut_short() -> None:
    with pytest.raises(WeightsError, match=r"cut\.h5"):
        minicaffe.Net("net.prototxt", minicaffe.TEST, weights="cut.h5")


@pytest.mark.usefixtures("bench")
def test_weights_of_another_net(capsys: pytest.CaptureFixture[str]) -> None:
    said = complaint(capsys, "test", "wider.prototxt", "--weights", "good.caffemodel", "--iterations", "1")
    assert said.startswith("wider.prototxt:10: layer 'ip' (InnerProduct): Cannot copy param 0 weights")
    assert re.search(r"Source param shape is \(2, 3\); target param shape is \(5, 3\)", said)
    assert "while reading good.caffemodel" in said
    assert "rename the layer" in said


SNAPSHOTS = {
    "good.caffemodel": "expected a snapshot .*, but this is a .caffemodel",
    "good.h5": "expected a snapshot .*, but this is weights",
    "picture.caffemodel": "expected a snapshot .*, but this is a PNG image",
    "gone.solverstate": "there is no snapshot 'gone.solverstate'",
}


@pytest.mark.parametrize("file", SNAPSHOTS)
@pytest.mark.usefixtures("bench")
def test_a_snapshot_that_is_none(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert re.search(SNAPSHOTS[file], complaint(capsys, "train", "solver.prototxt", "--snapshot", file))
    with pytest.raises(WeightsError, match=SNAPSHOTS[file]):
        minicaffe.get_solver("solver.prototxt").restore(file)


@pytest.mark.usefixtures("bench")
def test_a_snapshot_given_as_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "solver.prototxt"]) == 0
    said = complaint(capsys, "test", "net.prototxt", "--weights", "tiny_iter_4.solverstate")
    assert said.startswith("tiny_iter_4.solverstate: expected weights")
    assert "but this is a .solverstate" in said


SOLVERS = {
    "unknown policy": (SOLVER.replace('"fixed"', '"fxed"'), "unknown lr_policy 'fxed' .did you mean 'fixed'"),
    "no step size": (SOLVER.replace('"fixed"', '"step"'), "lr_policy 'step' needs stepsize > 0"),
    "no net": (SOLVER.replace('net: "net.prototxt"', ""), "must specify a train net exactly once"),
    "missing net": (SOLVER.replace("net.prototxt", "gone.prototxt"), "net file 'gone.prototxt', but it is not there"),
    "unknown type": (SOLVER + 'type: "Adamm"', "unknown solver type 'Adamm' .did you mean 'Adam'"),
    "unknown field": (SOLVER + "base_lrr: 1", "no field 'base_lrr' .did you mean 'base_lr'"),
    "iter_size 0": (SOLVER + "iter_size: 0", "iter_size must be at least 1"),
    "a net": (NET, "is this the definition of a net"),
}


@pytest.mark.parametrize("mistake", SOLVERS)
@pytest.mark.usefixtures("bench")
def test_a_solver_that_cannot_be(mistake: str, capsys: pytest.CaptureFixture[str]) -> None:
    text, says = SOLVERS[mistake]
    Path("bad.prototxt").write_text(text)
    assert re.search(says, complaint(capsys, "train", "bad.prototxt"))
    with pytest.raises((SolverError, PrototxtError), match=says):
        minicaffe.get_solver("bad.prototxt")


@pytest.mark.usefixtures("bench")
def test_a_missing_net_is_told_with_the_solver_that_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.prototxt").write_text(SOLVER.replace("net.prototxt", "gone.prototxt"))
    assert complaint(capsys, "train", "bad.prototxt").startswith("bad.prototxt:")


@pytest.mark.usefixtures("bench")
def test_a_solver_given_as_net_and_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert "is this the definition of a solver?" in complaint(capsys, "time", "solver.prototxt")
    assert "did you mean 'net.prototxt'" in complaint(capsys, "time", "nett.prototxt")
