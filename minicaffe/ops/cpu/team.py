"""How a kernel has other threads take part in its own call: without the interpreter, and without putting them to sleep.

A layer of a small image lasts less than a millisecond. Waking a thread costs a tenth of that, and once it is awake it
has to wait for the interpreter's lock before it can call anything. So threads that were of use a moment ago keep
looking at a board in memory, inside compiled code. A kernel that is to be divided puts up there where its own machine
code and its arguments are, and the others call it for a few items at a time, as its own thread does:

    @kernel
    def add(lo: int, hi: int, team: Any, x: Any, y: Any) -> None:
        if divide(lo, hi, team):
            return
        for i in range(lo, hi):
            y[i] += x[i]

    threads.run(add, len(x), 10_000, x, y)

A team is the address of a board, how many threads there are, and how many items each takes at a time; without a board
it is one thread. Calls for a few items get no board but the number of the thread that works: 0, thread, 0.

A board is a row of int64, its fields a line of the cache apart. Its gate counts who is at work; while it is closed it
is negative, and whoever enters then leaves at once. So arguments are read only while the thread that put them up waits.
"""

from __future__ import annotations

import os
import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minicaffe.ops.cpu.kernel import kernel

LINE = 64
# The number of the present call; who is at work; the call's code, its arguments, how many threads may take part;
# whether the board is in use; the code of `together`; and then of each thread, where it is, and at LEAVE from there
# whether it is wanted elsewhere.
CALL, GATE, CODE, ARGUMENTS, SEATS, USED, TOGETHER = range(0, 7 * LINE, LINE)
FIELDS, LEAVE = 7, 8
HERE, AWAY, CALLED = range(3)
"""Where a thread is: it looks at the board; it does not, and has to be called; it has been called."""
OPEN = 1 << 40
CLOSED = -OPEN
PATIENCE = 1000
"""So many times a thread looks whether the others are done before it lets the system run something else."""

operation: Any = intrinsic
"""Decorator for what writes machine code of its own; to whoever checks types it may be called in any way."""

_INT = ir.IntType(64)
_BYTES = ir.IntType(8).as_pointer()
_JOB = ir.FunctionType(ir.VoidType(), [_BYTES, _INT])
_X86, _ARM = platform.machine() in ("x86_64", "AMD64"), platform.machine() in ("aarch64", "arm64")


# -- memory that threads share ----------------------------------------------------------------------------------------


@operation
def _load(typing, address):
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(arguments[0], _INT.as_pointer()), "seq_cst", 8)

    return types.intp(types.intp), generate


@operation
def _store(typing, address, value):
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, value = arguments
        builder.store_atomic(value, builder.inttoptr(address, _INT.as_pointer()), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), generate


@operation
def _add(typing, address, value):
    """Add to what is there; return what was there before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, value = arguments
        return builder.atomic_rmw("add", builder.inttoptr(address, _INT.as_pointer()), value, "seq_cst")

    return types.intp(types.intp, types.intp), generate


@operation
def _pause(typing):
    """Spend a moment in a way that leaves the processor's other threads, and its memory, alone."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        module, nothing, number = builder.module, ir.VoidType(), ir.IntType(32)
        if _X86:
            pause = ir.FunctionType(nothing, [])
            builder.call(cgutils.get_or_insert_function(module, pause, "llvm.x86.sse2.pause"), [])
        elif _ARM:
            hint = ir.FunctionType(nothing, [number])
            builder.call(cgutils.get_or_insert_function(module, hint, "llvm.aarch64.hint"), [number(1)])
        return context.get_dummy_value()

    return types.void(), generate


@operation
def _let_others_run(typing):
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if os.name == "posix":
            yield_type = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, yield_type, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), generate


@operation
def _call(typing, code, raw, thread):
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code, raw, thread = arguments
        builder.call(builder.inttoptr(code, _JOB.as_pointer()), [builder.inttoptr(raw, _BYTES), thread])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), generate


# -- the two sides of a board -----------------------------------------------------------------------------------------


@operation
def _own_code(typing):
    """Return where the machine code of the function is that asks."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ptrtoint(builder.function, _INT)

    return types.intp(), generate


@kernel
def together(board: int, code: int, raw: int, seats: int) -> None:
    """Run the code in this thread, and in others that look at the board meanwhile; no code: be there for `divide`.

    Called by its address, so that it is compiled once and not as part of every kernel.
    """
    if code == 0:
        _store(board + TOGETHER, _own_code())
        return
    first = _add(board + USED, 1) == 0
    if first:
        _store(board + CODE, code)
        _store(board + ARGUMENTS, raw)
        _store(board + SEATS, seats)
        _add(board + GATE, OPEN)
        _add(board + CALL, 1)
    _call(code, raw, 0)
    if first:
        _add(board + GATE, -OPEN)
        looks = 0
        while _load(board + GATE) != CLOSED:
            looks += 1
            if looks < PATIENCE:
                _pause()
            else:
                _let_others_run()
    _add(board + USED, -1)


@kernel
def serve(board: int, thread: int, seen: int, looks: int) -> int:
    """Take part in calls after the one `seen`, until there is none for so many looks, or the thread is to leave.

    Return the number of the last call.
    """
    place = board + (FIELDS + thread) * LINE
    _store(place, HERE)
    idle = 0
    while idle < looks and _load(place + LEAVE) == 0:
        latest = _load(board + CALL)
        if latest == seen:
            idle += 1
            _pause()
            continue
        if _add(board + GATE, 1) >= 0 and thread < _load(board + SEATS):
            _call(_load(board + CODE), _load(board + ARGUMENTS), thread)
        _add(board + GATE, -1)
        idle, seen = 0, latest
    _store(place, AWAY)
    return seen


# -- a kernel's own code and arguments --------------------------------------------------------------------------------

TELL = -1
"""For the number of threads in a team: no work, but where the kernel's code is, to be written to the address before."""


