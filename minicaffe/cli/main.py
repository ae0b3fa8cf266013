"""`minicaffe VERB ...`: find the verb, parse its flags, run it, and turn errors into one clear message."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType

from minicaffe import cli
from minicaffe.cli.flags import Parser, normalise
from minicaffe.errors import Error, LayerError, did_you_mean
from minicaffe.version import __version__

USAGE = "minicaffe VERB [ARGUMENT] [--FLAG VALUE ...]"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the program's); return its exit code: 0, 1 for an error, 2 for usage."""
    words = normalise(sys.argv[1:] if argv is None else argv)
    verbs = find_verbs()
    try:
        name, rest = split_verb(words, verbs)
        if name is None:
            return overview(rest, verbs)
        args = verb_parser(name, verbs[name]).parse(rest)
    except SystemExit as stop:  # argparse has said what was wrong, or shown its help
        return int(stop.code or 0)
    try:
        return int(verbs[name].run(args) or 0)
    except SystemExit as stop:  # args.usage_error, from inside the verb
        return int(stop.code or 0)
    except (Error, OSError) as error:
        if args.traceback:
            raise
        report(error)
        return 1
    except KeyboardInterrupt:
        print("minicaffe: interrupted", file=sys.stderr)
        return 130


def find_verbs() -> dict[str, ModuleType]:
    """Return every verb and alias of this package, spelled with dashes."""
    verbs: dict[str, ModuleType] = {}
    for entry in pkgutil.iter_modules(cli.__path__):
        if entry.name == "main":
            continue
        module = importlib.import_module(f"{cli.__name__}.{entry.name}")
        if hasattr(module, "run"):
            for name in (entry.name, *getattr(module, "ALIASES", ())):
                verbs[name.replace("_", "-")] = module
    return verbs


def split_verb(words: list[str], verbs: dict[str, ModuleType]) -> tuple[str | None, list[str]]:
    """Return the verb and the words without it; flags may stand before it, as Caffe allows. None: there is no verb."""
    for i, word in enumerate(words):
        name = word.replace("_", "-")
        if name in verbs:
            return name, words[:i] + words[i + 1 :]
        if not words[0].startswith("-"):
            break
    return None, words


def verb_parser(name: str, module: ModuleType) -> Parser:
    """Build the parser of one verb."""
    example = getattr(module, "EXAMPLE", "")
    epilog = f"example:\n{example.rstrip()}" if example else None
    parser = Parser(prog=f"minicaffe {name}", description=(module.__doc__ or "").strip(), epilog=epilog)
    module.add_arguments(parser)
    parser.add_argument("--traceback", action="store_true", help="show where in the code an error arose")
    parser.set_defaults(usage_error=parser.error)
    return parser


def overview(words: list[str], verbs: dict[str, ModuleType]) -> int:
    """Answer a command line without a known verb: --version, --help, or what is wrong with it."""
    summaries = {module: (module.__doc__ or "").strip().splitlines()[0] for module in verbs.values()}
    first_names = {module: name for name, module in reversed(verbs.items())}
    table = "\n".join(
        f"  {name:17} {summaries[module]}" for module, name in sorted(first_names.items(), key=lambda v: v[1])
    )
    parser = Parser(
        prog="minicaffe", usage=USAGE, epilog=f"verbs:\n{table}\n\nminicaffe VERB --help tells more of each."
    )
    parser.add_argument("--version", action="version", version=f"minicaffe {__version__}")
    if words and not words[0].startswith("-") and words[0] != "help":
        parser.error(f"unknown verb {words[0]!r}{did_you_mean(words[0], verbs)}; verbs: {', '.join(sorted(verbs))}")
    if words and words[0].startswith("-"):
        parser.parse(words)
    parser.print_help()
    return 0 if words else 2


def report(error: Exception) -> None:
    """Print `error` as one message on standard error; what a user's own layer raised keeps its traceback."""
    cause = error.__cause__
    if isinstance(error, LayerError) and cause is not None:
        traceback.print_exception(type(cause), cause, cause.__traceback__)
    print(f"minicaffe: {error}", file=sys.stderr)
