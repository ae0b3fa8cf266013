"""Advice for Python layers written for Python 2, or for the NumPy and PyYAML of its time."""

from __future__ import annotations

import re

# kind of exception -> what its message shows (of a SyntaxError: message and line), and how to mend it
FIXES: dict[type[BaseException], list[tuple[str, str]]] = {
    SyntaxError: [
        (r"Missing parentheses in call to '(\w+)'", r"write \1(...) with parentheses"),
        (r"multiple exception types must be parenthesized", r"write 'except ERROR as e:'"),
        (r"leading zeros in decimal integer", r"write octal numbers as 0o755"),
        (r"invalid \w+ literal.*\b\w+L\b", r"leave the L off whole numbers"),
        (r"parameters cannot be parenthesized", r"unpack tuple parameters in the body of the function"),
        (r"invalid syntax.*(?:lambda|def \w+)\s*\(\(?\w+,", r"unpack tuple parameters in the body of the function"),
        (r"invalid syntax.*\braise\s+\w+\s*,", r"write 'raise ERROR(MESSAGE)'"),
        (r"invalid syntax.*<>", r"write != for <>"),
        (r"invalid syntax.*`.*`", r"write repr(x) for `x`"),
        (r"inconsistent use of tabs", r"indent with spaces only"),
    ],
    AttributeError: [
        (r"no attribute '(?:iter|view)(items|keys|values)'", r"write d.\1()"),
        (r"no attribute 'has_key'", r"write 'key in d' for d.has_key(key)"),
        (r"'dict_\w+' object has no attribute '(\w+)'", r"make a list of it first, list(d.keys()), for .\1"),
        (r"'(?:generator|map|filter|zip|\w*iterator|\w*reader)' .* no attribute 'next'", r"write next(x) for x.next()"),
        (r"'str' object has no attribute 'decode'", r"leave .decode() out: text is Unicode already"),
        (r"'numpy' has no attribute '(int|float|bool|object|str|complex)'", r"write \1 for np.\1"),
        (r"'itertools' has no attribute 'i(\w+)'", r"write \1 for itertools.i\1"),
        (r"'sys' has no attribute 'maxint'", r"write sys.maxsize for sys.maxint"),
        (r"'time' has no attribute 'clock'", r"write time.perf_counter() for time.clock()"),
    ],
    NameError: [
        (r"name 'xrange'", r"write range for xrange"),
        (r"name '(unicode|basestring)'", r"write str for \1"),
        (r"name 'long'", r"write int for long"),
        (r"name 'raw_input'", r"write input for raw_input"),
        (r"name 'unichr'", r"write chr for unichr"),
        (r"name 'reduce'", r"add 'from functools import reduce'"),
        (r"name 'reload'", r"add 'from importlib import reload'"),
    ],
    ImportError: [
        (r"No module named 'cPickle'", r"write 'import pickle'"),
        (r"No module named 'c?StringIO'", r"write 'from io import BytesIO, StringIO'"),
        (r"No module named 'Queue'", r"write 'import queue'"),
        (r"No module named 'ConfigParser'", r"write 'import configparser'"),
        (r"No module named '(?:urllib2|urlparse)'", r"write 'import urllib.request, urllib.parse'"),
        (r"No module named '__builtin__'", r"write 'import builtins'"),
        (r"cannot import name 'i(zip|map|filter)' from 'itertools'", r"leave the import out and use \1"),
        (r"cannot import name 'izip_longest' from 'itertools'", r"import zip_longest"),
    ],
    TypeError: [
        (r"load(?:_all)?\(\) missing 1 .* argument: 'Loader'", r"write yaml.safe_load for yaml.load"),
        (r"'float' object cannot be interpreted as an integer", r"write // for /, or int(...) around it"),
        (r"multiply sequence by non-int of type 'float'", r"write // for /, or int(...) around it"),
        (r"or a single integer, got '\d*\.", r"write // for /, or int(...) around it"),
        (r"slice indices must be integers or None", r"write // for /, or int(...) around the index"),
        (r"list indices must be integers or slices, not (?:numpy\.)?float", r"index with int(i)"),
        (r"'(dict_\w+|map|filter|zip)' object (?:is not|does not support)", r"write list(...) around the \1"),
        (r"object of type '(map|filter|zip)' has no len", r"write list(...) around the \1"),
        (r"for \+: '(dict_\w+|map|filter|zip|range)' and", r"write list(...) around the \1"),
        (r"concatenate list \(not \"(dict_\w+|map|filter|zip|range)\"\)", r"write list(...) around the \1"),
        (r"for >>: 'builtin_function_or_method'", r"write print(..., file=f) for print >>f, ..."),
        (r"a bytes-like object is required, not 'str'", r"open the file in text mode, or write b'...'"),
        (r"write\(\) argument must be str, not bytes", r"open the file in binary mode, open(path, 'wb')"),
        (r"Cannot cast ufunc '\w+' output from dtype\('float", r"write x = x + y for x += y, or make x float first"),
    ],
    IndexError: [
        (r"only integers, slices .* are valid indices", r"index with int(i), or labels.astype(int)"),
        (r"arrays used as indices must be of integer", r"index with i.astype(int)"),
    ],
    ValueError: [
        (r"'ascii' codec can't decode byte", r"read old pickles with pickle.load(f, encoding='latin1')"),
        (r"inhomogeneous shape", r"say np.array(..., dtype=object)"),
    ],
}


def hint(exception: BaseException) -> str | None:
    """Return one line that says how to mend code of Python 2's time which raised `exception`; None if it looks newer.

    The exception's causes are looked at too, the outermost first.
    """
    seen: BaseException | None = exception
    while seen is not None:
        text = f"{seen.msg} {seen.text or ''}" if isinstance(seen, SyntaxError) else str(seen)
        for kind, fixes in FIXES.items():
            for pattern, fix in fixes if isinstance(seen, kind) else ():
                match = re.search(pattern, text, re.DOTALL)
                if match:
                    return f"written for Python 2, or for a library of its time? {match.expand(fix)}"
        seen = seen.__cause__
    return None
