"""The text reader: every form of the grammar, and what it says when a text is wrong."""

from __future__ import annotations

import contextlib
import logging
import math
import textwrap
import time
from decimal import Decimal

import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe import errors
from minicaffe.proto import schema
from minicaffe.proto.prototxt import parse, to_text, without_origin


def net(text: str, **options):
    return parse(text, schema.NetParameter, **options)


def layer(text: str):
    return parse(text, schema.LayerParameter)


GOOD = {
    "empty": "",
    "comment": '# one\nname: "a" # two\n#three',
    "colon before bracket": 'layer: { name: "a" } layer:{}',
    "angles": "layer < convolution_param < kernel_size: 3 > >",
    "list of scalars": 'layer { bottom: ["a", "b"] loss_weight: [1, .5] bottom: [] }',
    "list of messages": 'layer: [{ name: "a" }, < name: "b" >] layer [{}] layer: []',
    "separators": 'name: "a", layer { name: "b"; type: "c", } ; force_backward: true,',
    "adjacent strings": 'name: "a" \'b\' \n "c"',
    "quotes in quotes": """name: "it's" layer { name: 'say "hi"' }""",
    "escapes": r'name: "\a\b\f\n\r\t\v\\\'\"" layer { name: "\101\7\x41\x4" }',
    "utf-8": 'name: "fünf 五 😀"',
    "utf-8 by octal": r'name: "\303\251"',
    "integers": "input_dim: [0, -1, 0x1F, -0X10, 017, -07, 2147483647, -2147483648]",
    "floats": "layer { loss_weight: [1, -1, 1.5f, .5, 5., 1e3, 1E-3f, -1.e+2, 0, inf, -inf, 1e50, 1e-60] }",
    "words for numbers": "layer { loss_weight: inf loss_weight: Infinity loss_weight: -INF }",
    "booleans": "layer { propagate_down: [true, false, t, f, True, False, 1, 0] }",
    "enums": "layer { pooling_param { pool: AVE engine: 2 round_mode: 0x1 } include { phase: TEST } phase: 0 }",
    "no white space": 'layer{name:"a"bottom:"b"top:"c"convolution_param{num_output:5pad:1}}'.replace("5pad", "5 pad"),
    "windows lines": 'name: "a"\r\nlayer {\r\n name: "b"\r\n}\r\n',
    "bytes": r"layer { blobs { raw_data: '\377\000\001' } }",
    "packed lists": "layer { blobs { data: [1, 2, 3] shape { dim: 1 dim: 3 } double_data: 0.1 } }",
    "required given": "layer { psroi_pooling_param { spatial_scale: .0625 output_dim: 21 group_size: 7 } }",
}


@pytest.mark.parametrize("name", GOOD)
def test_reads_what_protobuf_reads(name):
    theirs = text_format.Parse(GOOD[name], schema.NetParameter())
    assert without_origin(net(GOOD[name])) == theirs


def test_forms_that_not_every_python_reader_of_protobuf_knows():
    """Caffe reads with the one in C++, which does."""
    assert list(net("input_dim: - 3").input_dim) == [-3]
    assert list(layer("loss_weight: 1F loss_weight: 2.5F loss_weight: inff").loss_weight) == [1, 2.5, math.inf]
    assert net(r'name: "what\?"').name == "what?"
    assert net(r'name: "\u00e9\U0001F600\X4a"').name == "é😀J"


def test_nan_and_its_signs():
    values = layer("loss_weight: nan loss_weight: -NaN loss_weight: nanf").loss_weight
    assert len(values) == 3
    assert all(math.isnan(value) for value in values)


def test_deep_but_legal_number_forms():
    assert list(net("input_dim: 0 input_dim: 00").input_dim) == [0, 0]
    assert parse("random_seed: -9223372036854775808", schema.SolverParameter).random_seed == -(2**63)