@operation
def divide(typing, lo, hi, team):
    """Return False when this thread is to work on lo..hi; else have the team do so, by calls of the same kernel.

    For the first line of a kernel that returns nothing and whose first arguments are these three.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kernel = builder.function
        lo, hi, board, seats, step = kernel.args[2:7]
        if any(argument.type != _INT for argument in (lo, hi, board, seats, step)):
            raise TypeError("the first arguments of a kernel for teams are lo, hi and team")
        divided = builder.icmp_signed("!=", board, _INT(0))
        with builder.if_then(divided, likely=False):
            job = builder.ptrtoint(_job(kernel), _INT)
            asked = builder.icmp_signed("==", seats, _INT(TELL))
            with builder.if_else(asked) as (tell, work):
                with tell:
                    builder.store(job, builder.inttoptr(board, _INT.as_pointer()))
                with work:
                    room = _pack(builder, [lo, hi, step, _INT(0), *kernel.args[7:]])
                    place = builder.inttoptr(builder.add(board, _INT(TOGETHER)), _INT.as_pointer())
                    unused = [builder.bitcast(cgutils.alloca_once(builder, _INT, 4), a.type) for a in kernel.args[:2]]
                    code = ir.FunctionType(ir.IntType(32), [*(value.type for value in unused), *[_INT] * 4])
                    address = builder.inttoptr(builder.load(place), code.as_pointer())
                    builder.call(address, [*unused, board, job, builder.ptrtoint(room, _INT), seats])
                    _raise_if_failed(context, builder, room)
        return divided

    return types.boolean(lo, hi, team), generate


@operation
def work(typing, code, thread, items, arguments):
    """Have a kernel for teams work on 0..items in this thread; `code` is what `threads.code` says of it.

    So that what is large is compiled once, and not as part of every kernel that calls it. The types of the arguments
    must be the very ones: ints np.intp.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        code, thread, items, packed = values
        each = cgutils.unpack_tuple(builder, packed)
        flat = context.get_arg_packer(signature.args[3].types).as_arguments(builder, each)
        room = _pack(builder, [_INT(0), items, items, _INT(0), *flat])
        builder.call(builder.inttoptr(code, _JOB.as_pointer()), [builder.bitcast(room, _BYTES), thread])
        _raise_if_failed(context, builder, room)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, arguments), generate


def _pack(builder: Any, values: Any) -> Any:
    """Return where the values lie in memory, one after the other."""
    room = cgutils.alloca_once(builder, ir.LiteralStructType([value.type for value in values]))
    for place, value in enumerate(values):
        builder.store(value, cgutils.gep_inbounds(builder, room, 0, place))
    return room


def _raise_if_failed(context: Any, builder: Any, room: Any) -> None:
    """Raise the one exception that there is in a kernel, in whichever thread it was: no memory for an array."""
    failed = builder.load(cgutils.gep_inbounds(builder, room, 0, 3))
    with builder.if_then(builder.icmp_signed("!=", failed, _INT(0)), likely=False):
        context.call_conv.return_user_exc(builder, MemoryError, ("no memory for what a kernel works in",))


def _job(kernel: Any) -> Any:
    """Return a function that calls the kernel with packed arguments.

    They are the next item, the end, how many items at a time, whether one of the calls failed; and then all others.
    """
    packed = ir.LiteralStructType([_INT] * 4 + [value.type for value in kernel.args[7:]])
    job = ir.Function(kernel.module, _JOB, kernel.module.get_unique_name("job"))
    job.linkage = "internal"
    begin, turn, some, end = (job.append_basic_block(name) for name in ("begin", "turn", "some", "end"))
    builder = ir.IRBuilder(begin)
    raw, thread = job.args
    room = builder.bitcast(raw, packed.as_pointer())
    places = [cgutils.gep_inbounds(builder, room, 0, place) for place in range(len(packed.elements))]
    hi, step, *others = (builder.load(place) for place in (*places[1:3], *places[4:]))
    # What it returns, which is nothing, and its exception.
    unused = [builder.bitcast(builder.alloca(_INT, 4), argument.type) for argument in kernel.args[:2]]
    builder.branch(turn)
    builder.position_at_end(turn)
    at = builder.atomic_rmw("add", places[0], step, "seq_cst")
    builder.cbranch(builder.icmp_signed("<", at, hi), some, end)
    builder.position_at_end(some)
    stop = builder.add(at, step)
    stop = builder.select(builder.icmp_signed("<", stop, hi), stop, hi)
    status = builder.call(kernel, [*unused, at, stop, _INT(0), thread, _INT(0), *others], attrs=("noinline",))
    with builder.if_then(builder.icmp_signed("!=", status, status.type(0)), likely=False):
        builder.store_atomic(_INT(1), places[3], "seq_cst", 8)
    builder.branch(turn)
    builder.position_at_end(end)
    builder.ret_void()
    return job
