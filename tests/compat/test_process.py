"""The names of pycaffe that are about the process: log, timer, and several GPUs, which are refused by name."""

from __future__ import annotations

import logging
import time

import pytest

import minicaffe
from minicaffe.compat import caffe
from minicaffe.errors import DeviceError

PYCAFFE = """
Net Layer SGDSolver NesterovSolver AdaGradSolver RMSPropSolver AdaDeltaSolver AdamSolver get_solver NCCL Timer
init_log log set_mode_cpu set_mode_gpu set_device set_random_seed layer_type_list
solver_count set_solver_count solver_rank set_solver_rank set_multiprocess has_nccl __version__ TRAIN TEST
Classifier Detector io layers params NetSpec to_proto coord_map
"""


@pytest.mark.parametrize("module", [caffe, minicaffe], ids=["import caffe", "import minicaffe as caffe"])
@pytest.mark.parametrize("name", PYCAFFE.split())
def test_name_of_pycaffe(module, name):
    assert getattr(module, name) is not None
    assert name in dir(module)


def test_messages_need_no_import_of_their_own():
    blob = minicaffe.proto.caffe_pb2.BlobProto(num=1, channels=1, height=1, width=2, data=[1, 2])
    assert minicaffe.io.blobproto_to_array(blob).shape == (1, 1, 1, 2)
    with pytest.raises(AttributeError, match=r"minicaffe\.proto.*'caffe_pb3'"):
        minicaffe.proto.caffe_pb3  # noqa: B018


def test_timer():
    timer = caffe.Timer()
    assert timer.ms == 0
    timer.start()
    time.sleep(0.01)
    running = timer.ms
    assert running >= 10
    timer.stop()
    stopped = timer.ms
    assert stopped >= running
    time.sleep(0.005)
    assert timer.ms == stopped
    timer.start()
    assert timer.ms < stopped


def test_log(caplog):
    with caplog.at_level(logging.INFO, "minicaffe"):
        caffe.log("100% done")
    assert caplog.messages == ["100% done"]


def test_init_log():
    logger = logging.getLogger("minicaffe")
    level, handlers = logger.level, list(logger.handlers)
    try:
        caffe.init_log(1, False)
        assert logger.level == logging.WARNING
        caffe.init_log()
        assert logger.level == logging.INFO
        assert len(logger.handlers) == len([h for h in handlers if h in logger.handlers]) + 1
    finally:
        logger.setLevel(level)
        logger.handlers[:] = handlers


def test_one_solver():
    caffe.set_solver_count(1)
    caffe.set_solver_rank(0)
    caffe.set_multiprocess(False)
    assert (caffe.solver_count(), caffe.solver_rank(), caffe.has_nccl()) == (1, 0, False)


@pytest.mark.parametrize(
    "call",
    [
        lambda: caffe.set_solver_count(2),
        lambda: caffe.set_solver_rank(1),
        lambda: caffe.set_multiprocess(True),
        lambda: caffe.NCCL(None, "uid"),
        caffe.NCCL.new_uid,
    ],
)
def test_more_are_refused(call):
    with pytest.raises(DeviceError, match="trains in one process"):
        call()