BAD = [
    # text, message, column, what the error says
    ("layerz { }", 1, 1, "NetParameter has no field 'layerz' (did you mean 'layer'"),
    ('layer {\n  name: "a"\n  kernel_size: 3\n}', 3, 3, "(it belongs inside 'convolution_param' or 'pooling_param')"),
    ('layer {\n  name: "a"\nlayer { }', 3, 1, "it is a field of NetParameter: is a closing bracket missing above?"),
    (
        'layer { lrn_param { k: 1\n  name: "a" } }',
        2,
        3,
        "it is a field of LayerParameter: is a closing bracket missing above?",
    ),
    ("layer { lrn_param { alhpa: 1 } }", 1, 21, "LRNParameter has no field 'alhpa' (did you mean 'alpha'?)"),
    ("layer { lrn_param { xyz: 1 } }", 1, 21, "LRNParameter has no field 'xyz'"),
    ("base_lr: 0.1", 1, 1, "is this the definition of a solver?"),
    ("layer { type: Pooling }", 1, 15, "field 'type' expects a string in quotes, found Pooling; write \"Pooling\""),
    ("layer { type: 3 }", 1, 15, "expects a string in quotes"),
    ("layer { type: -x }", 1, 15, "expects a string in quotes"),
    (
        "\n\tlayer { pooling_param { pool: MAXX } }",
        2,
        32,
        "has no value MAXX (did you mean 'MAX'?); expected one of MAX, AVE",
    ),
    ("layer { pooling_param { pool: 7 } }", 1, 31, "has no value 7"),
    ("layer { pooling_param { pool: -1 } }", 1, 31, "has no value -1"),
    ("layer { pooling_param { pool: -MAX } }", 1, 31, "has no value -MAX"),
    ("layer { pooling_param { pool: 1.0 } }", 1, 31, "has no value 1.0"),
    (
        'layer { pooling_param { pool: "MAX" } }',
        1,
        31,
        'expects one of MAX, AVE, STOCHASTIC, without quotes; found "MAX"',
    ),
    ("input_dim: 2147483648", 1, 12, "cannot hold 2147483648: int32 goes from -2147483648 to 2147483647"),
    ("layer { pooling_param { pad: -1 } }", 1, 30, "cannot hold -1: uint32 goes from 0"),
    ("input_dim: 3.0", 1, 12, "expects an integer, found 3.0"),
    ("input_dim: 08", 1, 12, "expects an integer, found 08"),
    ("input_dim: 0xG", 1, 12, "expects an integer, found 0xG"),
    ("input_dim: 1_000", 1, 12, "expects an integer, found 1_000"),
    ("input_dim: ten", 1, 12, "expects an integer, found ten"),
    ("input_dim: ]", 1, 12, "expects an integer, found ']'"),
    ("input_dim:", 1, 11, "expects an integer, found the end of the text"),
    ("layer { loss_weight: 0x10 }", 1, 22, "expects a number, found 0x10"),
    ("layer { loss_weight: 01.5 }", 1, 22, "expects a number, found 01.5"),
    ("layer { loss_weight: 1.5.2 }", 1, 22, "expects a number, found 1.5.2"),
    ("layer { loss_weight: one }", 1, 22, "expects a number, found one"),
    ('layer { loss_weight: "1" }', 1, 22, "expects a number, without quotes"),
    ("force_backward: 2", 1, 17, "expects true or false, found 2"),
    ("force_backward: TRUE", 1, 17, "expects true or false, found TRUE"),
    ("force_backward: -1", 1, 17, "expects true or false, found -1"),
    ('name: "a"\nlayer { }\nname: "b"', 3, 1, "field 'name' of NetParameter is given twice, first in line 1"),
    ("layer { pooling_param { } pooling_param { } }", 1, 27, "'pooling_param' of LayerParameter is given twice"),
    ("name: ['a']", 1, 7, "field 'name' takes one value, not a list"),
    ("layer { bottom: ['a' }", 1, 22, "expected ',' or ']' in the list, found '}'"),
    ("layer { bottom: ['a',] }", 1, 22, "expects a string in quotes, found ']'"),
    (
        "layer {\n  psroi_pooling_param {\n    group_size: 7 } }",
        2,
        3,
        "lacks the required field(s) spatial_scale, output_dim",
    ),
    ('name "a"', 1, 6, "expected ':' after 'name', found '\"a\"'"),
    ("layer 3", 1, 7, "'layer' is a message: expected '{' after it, found '3'"),
    ("layer:", 1, 7, "'layer' is a message: expected '{' after it, found the end of the text"),
    ("name: {}", 1, 7, "field 'name' expects a string in quotes, found '{'"),
    ("layer {\n", 1, 1, "LayerParameter opened here is never closed with '}'"),
    ("layer { convolution_param < } }", 1, 29, "expected the name of a field or '>', found '}'"),
    ("layer { } }", 1, 11, "expected the name of a field, found '}'"),
    ('name: "a",, force_backward: true', 1, 11, "expected the name of a field, found ','"),
    ("3: 4", 1, 1, "expected the name of a field, found '3'"),
    ("[extension]: 4", 1, 1, "expected the name of a field, found '['"),
    ('name: "abc', 1, 7, 'string without its closing " in the same line'),
    ("name: 'abc\n'", 1, 7, "string without its closing ' in the same line"),
    ('name: "a\\qb"', 1, 7, "string with an escape that stands for nothing"),
    ('name: "\\400"', 1, 7, "string with an escape that stands for nothing"),
    ('name: "\\ud800"', 1, 7, "string with an escape that stands for nothing"),
    ('name: "\\377"', 1, 7, "field 'name' takes text in UTF-8, which this is not"),
    ("name = 3", 1, 6, "unexpected character '='"),
    ('origin: "mine"', 1, 1, "NetParameter has no field 'origin'"),
]


