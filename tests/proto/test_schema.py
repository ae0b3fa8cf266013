"""The schema: numbers Caffe's files depend on, the private pool, and the compiled descriptor."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from minicaffe import errors
from minicaffe.proto import schema

ROOT = Path(__file__).resolve().parents[2]
DESCRIPTOR = ROOT / "minicaffe" / "proto" / "caffe.desc"


def field(message: str, name: str):
    return schema.message_class(message).DESCRIPTOR.fields_by_name[name]


@pytest.mark.parametrize(
    ("message", "name", "number"),
    [
        ("BlobProto", "num", 1),
        ("BlobProto", "width", 4),
        ("BlobProto", "data", 5),
        ("BlobProto", "diff", 6),
        ("BlobProto", "shape", 7),
        ("BlobProto", "double_data", 8),
        ("BlobProto", "double_diff", 9),
        ("BlobProto", "raw_data_type", 10),
        ("BlobProto", "raw_data", 12),
        ("Datum", "data", 4),
        ("Datum", "label", 5),
        ("Datum", "encoded", 7),
        ("NetParameter", "layers", 2),
        ("NetParameter", "input_shape", 8),
        ("NetParameter", "layer", 100),
        ("LayerParameter", "blobs", 7),
        ("LayerParameter", "propagate_down", 11),
        ("LayerParameter", "transform_param", 100),
        ("LayerParameter", "convolution_param", 106),
        ("LayerParameter", "batch_norm_param", 139),
        ("LayerParameter", "clip_param", 148),
        ("LayerParameter", "roi_pooling_param", 8266711),
        ("LayerParameter", "smooth_l1_loss_param", 8266712),
        ("LayerParameter", "proposal_param", 8266713),
        ("LayerParameter", "box_annotator_ohem_param", 10000),
        ("LayerParameter", "psroi_pooling_param", 10001),
        ("LayerParameter", "permute_param", 202),
        ("LayerParameter", "norm_param", 206),
        ("LayerParameter", "bn_param", 45),
        ("V1LayerParameter", "layer", 1),
        ("V1LayerParameter", "blobs", 6),
        ("V1LayerParameter", "param", 1001),
        ("V1LayerParameter", "blob_share_mode", 1002),
        ("V0LayerParameter", "blobs", 50),
        ("V0LayerParameter", "hdf5_output_param", 1001),
        ("SolverParameter", "solver_type", 30),
        ("SolverParameter", "type", 40),
        ("SolverParameter", "layer_wise_reduce", 41),
        ("SolverParameter", "weights", 42),
        ("SolverState", "history", 3),
        ("SolverState", "minicaffe_state", 20999998),
        ("SolverParameter", "origin", 20999999),
        ("LayerParameter", "origin", 20999999),
        ("V1LayerParameter", "origin", 20999999),
    ],
)
def test_field_numbers(message, name, number):
    assert field(message, name).number == number


def test_field_counts_of_the_stock_messages():
    """As many fields below the private block, forks' aside, as Caffe has."""
    stock = {
        "V1LayerParameter": 43,
        "V0LayerParameter": 38,
        "WindowDataParameter": 13,
        "NetStateRule": 5,
        "ParamSpec": 4,
    }
    for message, count in stock.items():
        fields = schema.message_class(message).DESCRIPTOR.fields
        assert sum(each.number < 20000000 for each in fields) == count, message
    layer = [each.number for each in schema.LayerParameter.DESCRIPTOR.fields]
    assert set(range(1, 12)) | set(range(100, 149)) <= set(layer)
    assert set(range(1, 43)) <= {each.number for each in schema.SolverParameter.DESCRIPTOR.fields}


