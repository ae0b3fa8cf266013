"""Download data sets and weights by name, verified; without a name, list those that are known.

What is there already is verified and used again, and a download that broke off is completed.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minicaffe.fetch import Item

EXAMPLE = """\
  minicaffe fetch
  minicaffe fetch voc2007 vgg16 --out data"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to fetch")
    parser.add_argument("--out", default="data", metavar="FOLDER", help="where it goes (default data)")
    parser.add_argument("--registry", metavar="YML", help="another list of names (default: the one that ships)")
    parser.add_argument("--delete-archives", action="store_true", help="delete archives once they are unpacked")


def run(args: argparse.Namespace) -> None:
    from minicaffe.fetch import fetch, find, read_registry
    from minicaffe.fetch.registry import REGISTRY
    from minicaffe.solver.log import init_log

    init_log()
    items = read_registry(args.registry or REGISTRY)
    if not args.names:
        print("\n".join(f"{item.name:22}{size(item):>9}  {item.about}" for item in items.values()))
        return
    for item in [find(name, items) for name in args.names]:
        if item.terms:
            print(f"{item.name}: {item.about}; terms: {item.terms}")
        with closing(Bytes()) as bar:
            paths = fetch(item, args.out, bar.update, keep=not args.delete_archives)
        print("\n".join(map(str, paths)))


def size(item: Item) -> str:
    """Return how much there is to download, as far as it is known."""
    total = sum(source.size for source in item.files)
    return f"{total / 1e6:,.0f} MB" if total else ""


class Bytes:
    """A progress bar for each file in turn, on a terminal only."""

    def __init__(self) -> None:
        self._bar: Any = None

    def update(self, done: int, total: int) -> None:
        """Show that `done` of `total` bytes are here; fewer than before means that another file, or try, began."""
        if not sys.stderr.isatty():
            return
        if self._bar is None or done < self._bar.n:
            from tqdm import tqdm

            self.close()
            self._bar = tqdm(
                initial=done, total=total or None, unit="B", unit_scale=True, leave=False, dynamic_ncols=True
            )
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