@pytest.mark.parametrize(("text", "line", "column", "what"), BAD, ids=[case[3][:40] for case in BAD])
def test_errors_say_where_and_what(text, line, column, what):
    with pytest.raises(errors.PrototxtError) as caught:
        net(text, file="a/net.prototxt")
    message = str(caught.value)
    first, excerpt, caret = message.split("\n")
    assert first.startswith(f"a/net.prototxt:{line}:{column}: ")
    assert what in first
    assert excerpt == "  " + text.split("\n")[line - 1]
    assert caret.index("^") == column + 1


def test_a_net_given_as_solver_is_called_so():
    with pytest.raises(errors.PrototxtError, match="is this the definition of a net"):
        parse('layer { name: "a" }', schema.SolverParameter)


def test_long_lines_are_cut_around_the_place():
    text = "input_dim: [" + "1, " * 500 + "x]"
    with pytest.raises(errors.PrototxtError) as caught:
        net(text)
    _, excerpt, caret = str(caught.value).split("\n")
    assert len(excerpt) < 130
    assert excerpt[caret.index("^")] == "x"


def test_tabs_keep_the_caret_in_place():
    with pytest.raises(errors.PrototxtError) as caught:
        net("\t\tlayerz {}")
    assert str(caught.value).split("\n")[1:] == ["  \t\tlayerz {}", "  \t\t^"]


def test_other_encodings_are_harmless_in_comments_and_errors_in_strings():
    latin = '# caf\xe9\nname: "a"'.encode("latin-1").decode("utf-8", "surrogateescape")
    assert net(latin).name == "a"
    with pytest.raises(errors.PrototxtError, match="UTF-8"):
        net('name: "caf\xe9"'.encode("latin-1").decode("utf-8", "surrogateescape"))


def test_origin_is_the_line_an_entry_starts_in():
    text = textwrap.dedent(
        """\
        name: "n"
        layer { name: "a" }
        layer
        {
          name: "b"
        }
        layer { name: "c" } layer { name: "d" }
        layer: [{ name: "e" },
                { name: "f" }]
        """
    )
    message = net(text, file="dir/x.prototxt")
    assert message.origin == "dir/x.prototxt:1"
    assert [each.origin for each in message.layer] == [f"dir/x.prototxt:{n}" for n in (2, 3, 7, 7, 8, 8)]
    solver = parse("base_lr: 1\nnet_param {\n layers { }\n layer { }\n}", schema.SolverParameter, file="s")
    assert (solver.origin, solver.net_param.origin) == ("s:1", "s:2")
    assert (solver.net_param.layers[0].origin, solver.net_param.layer[0].origin) == ("s:3", "s:4")