@pytest.mark.parametrize(
    ("message", "name", "default"),
    [
        ("FillerParameter", "type", "constant"),
        ("FillerParameter", "max", 1.0),
        ("FillerParameter", "sparse", -1),
        ("SolverParameter", "type", "SGD"),
        ("SolverParameter", "solver_mode", 1),
        ("SolverParameter", "snapshot_format", 1),
        ("SolverParameter", "clip_gradients", -1.0),
        ("SolverParameter", "regularization_type", "L2"),
        ("SolverParameter", "test_initialization", True),
        ("ParamSpec", "lr_mult", 1.0),
        ("NetState", "phase", 1),
        ("LossParameter", "normalization", 1),
        ("LRNParameter", "local_size", 5),
        ("LRNParameter", "beta", 0.75),
        ("PoolingParameter", "stride", 1),
        ("EltwiseParameter", "operation", 1),
        ("ReductionParameter", "operation", 1),
        ("FlattenParameter", "end_axis", -1),
        ("ExpParameter", "base", -1.0),
        ("WindowDataParameter", "crop_mode", "warp"),
        ("ImageDataParameter", "batch_size", 1),
        ("ImageDataParameter", "is_color", True),
        ("DropoutParameter", "scale_train", True),
        ("MultiBoxLossParameter", "neg_pos_ratio", 3.0),
        ("DetectionOutputParameter", "keep_top_k", -1),
        ("PriorBoxParameter", "offset", 0.5),
    ],
)
def test_defaults(message, name, default):
    assert getattr(schema.message_class(message)(), name) == default


def test_only_shapes_and_values_are_packed():
    packed = {
        f"{message.name}.{each.name}"
        for message in descriptor_pb2.FileDescriptorProto.FromString(DESCRIPTOR.read_bytes()).message_type
        for each in message.field
        if each.options.packed
    }
    names = ("data", "diff", "double_data", "double_diff")
    assert packed == {"BlobShape.dim", *(f"BlobProto.{name}" for name in names)}


def test_values_that_forks_renumbered_keep_the_number_of_bvlc():
    modes = schema.LossParameter.NormalizationMode
    assert (modes.Value("FULL"), modes.Value("VALID"), modes.Value("BATCH_SIZE"), modes.Value("NONE")) == (0, 1, 2, 3)
    assert modes.Value("PRE_FIXED") > 20000000


def test_classes_and_enum_values_are_attributes():
    assert schema.NetParameter is schema.message_class("NetParameter")
    assert (schema.TRAIN, schema.TEST, schema.FLOAT16) == (0, 1, 2)
    assert {"LayerParameter", "TEST", "message_class"} <= set(dir(schema))
    with pytest.raises(AttributeError, match="NoSuchThing"):
        schema.NoSuchThing  # noqa: B018
    with pytest.raises(errors.PrototxtError, match="did you mean 'LayerParameter'"):
        schema.message_class("LayerParameters")


def test_every_class_can_be_made():
    for name in schema._FILE.message_types_by_name:
        assert schema.message_class(name)().DESCRIPTOR.name == name


def test_shipped_descriptor_is_that_of_the_schema():
    pytest.importorskip("grpc_tools", reason="grpcio-tools, which brings protoc, is not installed")
    spec = importlib.util.spec_from_file_location("build", ROOT / "proto" / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    parse = descriptor_pb2.FileDescriptorProto.FromString
    assert parse(build.compile_schema()) == parse(DESCRIPTOR.read_bytes()), "run proto/build.py"


FOREIGN = """
from google.protobuf import descriptor_pb2, descriptor_pool

def load_foreign():
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    message = file.message_type.add(name="NetParameter")
    message.field.add(name="title", number=1, type=9, label=1)
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    return descriptor_pool.Default().FindMessageTypeByName("caffe.NetParameter")
"""


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_lives_beside_another_caffe_proto(first):
    """Another schema of the same package in the default pool, loaded before or after ours, changes neither."""
    ours = "from minicaffe.proto import schema, prototxt\n"
    theirs = "foreign = load_foreign()\n"
    check = """
net = prototxt.parse('name: "a" layer { name: "b" }', schema.NetParameter)
assert net.layer[0].name == "b" and "layer" not in foreign.fields_by_name and "title" in foreign.fields_by_name
"""
    program = FOREIGN + (ours + theirs if first == "ours" else theirs + ours) + check
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_default_pool_is_left_alone():
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindFileByName("minicaffe/caffe.proto")


def test_copy_fields_leaves_out_what_it_is_told_to():
    source = schema.LayerParameter(name="a", type="b", bottom=["x", "y"], origin="f:1")
    source.convolution_param.kernel_size.extend([3, 5])
    target = schema.LayerParameter(top=["t"])
    schema.copy_fields(source, target, omit=("type", "origin"))
    assert target == schema.LayerParameter(
        name="a", bottom=["x", "y"], top=["t"], convolution_param=schema.ConvolutionParameter(kernel_size=[3, 5])
    )
