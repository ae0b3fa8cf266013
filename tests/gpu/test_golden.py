"""What real Caffe computed, once more, on a device: layers, training runs with snapshots, the twin net of OHEM."""

from __future__ import annotations

import pytest

from tests.detection.test_twin import (  # noqa: F401
    arrays,
    test_every_blob,
    test_every_gradient,
    test_hard_regions_are_those_of_highest_loss_after_suppression,
    test_three_steps_of_two_passes,
    twin,
)
from tests.solver.test_golden import *  # noqa: F403
from tests.test_golden_layers import test_agrees_with_caffe  # noqa: F401

pytestmark = pytest.mark.usefixtures("gpu")
