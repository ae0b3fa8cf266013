"""Check layers, ours and your own: write a `Case`, hand it to `check`.

from minicaffe.testing import Case, check, normal
check(Case('type: "MyLayer" my_param { ... }', (normal(2, 3),)))
"""

from minicaffe.testing.case import Case, Input, away_from, distinct, given, labels, normal, uniform
from minicaffe.testing.compare import CheckError
from minicaffe.testing.elements import check_elements
from minicaffe.testing.gradcheck import check, checks_for

__all__ = [
    "Case",
    "CheckError",
    "Input",
    "away_from",
    "check",
    "check_elements",
    "checks_for",
    "distinct",
    "given",
    "labels",
    "normal",
    "uniform",
]
