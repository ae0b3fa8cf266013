"""Which nets a solver trains and tests: the fields `net`, `train_net`, `test_net` and their inlined forms, sorted out.

The rules are those of Caffe's Solver::InitTrainNet and InitTestNets: exactly one source for the train net; test nets
are the inlined ones, then the files, then as many copies of the generic net as test_iter has entries left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minicaffe.errors import SolverError
from minicaffe.graph import merge_state
from minicaffe.phase import TEST, TRAIN, Phase
from minicaffe.proto import read_net

TRAIN_FIELDS = ("train_net_param", "train_net", "net_param", "net")


@dataclass(frozen=True)
class NetSource:
    """A net yet to be read. `said` is how the log calls it; `inlined` the message itself, else `path` the file.

    `named_in` begins the message of an error: the place of the solver.
    """

    said: str
    inlined: Any = None
    path: str = ""
    named_in: str = ""

    def read(self, folder: Path | None) -> tuple[Any, Path | None]:
        """Return the NetParameter, and the folder that its own relative paths start from.

        A path is looked for from the working directory, as in Caffe, then from `folder`, where the solver file lies,
        and from the folders above it: published solvers count from the root of their repository.
        """
        if self.inlined is not None:
            return self.inlined, folder
        tried = [Path(self.path), *(above / self.path for above in ([folder, *folder.parents] if folder else []))]
        found = next((path for path in tried if path.is_file()), None)
        if found is None:
            raise SolverError(
                f"{self.named_in}the solver names the net file {self.path!r}, but it is not there: looked in "
                f"{Path.cwd()}" + (f", in {folder} and in every folder above that" if folder else "")
            )
        return read_net(found), found.resolve().parent


def train_source(param: Any) -> NetSource:
    """Return the one source of the train net that `param` (SolverParameter) names; SolverError for none or several."""
    given = [name for name in TRAIN_FIELDS if param.HasField(name)]
    if len(given) != 1:
        what = f"names {len(given)}: {', '.join(given)}" if given else "names none"
        raise SolverError(
            f"{place(param)}SolverParameter must specify a train net exactly once, with one of the fields "
            f"{', '.join(TRAIN_FIELDS)}; this one {what}"
        )
    name = given[0]
    value = getattr(param, name)
    if name.endswith("_param"):
        return NetSource(f"specified in {name}.", inlined=value)
    return NetSource(f"from {name} file: {value}", path=value, named_in=place(param))


def test_sources(param: Any) -> list[NetSource]:
    """Return the sources of all test nets, in the order of test_iter; SolverError where counts do not fit."""
    sources = [NetSource("test_net_param", inlined=each) for each in param.test_net_param]
    sources += [NetSource(f"test_net file: {each}", path=each, named_in=place(param)) for each in param.test_net]
    generic = param.HasField("net") or param.HasField("net_param")
    wanted = len(param.test_iter)
    if wanted < len(sources) if generic else wanted != len(sources):
        raise SolverError(
            f"{place(param)}test_iter must be specified for each test network: there are {len(sources)} test nets of "
            f"their own and {wanted} test_iter"
        )
    if param.HasField("net_param"):
        sources += [NetSource("net_param", inlined=param.net_param)] * (wanted - len(sources))
    elif param.HasField("net"):
        source = NetSource(f"net file: {param.net}", path=param.net, named_in=place(param))
        sources += [source] * (wanted - len(sources))
    _check_tests(param, len(sources))
    return sources


def _check_tests(param: Any, count: int) -> None:
    if param.test_state and len(param.test_state) != count:
        raise SolverError(
            f"{place(param)}test_state must be unspecified or specified once per test net: there are {count} test nets "
            f"and {len(param.test_state)} test_state"
        )
    if count and param.test_interval <= 0:
        raise SolverError(f"{place(param)}there are {count} test nets but no test_interval: say how often to test")
    if any(batches <= 0 for batches in param.test_iter):
        raise SolverError(
            f"{place(param)}test_iter counts the batches of a test and must be > 0: {list(param.test_iter)}"
        )


def states(param: Any, definition: Any, phase: Phase, index: int = 0) -> Any:
    """Return the NetState of a net: its phase, with the net's own state and then the solver's merged over it."""
    if phase == TRAIN:
        return merge_state(TRAIN, definition.state, param.train_state)
    return merge_state(TEST, definition.state, *list(param.test_state)[index : index + 1])


def weight_files(entries: Iterable[str]) -> Iterator[str]:
    """Yield the files named by `weights` entries, each of which may list several with commas."""
    for entry in entries:
        yield from (name.strip() for name in entry.split(",") if name.strip())


def place(param: Any) -> str:
    """Return `FILE:LINE: `, where the SolverParameter `param` was read, or nothing if it came from no file."""
    return f"{param.origin}: " if param.origin else ""
