"""The command line's spelling: Caffe's flags however they are written, and errors that name the nearest one."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from minicaffe.errors import DeviceError, did_you_mean

THREAD_VARIABLES = (
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_NAME = re.compile(r"--?([A-Za-z][A-Za-z0-9_-]+)(=.*)?", re.DOTALL)


def normalise(argv: Sequence[str]) -> list[str]:
    """Return `argv` with each flag spelled `--like-this`: one dash or two, dashes or underscores all mean the same.

    Single letters (`-h`), negative numbers and whatever follows a bare `--` stay as they are.
    """
    end = argv.index("--") if "--" in argv else len(argv)
    return [_long(word) for word in argv[:end]] + list(argv[end:])


def _long(word: str) -> str:
    match = _NAME.fullmatch(word)
    if match is None:
        return word
    return "--" + match[1].replace("_", "-") + (match[2] or "")


class Parser(argparse.ArgumentParser):
    """A parser that takes plain arguments anywhere between the flags, and answers a typo with the nearest flag."""

    def __init__(self, **kwargs: Any):
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse all of `argv`; a usage error ends the program with exit code 2."""
        args, unknown = self.parse_known_intermixed_args(argv)
        if unknown:
            flag = unknown[0].partition("=")[0]
            known = [option for option in self._option_string_actions if option.startswith("--")]
            kind = "flag" if flag.startswith("-") else "argument"
            self.error(f"unknown {kind} {flag!r}{did_you_mean(flag, known) if kind == 'flag' else ''}")
        return args

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.format_usage()}{self.prog}: {message}\n")


def add_file(parser: argparse.ArgumentParser, name: str, help: str) -> None:
    """Let a file be given as a plain argument or as `--NAME FILE`; read it with `file`."""
    parser.add_argument(f"plain_{name}", nargs="?", metavar=name.upper(), help=help)
    parser.add_argument(f"--{name}", metavar="FILE", help="the same, as a flag")


def file(args: argparse.Namespace, name: str) -> str:
    """Return the file given for `name` either way; giving none, or two, is a usage error."""
    given = [value for value in (getattr(args, f"plain_{name}"), getattr(args, name)) if value]
    if len(given) != 1:
        problem = "given twice" if given else "missing"
        args.usage_error(f"the {name} is {problem}: give it as a plain argument or with --{name} FILE")
    return given[0]


def add_state(parser: argparse.ArgumentParser) -> None:
    """Add `--level` and `--stage`, the part of the net's state that the command line decides."""
    parser.add_argument("--level", type=int, default=0, metavar="N", help="level of the net's state (default 0)")
    parser.add_argument("--stage", default="", metavar="A,B", help="stages of the net's state")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add `--gpu`, `--cpu` and what else says how to compute."""
    parser.add_argument("--gpu", default="", metavar="IDS", help="the GPU to run on, by its number")
    parser.add_argument("--cpu", action="store_true", help="run on the CPU, whatever the solver's solver_mode says")
    parser.add_argument(
        "--tf32", action="store_true", help="on a GPU: products in TF32, faster and with 10 bits of mantissa"
    )
    parser.add_argument(
        "--deterministic", action="store_true", help="on a GPU: only algorithms that give the same bits every time"
    )
    parser.add_argument("--gpu-memory", default="", metavar="SIZE", help="take at most so much of a GPU: 8.7G, or 80%%")
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads to use (default: all cores)")


def positive(text: str) -> int:
    """Read a whole number of at least one."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def pieces(text: str) -> list[str]:
    """Split a comma list, without blanks and empty pieces."""
    return [piece.strip() for piece in text.split(",") if piece.strip()]


def use_device(args: argparse.Namespace, asked_by_file: str = "", file_device: int = 0) -> int | None:
    """Apply `--gpu`, `--cpu` and what else says how to compute; return the number of the GPU, None for the CPU.

    `asked_by_file` says where a file asks for a GPU ("" when none does), the one numbered `file_device`. DeviceError
    when a GPU is asked for that is not there: nothing ever runs elsewhere than where it was asked to.
    """
    if args.gpu and args.cpu:
        args.usage_error("give --gpu or --cpu, not both")
    if args.threads:
        limit_threads(args.threads)

    from minicaffe import device

    device.set_tf32(args.tf32)
    device.set_deterministic(args.deterministic)
    asked = f"--gpu {args.gpu}" if args.gpu else asked_by_file
    if args.cpu or not asked:
        device.set_mode_cpu()
        return None
    number = _one_gpu(args, asked) if args.gpu else file_device
    device.set_device(number, asked)
    device.set_mode_gpu(asked)
    if args.gpu_memory:
        try:
            device.limit_memory(args.gpu_memory)
        except ValueError as error:
            args.usage_error(f"--gpu-memory {error}")
    return number


def _one_gpu(args: argparse.Namespace, asked: str) -> int:
    """Return the number in `--gpu`; `all` means the only one there is."""
    numbers = pieces(args.gpu)
    if numbers == ["all"]:
        from minicaffe import device

        numbers = [str(i) for i in range(max(len(device.device_names()), 1))]
    if not all(number.isdigit() for number in numbers):
        args.usage_error(f"{asked}: give the number of a GPU, or all")
    if len(numbers) != 1:
        raise DeviceError(
            f"{asked}: this version of minicaffe trains on one GPU at a time: give one number\n"
            "  a larger batch on one GPU: raise iter_size in the solver"
        )
    return int(numbers[0])


def device_line(gpu: int | None) -> str:
    """Return Caffe's line about the device at hand."""
    return "Use CPU." if gpu is None else f"Use GPU with device ID {gpu}"


def limit_threads(count: int) -> None:
    """Hold our kernels, BLAS, OpenMP and numba to `count` threads: those already loaded, and those yet to be."""
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(count)))
    kernels = sys.modules.get("minicaffe.ops.cpu.threads")
    if kernels is not None:
        kernels.recount()

    import threadpoolctl

    threadpoolctl.threadpool_limits(count)
    numba = sys.modules.get("numba")
    if numba is not None:
        numba.set_num_threads(min(count, numba.get_num_threads()))