def test_unknown_fields_can_be_skipped_with_a_warning(caplog):
    text = textwrap.dedent(
        """\
        name: "n" surprise: 3
        layer {
          name: "a" wonder { deep { a: [1, { b: "}" }] } < > } odd: -inf list: [1, 2]
          pooling_param { magic: "x" 'y' pool: AVE } enum: WORD, more: 1; bracket < a: 1 >
        }
        """
    ).replace("< >", "c < >")
    with caplog.at_level(logging.WARNING, "minicaffe"):
        message = net(text, file="f", ignore_unknown=True)
    assert to_text(message) == to_text(net('name: "n" layer { name: "a" pooling_param { pool: AVE } }'))
    (record,) = caplog.records
    said = record.getMessage()
    assert said.startswith(
        "f: 8 unknown field(s) ignored: NetParameter.surprise (line 1), LayerParameter.wonder (line 3)"
    )
    assert "PoolingParameter.magic (line 4)" in said


@pytest.mark.parametrize(
    ("text", "what"),
    [("odd { a: 1", "never closed"), ("odd { a: [1 }", "closes nothing"), ("odd: }", "expected a value for 'odd'")],
)
def test_skipping_still_wants_brackets_to_match(text, what):
    with pytest.raises(errors.PrototxtError, match=what):
        net(text, ignore_unknown=True)


def test_known_fields_are_still_checked_when_unknown_ones_are_skipped(caplog):
    with pytest.raises(errors.PrototxtError, match="MAXX"):
        net("layer { pooling_param { pool: MAXX } }", ignore_unknown=True)
    assert not caplog.records


def test_to_text_prints_names_short_floats_and_no_origin():
    message = net(
        'name: "ü" layer { name: "a" phase: TEST param { lr_mult: 0.1 decay_mult: 5e-4 }'
        " loss_weight: 16777216 pooling_param { pool: AVE } }",
        file="x",
    )
    text = to_text(message)
    for line in ('name: "ü"', "phase: TEST", "lr_mult: 0.1\n", "decay_mult: 0.0005\n", "pool: AVE"):
        assert line in text
    assert "origin" not in text
    assert message.layer[0].origin == "x:1"
    assert without_origin(parse(text, schema.NetParameter)) == without_origin(message)


@settings(deadline=None, max_examples=60)
@given(st.floats(width=32, allow_nan=False))
def test_floats_survive_printing(value):
    text = to_text(schema.LayerParameter(loss_weight=[value]))
    assert layer(text).loss_weight[0] == value
    if math.isfinite(value):
        assert len(Decimal(text.split()[1]).normalize().as_tuple().digits) <= 9


@settings(deadline=None, max_examples=60)
@given(st.text(), st.binary())
def test_strings_and_bytes_survive_printing(text, content):
    text = text.encode("utf-8", "replace").decode("utf-8")
    message = schema.LayerParameter(name=text)
    message.blobs.add(raw_data=content)
    assert without_origin(layer(to_text(message))) == message


WORDS = (
    "layer layers name phase input_dim force_backward bottom include convolution_param pad odd { } { } < > : : [ ] , ; "
    "\"a\" 'b' 1 -1 2.5 inf TEST AVE true"
)


@settings(deadline=None, max_examples=400)
@given(st.lists(st.sampled_from([*WORDS.split(), "# c\n"]), max_size=12).map(" ".join))
def test_accepts_and_rejects_what_protobuf_does(text):
    try:
        theirs = text_format.Parse(text, schema.NetParameter())
    except text_format.ParseError:
        with pytest.raises(errors.PrototxtError):
            net(text)
    else:
        assert without_origin(net(text)) == theirs


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=30), st.booleans())
def test_never_anything_but_a_prototxt_error(text, ignore_unknown):
    with contextlib.suppress(errors.PrototxtError):
        net(text, ignore_unknown=ignore_unknown)
    with contextlib.suppress(errors.PrototxtError):
        net(f"layer {{ name: {text} }}", ignore_unknown=ignore_unknown)


def test_a_thousand_lines_take_no_time():
    block = 'layer {\n name: "conv%d"\n type: "Convolution"\n bottom: "a"\n top: "b"\n param { lr_mult: 1 }\n' + (
        " convolution_param {\n num_output: 64\n pad: 1\n kernel_size: 3\n }\n}\n"
    )
    text = "".join(block % index for index in range(100))
    net("layer { convolution_param { pad: 1 } param { } }")
    begin = time.perf_counter()
    assert len(net(text).layer) == 100
    # 6 ms here; the bound is for busy machines and the pure Python protobuf.
    assert time.perf_counter() - begin < 1.0
