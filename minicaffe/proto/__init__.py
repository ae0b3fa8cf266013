"""Reading and writing what Caffe reads and writes: prototxts, weights, snapshots.

`schema` has the messages, `prototxt` their text, `upgrade` the older generations, `wire` the binary files.
"""

from __future__ import annotations

from minicaffe.proto.definitions import read_net, read_solver, write_text
from minicaffe.proto.prototxt import parse, to_text

__all__ = ["parse", "read_net", "read_solver", "to_text", "write_text"]
