"""An array module like CuPy's whose device is pretended, to run the GPU's code path where there is no GPU.

Its arrays are NumPy's, hidden. They refuse what CuPy's refuse: to become a NumPy array by themselves, to be mixed with
one, and to be handed to a function of NumPy. Whatever crosses between host and device does so by `get`, `set`,
`asarray` and the few conversions of single numbers, and is counted in `traffic`. Memory of `empty` holds NaN, so that
nobody relies on zeros. Only what CuPy has is here, with the arguments that CuPy takes: `test_fakecupy.py` compares the
two where CuPy is installed. `RawModule` compiles CUDA C++ as plain C++ (see `fakecupy.kernels`).
"""

from __future__ import annotations

import operator
import sys
from typing import Any

import numpy as np

from tests.fakecupy import cuda
from tests.fakecupy.kernels import RawModule, compiler

__all__ = ["RawModule", "compiler", "cuda"]

float32, float64, int32, int64, uint8, bool_ = np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_
sys.modules["fakecupy"] = sys.modules[__name__]


class Traffic:
    """Bytes carried each way, and how often somebody waited for the device, since `reset`."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.up = self.down = self.waits = 0


traffic = Traffic()


class ndarray:  # noqa: N801
    """An array on the pretended device."""

    __module__ = "fakecupy"
    __array_ufunc__ = None

    def __init__(self, values: np.ndarray):
        self._a = values

    def __array__(self, *arguments: Any, **more: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_function__(self, function: Any, *arguments: Any) -> Any:
        raise TypeError(f"numpy.{function.__name__} was given an array of the device")

    # -- what it is ---------------------------------------------------------------------------------------------------

    shape = property(lambda self: self._a.shape)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    dtype = property(lambda self: self._a.dtype)
    itemsize = property(lambda self: self._a.itemsize)
    nbytes = property(lambda self: self._a.nbytes)
    strides = property(lambda self: self._a.strides)
    flags = property(lambda self: self._a.flags)
    device = property(lambda self: "<pretended>")
    T = property(lambda self: ndarray(self._a.T))

    @property
    def data(self) -> Any:
        class Pointer:
            ptr = self._a.ctypes.data

        return Pointer

    def __len__(self) -> int:
        return len(self._a)

    def __iter__(self) -> Any:
        return (ndarray(np.asarray(each)) for each in self._a)

    def __repr__(self) -> str:
        return f"fakecupy.{self._a!r}"

    # -- crossing to the host -----------------------------------------------------------------------------------------

    def get(self, stream: Any = None, order: str = "C", out: np.ndarray | None = None, blocking: bool = True) -> Any:
        traffic.down += self.nbytes
        traffic.waits += 1
        if out is None:
            return self._a.copy()
        assert isinstance(out, np.ndarray) and out.dtype == self.dtype and out.shape == self.shape
        assert out.flags.c_contiguous
        out[...] = self._a
        return out

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        if not isinstance(arr, np.ndarray):
            raise TypeError(f"Only numpy.ndarray can be set to cupy.ndarray, not {type(arr)}")
        assert arr.dtype == self.dtype, f"cannot set {self.dtype} from {arr.dtype}"
        assert arr.shape == self.shape, f"cannot set {self.shape} from {arr.shape}"
        assert self.flags.c_contiguous
        traffic.up += arr.nbytes
        (stream or cuda.current).add(lambda: np.copyto(self._a, arr))

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def __bool__(self) -> bool:
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __index__(self) -> int:
        return operator.index(self.item())

    # -- views and copies ---------------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> ndarray:
        return ndarray(np.asarray(self._a[_index(index)]))

    def __setitem__(self, index: Any, value: Any) -> None:
        self._a[_index(index)] = _bare(value)

    def reshape(self, *shape: Any) -> ndarray:
        return ndarray(self._a.reshape(*shape))

    def ravel(self) -> ndarray:
        return ndarray(self._a.ravel())

    def transpose(self, *axes: Any) -> ndarray:
        return ndarray(self._a.transpose(*axes))

    def swapaxes(self, one: int, other: int) -> ndarray:
        return ndarray(self._a.swapaxes(one, other))

    def copy(self, order: str = "C") -> ndarray:
        return ndarray(self._a.copy(order))

    def astype(self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True) -> Any:
        return ndarray(self._a.astype(dtype, copy=copy))

    def view(self, dtype: Any) -> ndarray:
        return ndarray(self._a.view(dtype))

    def fill(self, value: Any) -> None:
        self._a.fill(_bare(value))

    # -- reductions, with CuPy's arguments ----------------------------------------------------------------------------

    def sum(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return _wrap(self._a.sum(axis=axis, dtype=dtype, out=_bare(out), keepdims=keepdims))

    def mean(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return _wrap(self._a.mean(axis=axis, dtype=dtype, out=_bare(out), keepdims=keepdims))

    def max(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return _wrap(self._a.max(axis=axis, out=_bare(out), keepdims=keepdims))

    def min(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return _wrap(self._a.min(axis=axis, out=_bare(out), keepdims=keepdims))

    def any(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return _wrap(self._a.any(axis=axis, out=_bare(out), keepdims=keepdims))

    def all(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return _wrap(self._a.all(axis=axis, out=_bare(out), keepdims=keepdims))

    def argmax(self, axis: Any = None, out: Any = None, dtype: Any = None, keepdims: bool = False) -> ndarray:
        return _wrap(self._a.argmax(axis=axis, out=_bare(out), keepdims=keepdims))

    def argmin(self, axis: Any = None, out: Any = None, dtype: Any = None, keepdims: bool = False) -> ndarray:
        return _wrap(self._a.argmin(axis=axis, out=_bare(out), keepdims=keepdims))

    def dot(self, other: ndarray) -> ndarray:
        return _wrap(self._a.dot(_bare(other)))

    # -- operators ----------------------------------------------------------------------------------------------------

    __hash__ = None  # type: ignore[assignment]

    def __neg__(self) -> ndarray:
        return _wrap(-self._a)

    def __invert__(self) -> ndarray:
        return _wrap(~self._a)

    def __abs__(self) -> ndarray:
        return _wrap(np.abs(self._a))


def _wrap(result: Any) -> ndarray:
    return ndarray(np.asarray(result))


def _bare(x: Any) -> Any:
    """Return what is inside an array of the device; a NumPy array here is a mistake of the caller."""
    if isinstance(x, ndarray):
        return x._a
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}: an array of the host meets one of the device")
    return x


def _index(index: Any) -> Any:
    return tuple(map(_bare, index)) if isinstance(index, tuple) else _bare(index)


_OPERATORS = "add sub mul truediv floordiv mod pow and or xor lshift rshift matmul"
_COMPARISONS = "lt le eq ne gt ge"


def _operators() -> None:
    in_places = {name: getattr(operator, f"__i{name}__") for name in _OPERATORS.split()}
    for name in _OPERATORS.split():
        plain = getattr(operator, f"__{name}__")
        setattr(ndarray, f"__{name}__", lambda a, b, plain=plain: _wrap(plain(a._a, _bare(b))))
        setattr(ndarray, f"__r{name}__", lambda a, b, plain=plain: _wrap(plain(_bare(b), a._a)))

        def in_place(a: ndarray, b: Any, change: Any = in_places[name]) -> ndarray:
            a._a[...] = change(a._a, _bare(b))  # of no axes, NumPy would make a number of it
            return a

        setattr(ndarray, f"__i{name}__", in_place)
    for name in _COMPARISONS.split():
        compare = getattr(operator, f"__{name}__")
        setattr(ndarray, f"__{name}__", lambda a, b, compare=compare: _wrap(compare(a._a, _bare(b))))


_operators()

# -- functions --------------------------------------------------------------------------------------------------------

_UFUNCS = (
    "abs add divide exp expm1 greater log log1p maximum minimum multiply negative power sign sqrt square subtract tanh "
    "trunc floor isfinite"
)


def _ufunc(name: str) -> Any:
    function = getattr(np, name)

    def on_device(*arguments: Any, out: Any = None) -> ndarray:
        assert any(isinstance(each, ndarray) for each in arguments), f"{name} needs an array of the device"
        result = function(*map(_bare, arguments), out=_bare(out))
        return out if out is not None else _wrap(result)

    return on_device


for _name in _UFUNCS.split():
    globals()[_name] = _ufunc(_name)


class add:  # noqa: N801
    """The sum of two arrays; `at` adds into chosen places."""

    def __new__(cls, x1: Any, x2: Any, out: Any = None) -> Any:
        return _add(x1, x2, out=out)

    @staticmethod
    def at(a: ndarray, indices: Any, b: Any) -> None:
        np.add.at(a._a, _index(indices), _bare(b))


_add = _ufunc("add")


def asarray(a: Any, dtype: Any = None) -> ndarray:
    if isinstance(a, ndarray):
        return a if dtype is None or a.dtype == dtype else a.astype(dtype)
    values = np.array(a, dtype)
    traffic.up += values.nbytes
    return ndarray(values)


def array(obj: Any, dtype: Any = None) -> ndarray:
    return obj.astype(dtype or obj.dtype) if isinstance(obj, ndarray) else asarray(obj, dtype)


def empty(shape: Any, dtype: Any = float) -> ndarray:
    values = np.empty(shape, dtype)
    values.fill(np.nan if values.dtype.kind == "f" else 99)
    return ndarray(values)


def zeros(shape: Any, dtype: Any = float) -> ndarray:
    return ndarray(np.zeros(shape, dtype))


def ones(shape: Any, dtype: Any = float) -> ndarray:
    return ndarray(np.ones(shape, dtype))


def empty_like(prototype: ndarray, dtype: Any = None) -> ndarray:
    return empty(_bare(prototype).shape, dtype or prototype.dtype)


def zeros_like(a: ndarray, dtype: Any = None) -> ndarray:
    return ndarray(np.zeros_like(_bare(a), dtype))


def ones_like(a: ndarray, dtype: Any = None) -> ndarray:
    return ndarray(np.ones_like(_bare(a), dtype))


def arange(*limits: int, dtype: Any = None) -> ndarray:
    return ndarray(np.arange(*limits, dtype=dtype))


def ascontiguousarray(a: ndarray) -> ndarray:
    return ndarray(np.ascontiguousarray(_bare(a)))


def broadcast_to(array: ndarray, shape: Any) -> ndarray:
    return ndarray(np.broadcast_to(_bare(array), shape))


def clip(a: ndarray, a_min: Any, a_max: Any, out: Any = None) -> ndarray:
    result = np.clip(_bare(a), a_min, a_max, out=_bare(out))
    return out if out is not None else _wrap(result)


def concatenate(tup: Any, axis: int = 0) -> ndarray:
    return ndarray(np.concatenate([_bare(each) for each in tup], axis))


def copyto(dst: ndarray, src: Any, casting: str = "same_kind", where: Any = None) -> None:
    np.copyto(dst._a, _bare(src), casting, True if where is None else _bare(where))


def expand_dims(a: ndarray, axis: int) -> ndarray:
    return ndarray(np.expand_dims(_bare(a), axis))


def flatnonzero(a: ndarray) -> ndarray:
    traffic.waits += 1
    return ndarray(np.flatnonzero(_bare(a)))


def matmul(x1: ndarray, x2: ndarray, out: Any = None) -> ndarray:
    result = np.matmul(_bare(x1), _bare(x2), out=_bare(out))
    return out if out is not None else _wrap(result)


def may_share_memory(a: ndarray, b: ndarray) -> bool:
    return np.may_share_memory(_bare(a), _bare(b))


def moveaxis(a: ndarray, source: Any, destination: Any) -> ndarray:
    return ndarray(np.moveaxis(_bare(a), source, destination))


def argsort(a: ndarray, axis: int = -1, kind: Any = None) -> ndarray:
    assert kind in (None, "stable")
    return ndarray(np.argsort(_bare(a), axis, "stable"))


def take_along_axis(a: ndarray, indices: ndarray, axis: int) -> ndarray:
    return ndarray(np.take_along_axis(_bare(a), _bare(indices), axis))


def bincount(x: ndarray, weights: Any = None, minlength: Any = None) -> ndarray:
    return ndarray(np.bincount(_bare(x), _bare(weights), minlength or 0))


def vdot(a: ndarray, b: ndarray) -> ndarray:
    return _wrap(np.vdot(_bare(a), _bare(b)))


def where(condition: ndarray, x: Any, y: Any) -> ndarray:
    return ndarray(np.where(_bare(condition), _bare(x), _bare(y)))


def operations() -> Any:
    """Return the operations of the pretended device: all CUDA kernels where there is a compiler, else none."""
    from minicaffe import ops

    table = ops.CUDA_OVERRIDES if compiler() else {}
    return ops.DeviceOps("pretended", sys.modules[__name__], table, package="cuda")
