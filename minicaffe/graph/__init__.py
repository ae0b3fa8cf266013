"""Passes over a net before a single layer exists: pure functions from definitions to definitions, and at last to a
plan.

`filter_net` keeps the layers of one phase, level and stage; `insert_splits` gives every consumer of a blob its own
copy; `wire` binds bottoms to tops; `resolve_sharing` finds who owns each named parameter; `plan_backward` decides
which layers run backward and which gradients they compute; `find_fusions` which layers run as one. `minicaffe.net.Net`
does nothing but run them in this order and build the layers.
"""

from minicaffe.graph.backward import BackwardPlan, LayerNeeds, plan_backward
from minicaffe.graph.fusion import Fusion, find_fusions
from minicaffe.graph.sharing import Parameter, ParameterSlot, resolve_sharing
from minicaffe.graph.splits import insert_splits
from minicaffe.graph.state import filter_net, merge_state
from minicaffe.graph.wiring import Graph, Node, wire

__all__ = [
    "BackwardPlan",
    "Fusion",
    "Graph",
    "LayerNeeds",
    "Node",
    "Parameter",
    "ParameterSlot",
    "filter_net",
    "find_fusions",
    "insert_splits",
    "merge_state",
    "plan_backward",
    "resolve_sharing",
    "wire",
]
