"""Every hint, drawn from the exception that genuine old code raises, and none for code that is merely wrong."""

from __future__ import annotations

import pytest

from minicaffe.compat.python2 import hint

PREFIX = "written for Python 2, or for a library of its time? "


def raised_by(code):
    try:
        exec(compile(code, "layer.py", "exec"), {})
    except Exception as error:
        return error
    raise AssertionError(f"{code!r} ran")


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        ("print 'Loaded', 3", "write print(...) with parentheses"),
        ("exec 'pass'", "write exec(...) with parentheses"),
        ("mode = 0755", "write octal numbers as 0o755"),
        ("n = 10L", "leave the L off whole numbers"),
        ("f = lambda (a, b): a", "unpack tuple parameters in the body of the function"),
        ("raise ValueError, 'bad'", "write 'raise ERROR(MESSAGE)'"),
        ("if 1 <> 2: pass", "write != for <>"),
        ("s = `1`", "write repr(x) for `x`"),
        ("if 1:\n        a = 1\n\tb = 2", "indent with spaces only"),
        ("{}.iteritems()", "write d.items()"),
        ("{}.itervalues()", "write d.values()"),
        ("{}.viewkeys()", "write d.keys()"),
        ("{}.has_key(3)", "write 'key in d' for d.has_key(key)"),
        ("{}.keys().sort()", "make a list of it first, list(d.keys()), for .sort"),
        ("(i for i in []).next()", "write next(x) for x.next()"),
        ("iter([]).next()", "write next(x) for x.next()"),
        ("'abc'.decode('utf-8')", "leave .decode() out: text is Unicode already"),
        ("import itertools; itertools.izip", "write zip for itertools.izip"),
        ("import sys; sys.maxint", "write sys.maxsize for sys.maxint"),
        ("import time; time.clock()", "write time.perf_counter() for time.clock()"),
        ("xrange(3)", "write range for xrange"),
        ("isinstance('', basestring)", "write str for basestring"),
        ("unicode('')", "write str for unicode"),
        ("long(3)", "write int for long"),
        ("raw_input()", "write input for raw_input"),
        ("unichr(3)", "write chr for unichr"),
        ("reduce(max, [1])", "add 'from functools import reduce'"),
        ("reload(3)", "add 'from importlib import reload'"),
        ("import cPickle", "write 'import pickle'"),
        ("import cStringIO", "write 'from io import BytesIO, StringIO'"),
        ("from Queue import Queue", "write 'import queue'"),
        ("import ConfigParser", "write 'import configparser'"),
        ("import urllib2", "write 'import urllib.request, urllib.parse'"),
        ("import __builtin__", "write 'import builtins'"),
        ("from itertools import izip", "leave the import out and use zip"),
        ("from itertools import izip_longest", "import zip_longest"),
        ("import yaml; yaml.load('a: 1')", "write yaml.safe_load for yaml.load"),
        ("range(3 / 1)", "write // for /, or int(...) around it"),
        ("import numpy; numpy.zeros(4 / 2)", "write // for /, or int(...) around it"),
        ("[1, 2, 3][: 2 / 1]", "write // for /, or int(...) around the index"),
        ("[1] * (4 / 2)", "write // for /, or int(...) around it"),
        ("x = [1, 2, 3]; x[4 / 2]", "index with int(i)"),
        ("{}.keys()[0]", "write list(...) around the dict_keys"),
        ("map(str, [])[0]", "write list(...) around the map"),
        ("len(filter(None, []))", "write list(...) around the filter"),
        ("{}.items() + []", "write list(...) around the dict_items"),
        ("range(3) + [4]", "write list(...) around the range"),
        ("[4] + range(3)", "write list(...) around the range"),
        ("import sys; print >>sys.stderr, 'x'", "write print(..., file=f) for print >>f, ..."),
        ("import io; io.BytesIO().write('text')", "open the file in text mode, or write b'...'"),
        ("import io; io.TextIOWrapper(io.BytesIO()).write(b'x')", "open the file in binary mode, open(path, 'wb')"),
        ("import numpy; x = numpy.zeros(2, int); x += 0.5", "write x = x + y for x += y, or make x float first"),
        ("import numpy; numpy.zeros(3)[numpy.float32(1)]", "index with int(i), or labels.astype(int)"),
        ("import numpy; numpy.zeros(3)[numpy.zeros(1)]", "index with i.astype(int)"),
        ("import pickle; pickle.loads(b'U\\x01\\xe9.')", "read old pickles with pickle.load(f, encoding='latin1')"),
    ],
)
def test_old_code(code, fix):
    assert hint(raised_by(code)) == PREFIX + fix


@pytest.mark.parametrize(
    "code",
    [
        "x = (",
        "def f(:",
        "None.next",
        "3 .append(4)",
        "undefined",
        "import no_such_module",
        "1 + 'a'",
        "[][3]",
        "[1]['a']",
        "int('a')",
        "{}['missing']",
    ],
)
def test_other_mistakes(code):
    assert hint(raised_by(code)) is None


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (SyntaxError("multiple exception types must be parenthesized"), "write 'except ERROR as e:'"),
        (
            SyntaxError("invalid syntax", ("layer.py", 1, 12, "f = lambda (a, b): a", 1, 13)),
            "unpack tuple parameters in the body of the function",
        ),
        (
            AttributeError("module 'numpy' has no attribute 'float'.\n`np.float` was an alias"),
            "write float for np.float",
        ),
        (
            ValueError("setting an array element with a sequence. The requested array has an inhomogeneous shape"),
            "say np.array(..., dtype=object)",
        ),
    ],
)
def test_messages_that_only_some_versions_give(error, fix):
    assert hint(error) == PREFIX + fix


def test_cause_is_looked_at():
    outer = RuntimeError("layer failed")
    outer.__cause__ = raised_by("{}.iteritems()")
    assert hint(outer) == PREFIX + "write d.items()"
